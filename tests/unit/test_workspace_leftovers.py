"""Half-written files that a kill has left are removed, and nothing else is."""

from __future__ import annotations

import os
import time

import pytest

from openwork.workspace import leftovers
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.temporary import LEFT_AFTER_S, is_temporary

NAME = ".openwork-0123456789abcdef.tmp"
OLD_S = LEFT_AFTER_S + 60


@pytest.fixture
def root(tmp_path):
    return WorkspaceRoot(tmp_path)


def leave(root, path, *, age_s=OLD_S):
    place = root.path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"half")
    then = time.time() - age_s
    os.utime(place, (then, then))
    return place


def names(folder):
    return sorted(each.name for each in folder.rglob("*") if is_temporary(each.name))


class TestAtTheNextWrite:
    def test_to_their_folder_they_are_removed(self, root):
        leave(root, f"docs/{NAME}")
        leave(root, f"docs/deep/{NAME}")
        root.at("docs/a.md").write_bytes(b"x")
        assert names(root.path / "docs") == [NAME]
        assert (root.path / "docs/deep" / NAME).exists()

    def test_a_file_that_may_still_be_written_stays(self, root):
        leave(root, f"docs/{NAME}", age_s=LEFT_AFTER_S - 60)
        root.at("docs/a.md").write_bytes(b"x")
        assert names(root.path) == [NAME]

    def test_a_file_this_process_is_writing_stays_however_long_that_takes(self, root):
        with root.at("docs/a.md").replacing() as stream:
            stream.write(b"slow")
            os.utime(stream.fileno(), (1, 1))
            root.at("docs/b.md").write_bytes(b"quick")
            assert len(names(root.path)) == 1
        assert (root.path / "docs/a.md").read_bytes() == b"slow"
        assert names(root.path) == []

    @pytest.mark.parametrize(
        "name",
        [".openwork-notes.tmp", ".openwork-0123456789ABCDEF.tmp", NAME + ".tmp", "x" + NAME,
         ".openwork-skill-0123456789abcdef.tmp", ".openwork-0123456789abcdef0.tmp"],
    )  # fmt: skip
    def test_what_only_looks_like_ours_stays(self, root, name):
        place = leave(root, f"docs/{name}")
        root.at("docs/a.md").write_bytes(b"x")
        assert place.exists()

    def test_a_link_and_a_folder_of_such_a_name_stay(self, root):
        target = leave(root, "target")
        (root.path / "docs").mkdir()
        (root.path / "docs" / NAME).symlink_to(target)
        (root.path / "docs" / NAME.replace("0", "f")).mkdir()
        root.at("docs/a.md").write_bytes(b"x")
        assert names(root.path) == sorted([NAME, NAME.replace("0", "f")])
        assert target.exists()

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
    def test_another_users_file_stays(self, root):
        place = leave(root, f"docs/{NAME}")
        os.chown(place, 12345, 12345)
        root.at("docs/a.md").write_bytes(b"x")
        assert place.exists()


class TestAtTheStart:
    def test_they_are_removed_where_the_server_writes(self, root):
        for folder in (".", ".opencode", ".opencode/skills/a/b", ".opencode/openwork/inbox/sub"):
            leave(root, f"{folder}/{NAME}")
        leave(root, f"docs/{NAME}")
        leave(root, f".opencode/node_modules/{NAME}")
        leftovers.sweep_all([root])
        assert names(root.path) == [NAME, NAME]
        assert (root.path / "docs" / NAME).exists()
        assert (root.path / ".opencode/node_modules" / NAME).exists()

    def test_only_so_much_is_looked_at(self, root, monkeypatch):
        monkeypatch.setattr(leftovers, "MAX_FOLDERS", 3)
        leave(root, f".opencode/a/{NAME}")
        leave(root, f".opencode/b/{NAME}")
        leftovers.sweep_all([root])
        assert (root.path / ".opencode/b" / NAME).exists()
        assert not (root.path / ".opencode/a" / NAME).exists()
        for number in range(leftovers.MAX_NAMES + 50):
            leave(root, f".opencode/a/.openwork-{number:016x}.tmp")
        leftovers.sweep_all([root])
        assert len(names(root.path / ".opencode/a")) == 50

    def test_a_link_out_of_the_workspace_is_not_followed(self, tmp_path):
        outside = tmp_path / "outside"
        folder = tmp_path / "workspace"
        folder.mkdir()
        place = leave(WorkspaceRoot(tmp_path), f"outside/{NAME}")
        (folder / ".opencode").symlink_to(outside)
        leftovers.sweep_all([WorkspaceRoot(folder)])
        assert place.exists()

    def test_a_folder_that_has_gone_does_not_stop_the_start(self, tmp_path):
        folder = tmp_path / "workspace"
        folder.mkdir()
        gone, other = WorkspaceRoot(folder), WorkspaceRoot(tmp_path)
        folder.rmdir()
        place = leave(other, NAME)
        leftovers.sweep_all([gone, other])
        assert not place.exists()
