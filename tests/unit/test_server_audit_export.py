"""The audit log as a file to take away."""

from __future__ import annotations

import csv
import io
import json

import pytest

from openwork.server.audit_export import COLUMNS, PIECE_BYTES, as_cell, export
from openwork.server.audit_pages import EVERYTHING, AuditFilter


def entries(count, **fields):
    for n in range(count):
        entry = {
            "id": f"id-{n}", "timestamp": 1_700_000_000_123, "action": "config.patch",
            "actor": {"type": "remote", "scope": "owner", "tokenHash": "h"}, "outcome": "done",
            "target": "/f", "summary": f"Change {n}", **fields,
        }  # fmt: skip
        yield json.dumps(entry).encode() + b"\n", entry


def test_json_lines_are_the_logs_own():
    lines = [line for line, _ in entries(3)]
    assert b"".join(export(entries(3), EVERYTHING, "jsonl")) == b"".join(lines)
    assert b"".join(export(entries(3), AuditFilter(action="x"), "jsonl")) == b""


def test_csv_has_a_row_an_entry():
    data = b"".join(export(entries(2, summary='a "b",\nc'), EVERYTHING, "csv")).decode()
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == ["id-0", "id-1"]
    assert rows[0]["time"] == "2023-11-14T22:13:20.123Z"
    assert (rows[0]["summary"], rows[0]["actorScope"]) == ('a "b",\nc', "owner")
    assert rows[0]["clientId"] == rows[0]["reason"] == ""


def test_an_empty_log_is_a_table_without_rows():
    assert b"".join(export(entries(0), EVERYTHING, "csv")).decode() == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(begin):
    attack = begin + "cmd|' /C calc'!A0"
    assert as_cell(attack) == "'" + attack
    client = {"type": "remote", "scope": "owner", "tokenHash": "h", "clientId": attack}
    odd = {"target": attack, "summary": attack, "action": attack, "id": attack, "actor": client}
    data = b"".join(export(entries(1, **odd), EVERYTHING, "csv")).decode()
    (_, row) = csv.reader(io.StringIO(data, newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)
    assert row.count("'" + attack) == 5


def test_it_comes_in_pieces():
    for form in ("jsonl", "csv"):
        sizes = [len(piece) for piece in export(entries(3000), EVERYTHING, form)]
        assert len(sizes) > 2
        assert max(sizes) < 2 * PIECE_BYTES


def test_strange_entries_are_rows_too():
    strange = [
        (b"{}", {}),
        (b"{}", {"actor": 5, "timestamp": 10**30}),
        (b"{}", {"timestamp": None}),
    ]
    data = b"".join(export(strange, EVERYTHING, "csv")).decode()
    assert len(list(csv.reader(io.StringIO(data, newline="")))) == 4
    assert b"".join(export(strange, EVERYTHING, "jsonl")) == b"{}\n" * 3
