"""What the person who approves a change of several files is shown of them."""

from __future__ import annotations

import pytest

from openwork.server.shown import MAX_SHOWN_CHARACTERS
from openwork.server.shown_files import MAX_FILES_CHARACTERS, ShownFile, shown_files


def test_files_are_listed_and_what_runs_comes_first():
    told = shown_files(
        [
            ShownFile("write", "notes.md", b"Notes"),
            ShownFile("delete", "old.md"),
            ShownFile("create", ".opencode/plugins/p.ts", b"run()", runs=True),
        ]
    )
    assert told.splitlines() == [
        "write notes.md (5 bytes)", "delete old.md", "create .opencode/plugins/p.ts (5 bytes)",
        "", "--- .opencode/plugins/p.ts", "run()", "", "--- notes.md", "Notes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        (".env", b"KEY=canary", "(may hold keys: not shown)"),
        ("opencode.jsonc", b'{"mcp": {"m": {"headers": {"A": "canary-1"}}}, // x\n}', '"A": "***"'),
        ("a.json", b'{"password": "canary"}', '"password": "***"'),
        ("a.json", b'{"password": "canary"', "(JSON that does not parse: not shown)"),
        ("a.json", b'["' + b"x" * 1_000_000 + b'"]', "(too long to be shown)"),
        ("a.png", b"\x89PNG canary", "(no text)"),
        ("a.bin", b"canary\0", "(no text)"),
        ("a.md", b"token=ghp_" + b"a1B2c3D4e5" * 4, "***"),
        ("a.json", b'{"a": "\\ud800"}', "ud800"),
    ],
)
def test_no_secret_of_a_file(path, data, expected):
    told = shown_files([ShownFile("write", path, data)])
    assert expected in told
    assert "canary" not in told
    assert "ghp_" not in told
    told.encode()


def test_many_files_and_long_lists_end():
    files = [ShownFile("write", f"{n}/{'d' * 200}.md", b"x" * 9_000) for n in range(500)]
    assert len(shown_files(files)) < MAX_FILES_CHARACTERS + MAX_SHOWN_CHARACTERS
    assert "… and 400 more" in shown_files([ShownFile("write", "a", b"") for _ in range(500)])
