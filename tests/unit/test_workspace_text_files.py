"""Markdown as text: bytes kept, and nobody's save lost."""

from __future__ import annotations

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.text_files import (
    MAX_TEXT_BYTES,
    TextWrite,
    check_write,
    read_text,
    write_text,
)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_bytes("\ufeffä\r\nb".encode())
    return WorkspaceRoot(tmp_path)


def refusal(use) -> tuple[str, int]:
    with pytest.raises(OpenWorkError) as caught:
        use()
    return caught.value.code, caught.value.status


def test_a_text_comes_back_as_it_was_read(root):
    found = read_text(root, "docs/a.md")
    assert found.to_json() == {
        "path": "docs/a.md",
        "content": "\ufeffä\r\nb",
        "bytes": 8,
        "updatedAt": (root.path / "docs/a.md").stat().st_mtime_ns / 1e6,
    }
    before = (root.path / "docs/a.md").read_bytes()
    write_text(root, TextWrite("docs/a.md", found.content, found.stat.mtime_ms))
    assert (root.path / "docs/a.md").read_bytes() == before


def test_a_save_over_somebody_elses_is_a_conflict(root):
    base = read_text(root, "docs/a.md").stat.mtime_ms
    mine = TextWrite("docs/a.md", "mine", base)
    check_write(root, mine)
    write_text(root, TextWrite("docs/a.md", "their"))
    with pytest.raises(OpenWorkError) as caught:
        write_text(root, mine)
    current = read_text(root, "docs/a.md")
    assert (caught.value.code, caught.value.status) == ("conflict", 409)
    assert caught.value.details == {
        "baseUpdatedAt": base,
        "currentUpdatedAt": current.stat.mtime_ms,
    }
    assert current.content == "their"
    done = write_text(root, TextWrite("docs/a.md", "mine", base, force=True))
    assert done.to_json()["bytes"] == 4
    assert write_text(root, TextWrite("docs/new.md", "new", base)).stat.size == 3


def test_two_saves_within_one_millisecond_are_told_apart(root):
    times = [write_text(root, TextWrite("docs/a.md", "same")).stat.mtime_ms for _ in range(20)]
    assert sorted(set(times)) == times


def test_only_markdown_of_bearable_size_and_whole_characters(root):
    (root.path / "bad.md").write_bytes(b"a\xffb")
    (root.path / "dir.md").mkdir()
    (root.path / "big.md").write_bytes(b"x" * (MAX_TEXT_BYTES + 1))
    assert refusal(lambda: read_text(root, "bad.md")) == ("not_text", 422)
    assert refusal(lambda: read_text(root, "big.md")) == ("file_too_large", 413)
    assert refusal(lambda: read_text(root, "none.md")) == ("file_not_found", 404)
    for path in ("", "a.txt", "opencode.json", "../a.md", "a.md/../../b.md", "a\0.md", "dir.md",
                 ".openwork-1.tmp/a.md"):  # fmt: skip
        assert refusal(lambda p=path: read_text(root, p)) == ("invalid_path", 400), path
        assert refusal(lambda p=path: check_write(root, TextWrite(p, "x")))[1] == 400, path
    assert refusal(lambda: check_write(root, TextWrite("a.md", "\ud800"))) == (
        "invalid_payload", 400
    )  # fmt: skip
    long = TextWrite("a.md", "ä" * (MAX_TEXT_BYTES // 2 + 1))
    assert refusal(lambda: check_write(root, long)) == ("file_too_large", 413)
    assert not (root.path / "a.md").exists()
