"""The catalog's index says what a plain walk says, whatever happens to the folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.catalog_index import CatalogIndex
from openwork.workspace.paths import WorkspaceRoot

EVERYTHING = 1_000_000
NAMES = ["a", "a.md", "a-", "b", "é", ".git", "node_modules", ".openwork-1.tmp"]
LATER_NS = 10_000_000_000

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
operations = st.lists(
    st.tuples(st.sampled_from(["write", "mkdir", "delete", "rename", "link"]), paths, paths),
    max_size=12,
)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def walk(root: Path, *, include_ignored: bool = False) -> list[str]:
    found: list[str] = []
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                ignored = entry.name in {".git", "node_modules"} and not include_ignored
                if ignored or entry.name.startswith(".openwork-") or entry.is_symlink():
                    continue
                found.append(os.path.relpath(entry.path, root))
                if entry.is_dir():
                    waiting.append(Path(entry.path))
    return sorted(found)


def remove(place: Path) -> None:
    if place.is_symlink() or place.is_file():
        place.unlink()
    elif place.is_dir():
        shutil.rmtree(place)


def perform(root: Path, operation: tuple[str, str, str]) -> list[str]:
    """Do it, however much stands in the way; the paths it touched."""
    kind, first, second = operation
    place, other = root / first, root / second
    try:
        match kind:
            case "write":
                remove(place)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"x")
            case "mkdir":
                place.mkdir(parents=True, exist_ok=True)
            case "delete":
                remove(place)
            case "link":
                place.symlink_to(root)
            case _:
                other.parent.mkdir(parents=True, exist_ok=True)
                place.rename(other)
    except OSError:  # a file in a folder's place, a folder moved into itself: nothing happened
        pass
    return [first, second]


def next_tick() -> None:
    """Let the file system's clock move on, so that the next change bears another time."""
    with tempfile.NamedTemporaryFile() as probe:
        begin = os.fstat(probe.fileno()).st_ctime_ns
        while os.fstat(probe.fileno()).st_ctime_ns == begin:
            os.utime(probe.name)


def everything(index: CatalogIndex) -> list[str]:
    chosen = index.select("", "", EVERYTHING)
    assert chosen.total == len(chosen.paths)
    return list(chosen.paths)


@pytest.mark.parametrize("include_ignored", [False, True])
@given(rounds=st.lists(operations, min_size=1, max_size=4))
@quick
def test_validating_finds_every_change(rounds, include_ignored):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fresh = CatalogIndex(WorkspaceRoot(root), include_ignored=include_ignored)
        # This one trusts the folders' times at once: it lists anew only what has changed.
        trusting = CatalogIndex(
            WorkspaceRoot(root),
            include_ignored=include_ignored,
            clock_ns=lambda: time.time_ns() + LATER_NS,
        )
        for changes in rounds:
            for change in changes:
                perform(root, change)
            next_tick()
            expected = walk(root, include_ignored=include_ignored)
            for index in (fresh, trusting):
                index.validate()
                assert everything(index) == expected
                files = index.select("", "", EVERYTHING, folders=False)
                assert list(files.paths) == [each for each in expected if (root / each).is_file()]
                assert files.total == len(files.paths)


@given(before=operations, after=operations)
@quick
def test_refreshing_the_touched_paths_is_enough(before, after):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for change in before:
            perform(root, change)
        index = CatalogIndex(WorkspaceRoot(root))
        index.validate()
        for change in after:
            index.refresh(perform(root, change))
            assert everything(index) == walk(root)


def test_a_file_written_through_a_link_is_found_where_it_lies(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    index = CatalogIndex(WorkspaceRoot(tmp_path))
    index.validate()
    (tmp_path / "link/new").touch()
    index.refresh(["link/new"])
    assert everything(index) == ["real", "real/new"]


@given(operations, paths, paths, st.booleans())
@quick
def test_a_selection_is_what_the_prefix_holds_behind_after(changes, prefix, after, folders):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for change in changes:
            perform(root, change)
        index = CatalogIndex(WorkspaceRoot(root))
        index.validate()
        expected = [
            path
            for path in walk(root)
            if (path == prefix or path.startswith(prefix + "/"))
            and path > after
            and (folders or not (root / path).is_dir())
        ]
        chosen = index.select(prefix, after, 2, folders=folders)
        assert (list(chosen.paths), chosen.total) == (expected[:2], len(expected))


def test_a_folder_that_changed_just_now_is_not_trusted(tmp_path):
    # A change within the same tick of the file system's clock would not show in its times.
    for clock_ns, trusted in ((time.time_ns, False), (lambda: time.time_ns() + LATER_NS, True)):
        index = CatalogIndex(WorkspaceRoot(tmp_path), clock_ns=clock_ns)
        index.validate()
        assert (index._stamps[""] is not None) is trusted


def test_validating_a_prefix_looks_no_further(tmp_path):
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    index = CatalogIndex(WorkspaceRoot(tmp_path), clock_ns=lambda: time.time_ns() + LATER_NS)
    index.validate()
    next_tick()
    (tmp_path / "a/deep/new").touch()
    (tmp_path / "b/new").touch()
    index.validate("a")
    assert everything(index) == ["a", "a/deep", "a/deep/new", "b"]
    index.validate()
    assert everything(index) == ["a", "a/deep", "a/deep/new", "b", "b/new"]


def test_a_folder_replaced_by_a_link_that_leads_out_shows_nothing(tmp_path):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/secret").touch()
    root = tmp_path / "ws"
    (root / "a/sub").mkdir(parents=True)
    (root / "a/sub/mine").touch()
    index = CatalogIndex(WorkspaceRoot(root))
    index.validate()
    shutil.rmtree(root / "a")
    (root / "a").symlink_to(outside)
    index.validate()
    assert everything(index) == []
    index.refresh(["a/sub/mine", "a/sub"])
    assert everything(index) == []


def test_an_index_that_was_cleared_is_built_anew_not_shown_as_empty(tmp_path):
    (tmp_path / "a").touch()
    index = CatalogIndex(WorkspaceRoot(tmp_path))
    index.validate()
    index.clear()
    assert everything(index) == ["a"]


def test_names_that_no_client_can_send_are_left_out(tmp_path):
    (tmp_path / os.fsdecode(b"\xff")).touch()
    (tmp_path / "good").touch()
    index = CatalogIndex(WorkspaceRoot(tmp_path))
    index.validate()
    assert everything(index) == ["good"]


def test_many_changes_at_once_are_spliced_in(tmp_path):
    index = CatalogIndex(WorkspaceRoot(tmp_path))
    index.validate()
    for number in range(600):
        (tmp_path / f"{number:03}").touch()
    index.validate()
    assert len(everything(index)) == 600
    for number in range(0, 600, 2):
        (tmp_path / f"{number:03}").unlink()
    index.validate()
    assert everything(index) == walk(tmp_path)


def test_a_workspace_that_is_gone_is_told_and_built_anew_when_it_is_back(tmp_path):
    root = tmp_path / "ws"
    root.mkdir()
    index = CatalogIndex(WorkspaceRoot(root))
    index.validate()
    root.rmdir()
    with pytest.raises(OpenWorkError) as caught:
        index.validate()
    assert caught.value.code == "workspace_not_found"
    root.mkdir()
    (root / "back").touch()
    index.validate()
    assert everything(index) == ["back"]
