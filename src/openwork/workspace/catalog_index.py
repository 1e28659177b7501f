"""A sorted index of a workspace's paths, kept true without walking the tree for every page.

The index holds which paths there are and which of them are folders: nothing else. Sizes and times
are read when a page is served, so a file that is rewritten in place never makes the index stale.
What is left, a name that comes, goes or changes its kind, changes the folder that holds it. So the
index keeps a stamp of each folder (device, inode, change time) and ``validate`` compares the stamps
and lists anew only the folders whose stamp differs. The change time, unlike the modification time,
cannot be set back. A folder that changed shortly before it was listed keeps no stamp and is listed
anew the next time: a change within the same tick of the file system's clock would leave its stamp
as it is. One ``stat`` a folder is what remains of walking the tree. A file system that does not
touch a folder's times when its content changes (some FUSE mounts) needs ``refresh``.

Folders are listed through descriptors without following a link; links, pipes and devices are left
out, as are names that are not UTF-8, paths too long for a client to name, and temporary files.
A folder that may not be read is listed and counts as empty.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from bisect import bisect_left, bisect_right, insort
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.workspace import descent
from openwork.workspace.names import MAX_PATH_BYTES
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.temporary import is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

IGNORED_NAMES = frozenset({".git", "node_modules"})
_UNSETTLED_NS = 2_000_000_000  # the coarsest clock of a file system in use (FAT) ticks every 2 s
_SINGLY = 256  # up to here changing the sorted list in place is cheaper than sorting it again
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # or no folder any more
_AFTER_SLASH = "0"  # the character after "/": everything below "a/" sorts before "a0"

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Selection:
    """Part of the index.

    Attributes:
        paths: Sorted by code points; at most as many as were asked for.
        total: How many there are from the first of ``paths`` on.
    """

    paths: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class _Listing:
    """A folder's content, full paths."""

    files: set[str]
    folders: set[str]
    stamp: Stamp | None


