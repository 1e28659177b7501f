"""The audit log on disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat

import pytest

from openwork.server import audit as audit_module
from openwork.server.audit import GENESIS, AuditLog, AuditRecord, chain_hash
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


def assert_chained(found, first=GENESIS):
    previous = first
    for each in found:
        assert each["previous"] == previous
        assert each["hash"] == chain_hash(each)
        previous = each["hash"]


async def test_entries_are_chained_private_and_read_newest_first(tmp_path):
    log = AuditLog(tmp_path / "data")
    await asyncio.gather(*(log.append(record(n)) for n in range(20)))
    path = tmp_path / "data" / "audit" / "ws_a.jsonl"
    found = entries(path)
    assert len(found) == 20
    assert_chained(found)
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
    assert_chained(entries(tmp_path / "audit" / "ws_a.jsonl"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry | {"summary": "something else"},
        lambda entry: entry | {"actor": {"type": "remote"}},
        lambda entry: entry | {"outcome": "denied"},
        lambda entry: entry | {"extra": 1},
        lambda entry: entry | {"previous": GENESIS},
    ],
)
async def test_an_edited_entry_shows(tmp_path, damage):
    log = AuditLog(tmp_path)
    for n in range(2):
        await log.append(record(n))
    last = entries(tmp_path / "audit" / "ws_a.jsonl")[-1]
    assert chain_hash(last) == last["hash"]
    assert chain_hash(damage(last)) != last["hash"]


async def test_a_torn_line_is_kept_and_the_chain_goes_on_behind_it(tmp_path):
    await AuditLog(tmp_path).append(record(1))
    path = tmp_path / "audit" / "ws_a.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "torn", "summ')
    log = AuditLog(tmp_path)
    await log.append(record(2))
    assert path.read_bytes().startswith(whole + b'{"id": "torn", "summ\n')
    found = entries(path)
    assert [each["summary"] for each in found] == ["Änderung 1", "Änderung 2"]
    assert_chained(found)
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
    assert_chained(found)


async def test_a_write_taken_in_parts_is_whole_in_the_end(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(audit_module.os, "write", lambda fd, data: real(fd, data[:7]))
    log = AuditLog(tmp_path)
    await log.append(record(1))
    monkeypatch.undo()
    assert_chained(entries(tmp_path / "audit" / "ws_a.jsonl"))


async def test_the_tail_of_a_long_log_reads_only_its_end(tmp_path, monkeypatch):
    path = tmp_path / "audit" / "ws_a.jsonl"
    path.parent.mkdir(parents=True)
    line = json.dumps({"id": "x", "summary": "s" * 400, "n": 0})
    with path.open("w") as stream:
        for n in range(20_000):
            stream.write(line.replace('"n": 0', f'"n": {n}') + "\n")
    parsed = []
    real = audit_module._parse
    monkeypatch.setattr(audit_module, "_parse", lambda raw: parsed.append(1) or real(raw))
    newest = await AuditLog(tmp_path).tail("ws_a", 200)
    assert [each["n"] for each in newest] == list(range(19_999, 19_799, -1))
    assert len(parsed) == 200


async def test_a_line_longer_than_a_block_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_module, "TAIL_BLOCK_BYTES", 16)
    log = AuditLog(tmp_path)
    for n in range(4):
        await log.append(record(n))
    assert [each["summary"] for each in await log.tail("ws_a", 9)] == [
        f"Änderung {n}" for n in (3, 2, 1, 0)
    ]
