"""Files that are never half-written."""

from __future__ import annotations

import stat
import threading

import pytest

from openwork.common import files
from openwork.common.errors import OpenWorkError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_0644_and_an_old_ones_mode_is_kept(tmp_path):
    path = tmp_path / "f"
    files.replace_file(path, b"1")
    assert mode(path) == 0o644
    path.chmod(0o640)
    files.replace_file(path, b"2")
    assert (path.read_bytes(), mode(path)) == (b"2", 0o640)
    files.replace_file(path, b"3", mode=0o600)
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("step", ["fsync", "fchmod"])
def test_what_fails_before_the_rename_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        files.replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_reader_sees_the_old_or_the_new_never_a_part(tmp_path):
    path = tmp_path / "f"
    stop = threading.Event()
    old, new = b"a" * 100_000, b"b" * 100_000
    torn: list[bytes] = []

    def read():
        while not stop.is_set():
            data = path.read_bytes()
            if data not in (old, new):
                torn.append(data)

    path.write_bytes(old)
    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        files.replace_file(path, new)
        files.replace_file(path, old)
    stop.set()
    reader.join()
    assert torn == []


def test_private_json_is_private_from_its_first_moment(tmp_path):
    path = tmp_path / "a" / "b" / "secrets.json"
    files.write_private_json(path, {"é": 1})
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert files.read_json_object(path) == {"é": 1}
    assert "é" in path.read_text()


def test_a_missing_file_is_none(tmp_path):
    assert files.read_json_object(tmp_path / "none") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"1", b'"x"', b"null"])
def test_a_damaged_file_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "f.json"
    path.write_bytes(content)
    with pytest.raises(OpenWorkError) as caught:
        files.read_json_object(path)
    assert caught.value.code == "file_damaged"
    assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_an_unreadable_file_says_so(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b'{"a": "\xff"}')
    for name in ("folder", "latin"):
        with pytest.raises(OpenWorkError) as caught:
            files.read_json_object(tmp_path / name)
        assert caught.value.code == "file_unreadable"