class CatalogIndex:
    """The index of one workspace. Empty until the first ``validate``; safe to use from threads.

    Args:
        root: The workspace.
        include_ignored: Hold ``.git`` and ``node_modules`` too.
        clock_ns: Wall clock, nanoseconds.
    """

    def __init__(
        self,
        root: WorkspaceRoot,
        *,
        include_ignored: bool = False,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._root = root
        self._left_out = frozenset[str]() if include_ignored else IGNORED_NAMES
        self._clock_ns = clock_ns
        self._lock = threading.RLock()
        self._paths: list[str] = []
        self._folder_paths: list[str] = []
        self._stamps: dict[str, Stamp | None] = {}  # by folder; the root is ""

    def validate(self, prefix: str = "") -> None:
        """Make the index true for ``prefix`` and what is below it; the first time, build it whole.

        Raises:
            OpenWorkError: ``workspace_not_found`` 404, ``file_operation_failed`` 500; the index is
                then built anew the next time.
        """
        with self._lock, self._all_or_nothing():
            self._list_anew(self._changed(prefix) if self._stamps else [""])

    def refresh(self, paths: Iterable[str]) -> None:
        """Look at ``paths`` anew: they came, went or changed, also where a link on their way leads.

        Errors as ``validate``.
        """
        with self._lock, self._all_or_nothing():
            if self._stamps:
                named = {each for path in paths for each in (path, self._real(path))}
                folders = {folder for path in named for folder in self._around(path)}
                self._list_anew(sorted(folders))

    def clear(self) -> None:
        """Forget everything and free the memory."""
        with self._lock:
            self._paths, self._folder_paths, self._stamps = [], [], {}

    def select(self, prefix: str, after: str, limit: int, *, folders: bool = True) -> Selection:
        """The first ``limit`` paths that are ``prefix`` or below it and sort behind ``after``.

        Args:
            prefix: A normal path; empty for all.
            after: Any text; empty for the beginning.
            limit: How many at most.
            folders: False leaves folders out.

        Raises:
            OpenWorkError: As ``validate``, when the index has to be built.
        """
        with self._lock:
            if not self._stamps:  # cleared since it was validated: nothing is not what is there
                self.validate()
            spans = _spans(self._paths, prefix, after)
            total = sum(map(len, spans))
            if not folders:
                total -= sum(map(len, _spans(self._folder_paths, prefix, after)))
            chosen: list[str] = []
            positions = (position for span in spans for position in span)
            while len(chosen) < min(limit, total):
                path = self._paths[next(positions)]
                if folders or path not in self._stamps:
                    chosen.append(path)
            return Selection(tuple(chosen), total)

    @contextmanager
    def _all_or_nothing(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self.clear()
            raise

    def _changed(self, prefix: str) -> list[str]:
        """The folders at, above and below ``prefix`` whose stamp differs, upper ones first."""
        upper = ["", *_ancestors(prefix)]
        below = [self._folder_paths[at] for at in _spans(self._folder_paths, prefix, "")[-1]]
        at = [prefix] if prefix else []
        known = [folder for folder in (*upper, *at, *below) if folder in self._stamps]
        try:
            with descent.open_folder(self._root.path, ()) as top:
                return [folder for folder in known if not self._is_current(top, folder)]
        except OSError:  # listing it tells what is wrong
            return [""]

    def _is_current(self, top: int, folder: str) -> bool:
        # Only compared: should a link swapped in lead this outside, the stamp differs, and the
        # folder is listed anew, name by name and following none.
        try:
            found = os.stat(folder or ".", dir_fd=top, follow_symlinks=False)
        except OSError:
            return False
        stamp = self._stamps[folder]
        return stamp is not None and stamp == _stamp(found)

    def _real(self, path: str) -> str:
        """Where ``path`` lies when links above it are followed; itself when that is outside."""
        above, _, name = path.rpartition("/")
        root = self._root.path
        real = Path(os.path.realpath(root / above)) / name
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else path

    def _around(self, path: str) -> list[str]:
        """The folders to list when ``path`` changed: what it is itself, the nearest known above."""
        above = next(each for each in reversed(["", *_ancestors(path)]) if each in self._stamps)
        return [above, path] if path in self._stamps else [above]

    def _list_anew(self, folders: Sequence[str]) -> None:
        gone: set[str] = set()
        new: set[str] = set()
        folders_before = len(self._stamps)
        waiting = list(reversed(folders))
        changed_folders = False
        while waiting:
            folder = waiting.pop()
            if folder and folder not in self._stamps:  # went with a folder above it
                continue
            found = self._listing(folder)
            here = self._children(folder)
            had_folders = {path for path in here if path in self._stamps}
            for path in had_folders - found.folders:
                gone |= self._forget(path)
                changed_folders = True
            gone |= here - found.files - found.folders
            new |= (found.files | found.folders) - here
            unknown = found.folders - had_folders
            self._stamps |= dict.fromkeys(unknown)
            self._stamps[folder] = found.stamp
            waiting.extend(sorted(unknown, reverse=True))
        self._splice(gone, new)
        if changed_folders or len(self._stamps) != folders_before:
            self._folder_paths = sorted(self._stamps.keys() - {""})

    def _listing(self, folder: str) -> _Listing:
        base = f"{folder}/" if folder else ""
        parts = folder.split("/") if folder else []
        files: set[str] = set()
        folders: set[str] = set()
        with descent.told_as_openwork_errors(folder):
            try:
                with descent.open_folder(self._root.path, parts) as here:
                    now_ns = self._clock_ns()
                    found = os.fstat(here)
                    with os.scandir(here) as entries:
                        for entry in entries:
                            if not self._is_listed(base, entry.name):
                                continue
                            if entry.is_dir(follow_symlinks=False):
                                folders.add(base + entry.name)
                            elif entry.is_file(follow_symlinks=False):
                                files.add(base + entry.name)
            except PermissionError:
                return _Listing(set(), set(), None)
            except OSError as error:
                if not folder:
                    WorkspaceRoot(self._root.path)  # says that the workspace is gone, when it is
                if not folder or error.errno not in GONE:
                    raise
                # Its own folder has changed then, and is listed anew the next time.
                return _Listing(set(), set(), None)
        settled = found.st_ctime_ns < now_ns - _UNSETTLED_NS
        return _Listing(files, folders, _stamp(found) if settled else None)

    def _is_listed(self, base: str, name: str) -> bool:
        if name in self._left_out or is_temporary(name):
            return False
        try:
            return len((base + name).encode()) <= MAX_PATH_BYTES
        except UnicodeEncodeError:
            return False

    def _children(self, folder: str) -> set[str]:
        """The paths directly in ``folder``, as the index has them."""
        base = f"{folder}/" if folder else ""
        here: set[str] = set()
        below = _spans(self._paths, folder, "")[-1]
        at = below.start
        while at < below.stop:
            path = self._paths[at]
            slash = path.find("/", len(base))
            if slash < 0:
                here.add(path)
                at += 1
            else:  # step over everything in a subfolder
                at = bisect_left(self._paths, path[:slash] + _AFTER_SLASH, at, below.stop)
        return here

    def _forget(self, folder: str) -> set[str]:
        """Drop the stamps of ``folder`` and all below; the paths that were below it."""
        del self._stamps[folder]
        below = {self._paths[at] for at in _spans(self._paths, folder, "")[-1]}
        for path in below:
            self._stamps.pop(path, None)
        return below

    def _splice(self, gone: set[str], new: set[str]) -> None:
        if len(gone) + len(new) > _SINGLY:
            kept = [path for path in self._paths if path not in gone]
            self._paths = sorted(kept + sorted(new))
            return
        for path in gone:
            del self._paths[bisect_left(self._paths, path)]
        for path in new:
            insort(self._paths, path)


def _spans(paths: list[str], prefix: str, after: str) -> list[range]:
    """Where in the sorted ``paths`` stand ``prefix`` itself, and what is below it, past ``after``.

    Other names may stand between the two: ``a``, ``a.md``, ``a/b``.
    """
    start = bisect_right(paths, after) if after else 0
    if not prefix:
        return [range(start, len(paths))]
    bounds = [
        (bisect_left(paths, prefix), bisect_right(paths, prefix)),
        (bisect_left(paths, prefix + "/"), bisect_left(paths, prefix + _AFTER_SLASH)),
    ]
    return [range(max(first, start), max(last, start)) for first, last in bounds]


def _ancestors(path: str) -> list[str]:
    """``a``, ``a/b`` of ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_ctime_ns
