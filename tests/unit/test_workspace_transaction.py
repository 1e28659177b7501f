"""Several files changed as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import transaction
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.transaction import FileChange


@pytest.fixture
def root(tmp_path):
    (tmp_path / "ws").mkdir()
    return WorkspaceRoot(tmp_path / "ws")


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "data/imports/ws.json"


def change(root, name, new, mode=None):
    path = root.at(name)
    return FileChange(path, None if path.stat() is None else path.read(), new, mode)


def files(root):
    return {
        str(each.relative_to(root.path)): each.read_bytes()
        for each in root.path.rglob("*")
        if each.is_file()
    }


def test_files_are_made_changed_and_deleted_with_the_folders_they_leave_empty(root, journal):
    (root.path / ".opencode/skills/old").mkdir(parents=True)
    (root.path / ".opencode/skills/old/SKILL.md").write_bytes(b"old")
    (root.path / "c").write_bytes(b"1")
    changes = [
        change(root, ".opencode/skills/old/SKILL.md", None),
        change(root, ".opencode/skills/new/SKILL.md", b"new"),
        change(root, "c", b"2"),
        change(root, "run", b"#!", 0o755),
    ]
    transaction.apply(root, changes, journal)
    assert files(root) == {".opencode/skills/new/SKILL.md": b"new", "c": b"2", "run": b"#!"}
    assert (root.path / "run").stat().st_mode & 0o777 == 0o755
    assert not (root.path / ".opencode/skills/old").exists()
    assert not journal.exists()


def test_a_failure_in_the_middle_undoes_what_was_done(root, journal):
    (root.path / "a").write_bytes(b"1")
    (root.path / "a").chmod(0o640)
    (root.path / "b").write_bytes(b"b")
    changes = [
        change(root, "a", b"2", 0o755),
        change(root, "new/deep/x", b"x"),
        change(root, "b", None),
        change(root, "in/the/way", b"y"),
    ]
    (root.path / "in").write_bytes(b"a file where a folder should be")
    with pytest.raises(OpenWorkError) as caught:
        transaction.apply(root, changes, journal)
    assert caught.value.code == "invalid_path"
    assert files(root) == {"a": b"1", "b": b"b", "in": b"a file where a folder should be"}
    assert (root.path / "a").stat().st_mode & 0o777 == 0o640
    assert not (root.path / "new").exists()
    assert not journal.exists()


def test_nothing_to_do_writes_no_journal(root, journal):
    (root.path / "a").write_bytes(b"1")
    transaction.apply(root, [change(root, "a", b"1"), change(root, "b", None)], journal)
    assert not journal.parent.exists()


def test_what_is_too_large_to_undo_is_refused_before_anything_changes(root, journal, monkeypatch):
    monkeypatch.setattr(transaction, "MAX_JOURNAL_BYTES", 3)
    (root.path / "a").write_bytes(b"1234")
    with pytest.raises(OpenWorkError) as caught:
        transaction.apply(root, [change(root, "a", None)], journal)
    assert (caught.value.code, caught.value.status) == ("change_too_large", 413)
    assert files(root) == {"a": b"1234"}


def interrupted(root, journal, changes):
    """Leave behind what a kill right after the last write would."""
    kept = {}

    def keep(path):
        kept["modes"] = [each.stat().st_mode & 0o777 for each in (path, path.parent)]
        kept["journal"] = path.read_bytes()
        path.unlink()

    original = transaction._remove
    transaction._remove = keep
    try:
        transaction.apply(root, changes, journal)
    finally:
        transaction._remove = original
    journal.write_bytes(kept["journal"])
    return kept["modes"]


def test_a_file_that_somebody_changed_after_the_crash_is_theirs(root, journal):
    for name in ("a", "b", "c"):
        (root.path / name).write_bytes(b"old")
    changes = [change(root, name, b"new") for name in ("a", "b", "d")] + [change(root, "c", None)]
    interrupted(root, journal, changes)
    (root.path / "b").write_bytes(b"edited since")
    (root.path / "c").write_bytes(b"made again")
    assert transaction.recover(root, journal)
    assert files(root) == {"a": b"old", "b": b"edited since", "c": b"made again"}
    assert not transaction.recover(root, journal)


def test_the_next_change_undoes_an_interrupted_one_first(root, journal):
    (root.path / "a").write_bytes(b"old")
    modes = interrupted(root, journal, [change(root, "a", b"new"), change(root, "x", b"x")])
    assert modes == [0o600, 0o700]
    torn = journal.with_name(f".{journal.name}.0a1b.tmp")
    torn.write_text("a journal cut short")
    transaction.apply(root, [change(root, "y", b"y")], journal)
    assert files(root) == {"a": b"old", "y": b"y"}
    assert list(journal.parent.iterdir()) == []


FOREIGN = '{"version": 1, "workspace": "/elsewhere", "entries": [], "folders": []}'


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", FOREIGN, '{"version": 1, "entries": [{"path": ["..", "x"]}]}']
)
def test_a_damaged_or_foreign_journal_is_told_and_left(root, journal, text):
    journal.parent.mkdir(parents=True)
    journal.write_text(text)
    with pytest.raises(OpenWorkError) as caught:
        transaction.recover(root, journal)
    assert caught.value.code == "file_damaged"
    assert journal.read_text() == text


def test_killed_at_any_step_the_old_or_the_new_state_is_whole(tmp_path):
    program = Path(__file__).with_name("crashing_change.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), "import"],
        capture_output=True, check=True, timeout=50,
    )  # fmt: skip
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 20
    assert {each["state"] for each in steps[:-1]} <= {"old", "new"}
    assert {each["left"] for each in steps} == {0}
    assert any(each["undone"] for each in steps)
    assert steps[-1]["state"] == "new"
    assert not steps[-1]["undone"]
