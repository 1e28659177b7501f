"""The audit log's chain: any order of entries and crashes holds, any edited byte shows."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.server.audit import AuditLog, AuditRecord
from openwork.server.audit_chain import LONGEST_LINE_BYTES, check, could_be_torn, sealed_hash
from openwork.server.auth import Actor
from openwork.server.scope import Scope

TEXTS = st.text(max_size=30) | st.sampled_from(
    ['"', "\\", '", "hash": "', '"}', "\n", "é", '{"id": "']
)
ACTORS = st.builds(
    Actor,
    kind=st.just("remote"),
    token_hash=st.just("hash"),
    scope=st.sampled_from(Scope),
    client_id=st.none() | TEXTS,
)
RECORDS = st.builds(
    AuditRecord,
    workspace_id=st.just("ws_a"),
    actor=ACTORS,
    action=st.sampled_from(["config.patch", "skills.upsert"]),
    target=TEXTS,
    summary=TEXTS,
    outcome=st.sampled_from(["done", "denied"]),
    reason=st.sampled_from(["", "restart"]),
    decided_by=st.none() | ACTORS,
)
PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def verdict(data):
    return check(io.BytesIO(data), len(data))


def write(folder, steps):
    """Each step is a record, and how many bytes of its line a crash leaves (None: no crash)."""
    path = folder / "audit" / "ws_a.jsonl"
    log, whole, torn = AuditLog(folder), 0, 0
    for record, cut in steps:
        before = path.stat().st_size if path.exists() else 0
        log._append(record)
        whole += 1
        if cut is None:
            continue
        data = path.read_bytes()
        kept = before + int((len(data) - before) * cut)
        path.write_bytes(data[:kept])
        log = AuditLog(folder)  # the crash ended the process
        if sealed_hash(data[before:kept].strip(b"\n")) is None:
            whole -= 1
            torn += kept > before
    return path, whole, torn


@PROPERTY
@given(
    steps=st.lists(st.tuples(RECORDS, st.none() | st.floats(0, 1, exclude_max=True)), max_size=8)
)
def test_the_chain_holds_after_any_order_of_entries_and_crashes(tmp_path_factory, steps):
    path, whole, torn = write(tmp_path_factory.mktemp("log"), steps)
    found = verdict(path.read_bytes() if path.exists() else b"")
    assert found.bad_line is None, found
    assert found.entries == whole
    assert found.torn <= torn


@PROPERTY
@given(
    steps=st.lists(
        st.tuples(RECORDS, st.none() | st.none() | st.floats(0, 1, exclude_max=True)),
        min_size=1,
        max_size=5,
    ),
    last=RECORDS,
    where=st.floats(0, 1, exclude_max=True),
    to=st.integers(0, 255) | st.sampled_from(list(b'\n"}\\ x')),
)
def test_any_edited_byte_shows(tmp_path_factory, steps, last, where, to):
    path, *_ = write(tmp_path_factory.mktemp("log"), [*steps, (last, None)])
    data = bytearray(path.read_bytes())
    at = int(where * len(data))
    if data[at] == to:
        to = (to + 1) % 256
    data[at] = to
    found = verdict(bytes(data))
    assert found.bad_line is not None
    assert 1 <= found.bad_line <= data[:at].count(b"\n") + 3


def entry_lines(folder, count=3):
    actor = Actor("host", "h", Scope.OWNER)
    records = [
        AuditRecord("ws_a", actor, "a", "t", f"{n}", reason="r", decided_by=actor)
        for n in range(count)
    ]
    path, *_ = write(folder, [(each, None) for each in records])
    return path.read_bytes().splitlines(keepends=True)


def test_every_byte_of_a_small_log_counts(tmp_path):
    data = b"".join(entry_lines(tmp_path))
    for at in range(len(data)):
        for to in b'x\n"}':
            if data[at] != to:
                assert verdict(data[:at] + bytes([to]) + data[at + 1 :]).bad_line is not None, at


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e: e[1:], 1),
        (lambda e: [e[0], e[2]], 2),
        (lambda e: [e[0], e[2], e[1]], 2),
        (lambda e: [e[0], *e], 2),
        (lambda e: [e[0], b"\n", *e[1:]], 2),
        (lambda e: [e[0], b'{"id": "put in", "wor\n', *e[1:]], 2),
        (lambda e: [*e, b"anything\n"], 4),
        (lambda e: [*e[:2], b"x" * (3 * LONGEST_LINE_BYTES) + b"\n", e[2]], 3),
    ],
)
def test_entries_taken_out_exchanged_or_put_in_show(tmp_path, change, line):
    assert verdict(b"".join(change(entry_lines(tmp_path)))).bad_line == line


def test_every_beginning_of_an_entry_may_be_torn_and_a_whole_one_not(tmp_path):
    line = entry_lines(tmp_path, 1)[0].rstrip(b"\n")
    assert all(could_be_torn(line[:end]) for end in range(1, len(line)))
    assert not could_be_torn(line)
    for other in (
        b"",
        b"x",
        b"{}",
        line + b"x",
        line.replace(b'"a"', b"3")[:-3],
        b"\xff",
        b'{"id": "\xff"',
    ):
        assert not could_be_torn(other), other


def test_a_torn_line_at_the_end_is_no_edit(tmp_path):
    a, b, c = entry_lines(tmp_path)
    for end in range(1, len(c) - 2):
        found = verdict(a + b + c[:end])
        assert (found.bad_line, found.entries, found.torn) == (None, 2, 1)
