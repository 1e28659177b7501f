"""The audit log on disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import stat

import pytest

from openwork.server import audit as audit_module
from openwork.server import audit_pages
from openwork.server.audit import AuditLog, AuditRecord
from openwork.server.audit_chain import GENESIS, sealed_hash
from openwork.server.auth import Actor
from openwork.server.scope import Scope

ACTOR = Actor("host", "hash", Scope.OWNER, "desk")


def record(n=0):
    return AuditRecord("ws_a", ACTOR, "config.patch", "/f", f"Änderung {n}")


def entries(path):
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


async def assert_chained(log, entries):
    verdict = await log.verify("ws_a")
    assert verdict.to_json()["ok"], verdict
    assert verdict.entries == entries


async def test_entries_are_chained_private_and_read_newest_first(tmp_path):
    log = AuditLog(tmp_path / "data")
    await asyncio.gather(*(log.append(record(n)) for n in range(20)))
    path = tmp_path / "data" / "audit" / "ws_a.jsonl"
    found = entries(path)
    assert len(found) == 20
    await assert_chained(log, 20)
    assert [each["previous"] for each in found] == [GENESIS, *(each["hash"] for each in found[:-1])]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    newest = await log.tail("ws_a", 3)
    assert newest == found[:-4:-1]
    assert newest[0]["actor"] == {
        "type": "host", "clientId": "desk", "tokenHash": "hash", "scope": "owner",
    }  # fmt: skip
    assert await log.tail("ws_other", 3) == []


async def test_the_chain_goes_on_after_a_restart(tmp_path):
    for n in range(3):
        await AuditLog(tmp_path).append(record(n))
    await assert_chained(AuditLog(tmp_path), 3)


async def test_a_torn_line_is_kept_and_the_chain_goes_on_behind_it(tmp_path):
    await AuditLog(tmp_path).append(record(1))
    path = tmp_path / "audit" / "ws_a.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "torn", "works')
    log = AuditLog(tmp_path)
    await log.append(record(2))
    assert path.read_bytes().startswith(whole + b'{"id": "torn", "works\n')
    found = entries(path)
    assert [each["summary"] for each in found] == ["Änderung 1", "Änderung 2"]
    await assert_chained(log, 2)
    assert (await log.verify("ws_a")).torn == 1
    assert len(await log.tail("ws_a", 10)) == 2


async def test_a_full_disk_fails_the_entry_and_harms_no_later_one(tmp_path, monkeypatch):
    log = AuditLog(tmp_path)
    await log.append(record(1))
    real = os.write
    calls = []

    def full(descriptor, data):
        calls.append(len(data))
        if len(calls) == 1:
            return real(descriptor, data[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit_module.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        await log.append(record(2))
    monkeypatch.undo()
    await log.append(record(3))
    found = entries(tmp_path / "audit" / "ws_a.jsonl")
    assert [each["summary"] for each in found] == ["Änderung 1", "Änderung 3"]
    await assert_chained(log, 2)


async def test_a_write_taken_in_parts_is_whole_in_the_end(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(audit_module.os, "write", lambda fd, data: real(fd, data[:7]))
    log = AuditLog(tmp_path)
    await log.append(record(1))
    monkeypatch.undo()
    await assert_chained(log, 1)


async def test_the_tail_of_a_long_log_reads_only_its_end(tmp_path, monkeypatch):
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.parent.mkdir(parents=True)
    line = json.dumps({"id": "x", "summary": "s" * 400, "n": 0})
    with path.open("w") as stream:
        for n in range(20_000):
            stream.write(line.replace('"n": 0', f'"n": {n}') + "\n")
    parsed = []
    real = audit_pages.parse_entry
    monkeypatch.setattr(audit_pages, "parse_entry", lambda raw: parsed.append(1) or real(raw))
    newest = await AuditLog(tmp_path).tail("ws_a", 200)
    assert [each["n"] for each in newest] == list(range(19_999, 19_799, -1))
    assert len(parsed) == 200


async def test_a_line_longer_than_a_block_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_pages, "BLOCK_BYTES", 16)
    log = AuditLog(tmp_path)
    for n in range(4):
        await log.append(record(n))
    assert [each["summary"] for each in await log.tail("ws_a", 9)] == [
        f"Änderung {n}" for n in (3, 2, 1, 0)
    ]


async def test_texts_that_no_utf8_holds_and_endless_ones_are_recorded(tmp_path):
    log = AuditLog(tmp_path)
    strange = AuditRecord(
        "ws_a", Actor("remote", "h", Scope.OWNER, "a\ud800"), "x", "\udcff", "s" * 9999
    )
    await log.append(strange)
    (entry,) = await log.tail("ws_a", 1)
    assert (entry["target"], entry["actor"]["clientId"]) == ("?", "a?")
    assert len(entry["summary"]) == audit_module.LONGEST_TEXT_CHARS + 1
    await assert_chained(log, 1)


async def test_newest_entries_that_are_cut_off_while_the_server_runs_are_missed(tmp_path):
    log = AuditLog(tmp_path)
    for n in range(3):
        await log.append(record(n))
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    verdict = (await log.verify("ws_a")).to_json()
    assert verdict["firstBad"] == {"line": 3, "reason": "the newest entries are missing"}
    path.unlink()
    assert (await log.verify("ws_a")).to_json()["ok"] is False
    assert (await AuditLog(tmp_path).verify("ws_a")).to_json() == {
        "ok": True, "entries": 0, "legacy": 0, "torn": 0, "head": GENESIS,
    }  # fmt: skip


LEGACY = [
    b'{"id":"%d","workspaceId":"ws_a","actor":{"type":"remote"},"action":"config.patch",'
    b'"target":"opencode.json","summary":"Patched","timestamp":%d}' % (n, n)
    for n in (1, 2)
]


@pytest.mark.parametrize("ending", [b"\n", b""])
async def test_the_log_of_a_server_before_is_gone_on_with_and_vouched_for(tmp_path, ending):
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(LEGACY) + ending)
    found = await AuditLog(tmp_path).verify("ws_a")
    assert (found.to_json()["ok"], found.entries, found.legacy) == (True, 0, 2)
    log = AuditLog(tmp_path)
    for n in range(3):
        log = AuditLog(tmp_path)
        await log.append(record(n))
        found = await log.verify("ws_a")
        assert (found.bad_line, found.entries, found.legacy) == (None, n + 1, 2)
    newest = await AuditLog(tmp_path).tail("ws_a", 9)
    assert [each["timestamp"] for each in newest[-2:]] == [2, 1]
    first = newest[2]["hash"]
    assert newest[2]["previous"] == hashlib.sha256(b"\n".join(LEGACY) + b"\n").hexdigest()
    assert newest[1]["previous"] == first


async def test_a_crash_in_the_first_entry_behind_a_server_before_is_no_edit(tmp_path):
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(LEGACY) + b"\n")
    before = path.stat().st_size
    await AuditLog(tmp_path).append(record())
    path.write_bytes(path.read_bytes()[: before + 60])
    assert (await AuditLog(tmp_path).verify("ws_a")).to_json()["ok"]
    log = AuditLog(tmp_path)
    await log.append(record())
    found = await log.verify("ws_a")
    assert (found.bad_line, found.entries, found.legacy, found.torn) == (None, 1, 2, 1)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e: [e[0].replace(b"Patched", b"Patchee"), *e[1:]], 3),
        (lambda e: [e[0], e[1].replace(b"Patched", b"Patchee"), *e[2:]], 3),
        (lambda e: e[1:], 2),
        (lambda e: e[2:], 1),
        (lambda e: [e[0], b"x", *e[1:]], 2),
        (lambda e: [e[0], e[1][:-1], *e[2:]], 2),
        (lambda e: [*e[:3], e[1], *e[3:]], 4),
        (lambda e: [*e, e[0]], 5),
        (lambda e: [e[0], e[1], e[3]], 3),
        (lambda e: [e[0], e[1], e[2].replace(b"config.patch", b"config.watch"), e[3]], 3),
        (lambda e: [b"{}", *e], 1),
    ],
)
async def test_an_edit_of_such_a_log_shows(tmp_path, change, line):
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(LEGACY) + b"\n")
    for n in range(2):
        await AuditLog(tmp_path).append(record(n))
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    assert (await AuditLog(tmp_path).verify("ws_a")).bad_line == line


async def test_the_next_entry_vouches_for_a_torn_line_and_for_no_edited_one(tmp_path):
    await AuditLog(tmp_path).append(record(1))
    await AuditLog(tmp_path).append(record(2))
    path = tmp_path / "audit" / "ws_a.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second.replace(b"config.patch", b"config.watch") + b"\n")
    log = AuditLog(tmp_path)
    await log.append(record(3))
    assert sealed_hash(path.read_bytes().splitlines()[-1]) is not None
    verdict = await log.verify("ws_a")
    assert (verdict.bad_line, verdict.entries, verdict.torn) == (2, 1, 0)
