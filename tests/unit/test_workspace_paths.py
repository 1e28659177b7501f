"""Files of a workspace are reached safely, at the moment of use."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import descent, paths
from openwork.workspace.paths import SafePath, WorkspaceRoot, resolve_directory

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"outside the workspace"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_bytes(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> WorkspaceRoot:
    folder = tmp_path / "ws"
    (folder / "docs" / "deep").mkdir(parents=True)
    (folder / "docs" / "a.md").write_bytes(b"alpha")
    return WorkspaceRoot(folder)


def refusal(path: SafePath, action: str = "read") -> tuple[str, int]:
    actions = {
        "read": path.read_bytes,
        "write": lambda: path.write_bytes(b"x"),
        "delete": path.delete,
        "delete tree": lambda: path.delete(recursive=True),
        "list": path.entries,
        "stat": path.stat,
        "make_dir": path.make_dir,
        "rename from": lambda: path.rename_to(path.root.at("moved")),
        "rename to": lambda: path.root.at("docs/a.md").rename_to(path),
    }
    with pytest.raises(OpenWorkError) as caught:
        actions[action]()
    return caught.value.code, caught.value.status


def outcome(use: Callable[[], object]) -> str:
    try:
        return "secret read" if use() == SECRET else "done"
    except OpenWorkError as error:
        return error.code


def names_in(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


USES = ["read", "write", "list", "stat", "make_dir", "delete", "rename from", "rename to"]


class TestOrdinaryWork:
    def test_a_file_is_written_read_and_described(self, root: WorkspaceRoot):
        path = root.at("new/folder/note.md")
        written = path.write_bytes(b"hello")
        content = path.read()
        assert content.data == b"hello"
        assert content.stat == path.stat() == written
        assert written.revision == f"{written.mtime_ns // 1_000_000}:5"
        assert (written.kind, written.mode) == ("file", 0o644)

    def test_an_empty_file_can_be_written(self, root: WorkspaceRoot):
        assert root.at("empty").write_bytes(b"").size == 0
        assert root.at("empty").read_bytes() == b""

    def test_replacing_keeps_the_mode_and_leaves_no_temporary_file(self, root: WorkspaceRoot):
        (root.path / "docs/a.md").chmod(0o640)
        root.at("docs/a.md").write_bytes(b"beta")
        assert stat.S_IMODE((root.path / "docs/a.md").stat().st_mode) == 0o640
        assert names_in(root.path / "docs") == ["a.md", "deep"]

    def test_a_failed_write_changes_nothing(self, root: WorkspaceRoot):
        def write_half() -> None:
            with root.at("docs/a.md").replacing() as stream:
                stream.write(b"half")
                raise RuntimeError("half way")

        with pytest.raises(RuntimeError, match="half way"):
            write_half()
        assert (root.path / "docs/a.md").read_bytes() == b"alpha"
        assert names_in(root.path / "docs") == ["a.md", "deep"]

    def test_a_file_over_the_limit_is_refused_with_its_size(self, root: WorkspaceRoot):
        path = root.at("docs/a.md")
        assert path.read_bytes(max_bytes=5) == b"alpha"
        with pytest.raises(OpenWorkError) as caught:
            path.read_bytes(max_bytes=4)
        assert (caught.value.code, caught.value.status) == ("file_too_large", 413)
        assert caught.value.details == {"maxBytes": 4, "size": 5}

    def test_missing_things_are_told_apart_from_forbidden_ones(self, root: WorkspaceRoot):
        for text in ("nothing", "docs/nothing", "no/where", "docs/a.md/below"):
            assert root.at(text).stat() is None
            assert refusal(root.at(text)) == ("file_not_found", 404)
        assert refusal(root.at("docs/a.md/below"), "write") == ("invalid_path", 400)

    def test_a_folder_is_no_file(self, root: WorkspaceRoot):
        for use in ("read", "write"):
            assert refusal(root.at("docs"), use) == ("invalid_path", 400)

    def test_a_pipe_is_refused_instead_of_waited_for(self, root: WorkspaceRoot):
        os.mkfifo(root.path / "pipe")
        assert refusal(root.at("pipe")) == ("invalid_path", 400)
        assert refusal(root.at("pipe"), "write") == ("invalid_path", 400)

    def test_listing_is_sorted_and_does_not_follow_links(self, root: WorkspaceRoot, outside: Path):
        (root.path / "docs/link").symlink_to(outside)
        (root.path / "docs" / os.fsdecode(b"\xff.md")).write_bytes(b"")
        found = [(entry.path.relative, entry.stat.kind) for entry in root.at("docs").entries()]
        assert found == [("docs/a.md", "file"), ("docs/deep", "dir"), ("docs/link", "symlink")]

    def test_walking_goes_through_folders_but_not_links_or_skipped_ones(
        self, root: WorkspaceRoot, outside: Path
    ):
        (root.path / "docs/deep/b.md").write_bytes(b"")
        (root.path / "zlink").symlink_to(outside)
        (root.path / ".git").mkdir()
        (root.path / ".git/HEAD").write_bytes(b"")
        found = root.top.walk(lambda entry: entry.path.name == ".git")
        names = [entry.path.relative for entry in found]
        assert sorted(names) == ["docs", "docs/a.md", "docs/deep", "docs/deep/b.md", "zlink"]

    def test_make_dir_makes_parents_and_accepts_an_existing_folder(self, root: WorkspaceRoot):
        for _ in range(2):
            root.at("x/y/z").make_dir()
        assert root.at("x/y/z").is_dir()
        assert refusal(root.at("docs/a.md"), "make_dir") == ("invalid_path", 400)

    def test_rename_makes_parents_and_replaces(self, root: WorkspaceRoot):
        root.at("b.md").write_bytes(b"beta")
        root.at("b.md").rename_to(root.at("docs/a.md"))
        root.at("docs/a.md").rename_to(root.at("far/away.md"))
        assert root.at("far/away.md").read_bytes() == b"beta"
        assert not root.at("docs/a.md").is_file()

    def test_a_failed_rename_makes_no_folders(self, root: WorkspaceRoot):
        with pytest.raises(OpenWorkError) as caught:
            root.at("missing").rename_to(root.at("new/place"))
        assert caught.value.code == "file_not_found"
        assert not (root.path / "new").exists()

    def test_a_folder_is_not_moved_into_itself(self, root: WorkspaceRoot):
        with pytest.raises(OpenWorkError) as caught:
            root.at("docs").rename_to(root.at("docs/deep/docs"))
        assert caught.value.code == "invalid_path"

    def test_moving_to_another_workspace_is_refused(self, root: WorkspaceRoot, outside: Path):
        with pytest.raises(OpenWorkError) as caught:
            root.at("docs/a.md").rename_to(WorkspaceRoot(outside).at("a.md"))
        assert caught.value.code == "invalid_path"

    def test_deleting_a_full_folder_needs_recursive(self, root: WorkspaceRoot, outside: Path):
        (root.path / "docs/deep/link").symlink_to(outside)
        (root.path / "docs/broken").symlink_to("nowhere")
        assert refusal(root.at("docs"), "delete") == ("directory_not_empty", 409)
        root.at("docs").delete(recursive=True)
        assert not (root.path / "docs").exists()
        assert (outside / "secret.txt").read_bytes() == SECRET

    def test_a_very_deep_tree_is_deleted(self, root: WorkspaceRoot):
        root.at("/".join("d" * 400)).make_dir()
        root.at("d").delete(recursive=True)
        assert not (root.path / "d").exists()

    def test_the_workspace_itself_is_not_deleted_or_moved(self, root: WorkspaceRoot):
        assert refusal(root.top, "delete tree") == ("invalid_path", 400)
        assert refusal(root.top, "rename from") == ("invalid_path", 400)
        assert refusal(root.top, "write") == ("invalid_path", 400)
        assert root.top.is_dir()

    def test_a_part_taken_as_it_is_must_still_be_one_name(self, root: WorkspaceRoot):
        assert root.top.child("12:30.md").relative == "12:30.md"
        for name in ("..", ".", "", "a/b", "a\0"):
            with pytest.raises(OpenWorkError):
                root.top.child(name)

    def test_a_missing_workspace_is_named(self, tmp_path: Path):
        with pytest.raises(OpenWorkError, match="gone") as caught:
            WorkspaceRoot(tmp_path / "gone")
        assert caught.value.code == "workspace_not_found"


class TestSymbolicLinks:
    @pytest.mark.parametrize("use", USES)
    def test_a_folder_link_leading_outside_is_refused(
        self, root: WorkspaceRoot, outside: Path, use: str
    ):
        (root.path / "out").symlink_to(outside)
        before = names_in(outside)
        assert refusal(root.at("out/secret.txt"), use) == ("invalid_path", 400)
        assert names_in(outside) == before
        assert (outside / "secret.txt").read_bytes() == SECRET

    @pytest.mark.parametrize("use", ["read", "write", "stat", "list", "make_dir"])
    @pytest.mark.parametrize("target", ["secret.txt", "missing.txt", "missing/deeper"])
    def test_a_link_outside_is_refused_alike_whether_its_target_exists(
        self, root: WorkspaceRoot, outside: Path, use: str, target: str
    ):
        (root.path / "link").symlink_to(outside / target)
        (root.path / "relative").symlink_to(Path("../outside") / target)
        assert refusal(root.at("link"), use) == ("invalid_path", 400)
        assert refusal(root.at("relative"), use) == ("invalid_path", 400)
        assert names_in(outside) == ["secret.txt"]

    def test_a_link_that_stays_inside_is_followed_and_kept(self, root: WorkspaceRoot):
        (root.path / "link.md").symlink_to("docs/a.md")
        (root.path / "folder").symlink_to(root.path / "docs")
        assert root.at("link.md").read_bytes() == b"alpha"
        root.at("link.md").write_bytes(b"beta")
        root.at("folder/new.md").write_bytes(b"new")
        assert (root.path / "link.md").is_symlink()
        assert (root.path / "docs/a.md").read_bytes() == b"beta"
        assert (root.path / "docs/new.md").read_bytes() == b"new"

    def test_deleting_or_moving_a_link_leaves_its_target(self, root: WorkspaceRoot, outside: Path):
        (root.path / "one").symlink_to(outside)
        (root.path / "two").symlink_to(outside)
        root.at("one").rename_to(root.at("three"))
        root.at("two").delete(recursive=True)
        assert (root.path / "three").readlink() == outside
        assert names_in(outside) == ["secret.txt"]

    def test_a_loop_and_a_long_chain_of_links_are_refused(self, root: WorkspaceRoot):
        (root.path / "loop").symlink_to("loop")
        for number in range(1500):
            (root.path / f"l{number}").symlink_to(f"l{number + 1}")
        assert refusal(root.at("loop")) == ("invalid_path", 400)
        assert refusal(root.at("l0")) == ("invalid_path", 400)

    def test_the_root_may_itself_be_reached_by_a_link(self, root: WorkspaceRoot, tmp_path: Path):
        (tmp_path / "alias").symlink_to(root.path)
        assert WorkspaceRoot(tmp_path / "alias") == root

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "d/a", "d/b"]),
                st.sampled_from(["..", "../outside", "d", "b", "a", "../ws", "d/..", "../../.."]),
            ),
            max_size=4,
        ),
        st.lists(st.sampled_from(["a", "b", "d", "secret.txt"]), min_size=1, max_size=4),
    )
    def test_no_arrangement_of_links_reaches_outside(
        self, root: WorkspaceRoot, outside: Path, links: list[tuple[str, str]], parts: list[str]
    ):
        shutil.rmtree(root.path)
        (root.path / "d").mkdir(parents=True)
        for name, target in links:
            if not os.path.lexists(root.path / name):
                (root.path / name).symlink_to(target)
        path = root.at("/".join(parts))
        for use in (path.read_bytes, lambda: path.write_bytes(b"x"), path.delete):
            assert outcome(use) in {"done", "invalid_path", "file_not_found", "directory_not_empty"}
        assert names_in(outside) == ["secret.txt"]
        assert (outside / "secret.txt").read_bytes() == SECRET


class TestSwappedBetweenCheckAndUse:
    """Somebody puts a link in place after the path was resolved and before it is opened."""

    @pytest.mark.parametrize("use", USES)
    @pytest.mark.parametrize("victim", ["docs", "docs/deep"])
    def test_a_folder_swapped_for_a_link(
        self,
        root: WorkspaceRoot,
        outside: Path,
        monkeypatch: pytest.MonkeyPatch,
        use: str,
        victim: str,
    ):
        (root.path / "docs/deep/secret.txt").write_bytes(b"inside")
        real_path = os.path.realpath

        def resolve_then_swap(path: str | Path) -> str:
            found = real_path(path)
            if not (root.path / victim).is_symlink():
                (root.path / victim).rename(root.path / "aside")
                (root.path / victim).symlink_to(outside)
                (outside / "deep").mkdir(exist_ok=True)
                (outside / "deep/secret.txt").write_bytes(SECRET)
            return found

        monkeypatch.setattr(paths.os.path, "realpath", resolve_then_swap)
        if use == "rename to":
            root.at("moving").write_bytes(b"")
            path = root.at("moving")
            with pytest.raises(OpenWorkError) as caught:
                path.rename_to(root.at("docs/deep/secret.txt"))
            assert caught.value.code == "invalid_path"
        else:
            assert refusal(root.at("docs/deep/secret.txt"), use) == ("invalid_path", 400)
        assert (outside / "deep/secret.txt").read_bytes() == SECRET
        assert names_in(outside) == ["deep", "secret.txt"]

    @pytest.mark.parametrize("use", ["read", "write", "stat", "list", "make_dir"])
    def test_the_file_itself_swapped_for_a_link(
        self, root: WorkspaceRoot, outside: Path, monkeypatch: pytest.MonkeyPatch, use: str
    ):
        real_path = os.path.realpath

        def resolve_then_swap(path: str | Path) -> str:
            found = real_path(path)
            (root.path / "docs/a.md").unlink()
            (root.path / "docs/a.md").symlink_to(outside / "secret.txt")
            return found

        monkeypatch.setattr(paths.os.path, "realpath", resolve_then_swap)
        expected = ("invalid_path", 400)
        assert refusal(root.at("docs/a.md"), use) == expected
        assert (outside / "secret.txt").read_bytes() == SECRET

    def test_a_folder_swapped_while_its_file_is_written(self, root: WorkspaceRoot, outside: Path):
        with root.at("docs/a.md").replacing() as stream:
            (root.path / "docs").rename(root.path / "aside")
            (root.path / "docs").symlink_to(outside)
            stream.write(b"beta")
        assert names_in(outside) == ["secret.txt"]
        assert (root.path / "aside/a.md").read_bytes() == b"beta"

    def test_a_subfolder_swapped_while_a_tree_is_deleted(
        self, root: WorkspaceRoot, outside: Path, monkeypatch: pytest.MonkeyPatch
    ):
        list_folder = os.scandir

        def list_then_swap(folder: int):
            entries = list_folder(folder)
            if (root.path / "docs/deep").is_dir() and not (root.path / "docs/deep").is_symlink():
                (root.path / "docs/deep").rename(root.path / "aside")
                (root.path / "docs/deep").symlink_to(outside)
            return entries

        monkeypatch.setattr(descent.os, "scandir", list_then_swap)
        root.at("docs").delete(recursive=True)
        assert (outside / "secret.txt").read_bytes() == SECRET
        assert not os.path.lexists(root.path / "docs")


class TestDirectoriesNamedByClients:
    def test_the_root_and_folders_below_it_are_accepted(self, root: WorkspaceRoot):
        assert resolve_directory(root, str(root.path)) == root.path
        assert resolve_directory(root, f"{root.path}/docs/deep/") == root.path / "docs/deep"
        assert resolve_directory(root, f"{root.path}/docs/../docs") == root.path / "docs"

    def test_a_link_is_answered_with_its_real_folder(self, root: WorkspaceRoot):
        (root.path / "alias").symlink_to("docs")
        assert resolve_directory(root, root.path / "alias") == root.path / "docs"

    def test_everything_else_is_refused_alike(self, root: WorkspaceRoot, outside: Path):
        Path(f"{root.path}-sibling").mkdir()
        Path(f"{root.path}").with_name("WS").mkdir(exist_ok=True)
        (root.path / "out").symlink_to(outside)
        (root.path / "loop").symlink_to("loop")
        candidates = [
            f"{root.path}-sibling",
            str(root.path).upper(),
            str(root.path.with_name("WS")),
            str(root.path.parent),
            f"{root.path}/..",
            f"{root.path}/docs/../../outside",
            f"{root.path}/out",
            f"{root.path}/loop",
            f"{root.path}/missing",
            f"{root.path}/docs/a.md",
            str(outside),
            "/",
            "",
            ".",
            "docs",
            "~",
            f"{root.path}\0",
            f"{root.path}/\ud800",
            f"file://{root.path}",
            "/" + "x" * 5000,
        ]
        for candidate in candidates:
            with pytest.raises(OpenWorkError) as caught:
                resolve_directory(root, candidate)
            assert (caught.value.code, caught.value.status) == ("workspace_unauthorized", 403)
