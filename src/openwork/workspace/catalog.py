"""The catalog: what a workspace holds, page by page, sorted by path.

Which paths there are comes from a ``CatalogIndex``; sizes and times are read when a page is made,
so that a page costs one ``stat`` an item. A page without ``after`` also costs one ``stat`` a folder
(below the prefix): then it shows whatever has changed up to that moment, by whomever. The pages
after it trust the index for ``TRUSTED_S`` seconds; what has gone meanwhile is left out of them.
"""

from __future__ import annotations

import errno
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.workspace import descent
from openwork.workspace.catalog_index import GONE, CatalogIndex
from openwork.workspace.names import normalize
from openwork.workspace.paths import FileStat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openwork.workspace.paths import WorkspaceRoot

DEFAULT_LIMIT = 2_000
MAX_LIMIT = 10_000
TRUSTED_S = 2.0
# A folder that may not be entered any more shows nothing of what it holds.
_UNSEEN = GONE | {errno.EPERM, errno.EACCES}


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """Which page.

    Attributes:
        prefix: A normal path: it and what is below it; empty for all.
        after: Paths that sort behind this text; empty for the beginning.
        limit: Items at most, 1 to ``MAX_LIMIT``.
        include_dirs: Folders too.
        include_ignored: ``.git`` and ``node_modules`` too.
    """

    prefix: str = ""
    after: str = ""
    limit: int = DEFAULT_LIMIT
    include_dirs: bool = True
    include_ignored: bool = False

    @staticmethod
    def of(
        prefix: str | None,
        after: str | None,
        limit: int | None,
        *,
        include_dirs: bool = True,
        include_ignored: bool = False,
    ) -> CatalogQuery:
        """The query a client means; a limit out of range is brought into it.

        Raises:
            OpenWorkError: ``invalid_path`` for a prefix that leads outside.
        """
        wanted = DEFAULT_LIMIT if limit is None else limit
        return CatalogQuery(
            normalize(prefix) if prefix and prefix.strip() else "",
            after or "",
            max(1, min(wanted, MAX_LIMIT)),
            include_dirs,
            include_ignored,
        )


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """A file or folder.

    Attributes:
        path: Below the workspace.
        stat: Its state when the page was made; a folder's size is 0.
    """

    path: str
    stat: FileStat

    def to_json(self) -> dict[str, Any]:
        """``{path, kind: file|dir, size, mtimeMs, revision}``."""
        return {
            "path": self.path,
            "kind": self.stat.kind,
            "size": self.stat.size,
            "mtimeMs": self.stat.mtime_ms,
            "revision": self.stat.revision,
        }


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Part of the catalog.

    Attributes:
        items: Sorted by path.
        total: How many match the query, ``after`` included, on this page and behind it.
        truncated: There are more behind this page: ask on with its last path as ``after``.
    """

    items: tuple[CatalogItem, ...]
    total: int
    truncated: bool

    @property
    def next_after(self) -> str | None:
        """The next page's ``after``; None on the last page."""
        return self.items[-1].path if self.truncated else None

    def to_json(self) -> dict[str, Any]:
        """``{total, truncated, nextAfter?, items}``."""
        body: dict[str, Any] = {"total": self.total, "truncated": self.truncated}
        if self.truncated:
            body["nextAfter"] = self.next_after
        return body | {"items": [item.to_json() for item in self.items]}


class Catalog:
    """The catalog of one workspace. Safe to use from threads.

    Args:
        root: The workspace.
        clock_s: A clock that never goes back, in seconds.
    """

    def __init__(
        self, root: WorkspaceRoot, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._indexes = {
            ignored: CatalogIndex(root, include_ignored=ignored) for ignored in (False, True)
        }
        self._validated: dict[bool, tuple[str, float]] = {}

    def page(self, query: CatalogQuery) -> CatalogPage:
        """One page.

        Raises:
            OpenWorkError: ``workspace_not_found`` 404, ``file_operation_failed`` 500.
        """
        index = self._indexes[query.include_ignored]
        if not query.after or not self._is_trusted(query):
            started_s = self._clock_s()
            index.validate(query.prefix)
            with self._lock:
                self._validated[query.include_ignored] = (query.prefix, started_s)
        items: list[CatalogItem] = []
        after = query.after
        while True:
            asked = query.limit - len(items)
            chosen = index.select(query.prefix, after, asked, folders=query.include_dirs)
            there = _states(self._root, chosen.paths)
            seen = [item for item in there if query.include_dirs or item.stat.kind == "file"]
            items += seen
            left = chosen.total - len(chosen.paths)
            if not left or len(items) == query.limit:
                return CatalogPage(tuple(items), len(items) + left, bool(left))
            after = chosen.paths[-1]

    def apply_change(self, paths: Iterable[str]) -> None:
        """Look at ``paths`` (below the workspace) anew: they were made, changed, moved or deleted.

        Raises:
            OpenWorkError: As ``page``.
        """
        changed = list(paths)
        for index in self._indexes.values():
            index.refresh(changed)

    def forget(self) -> None:
        """Free the memory; the next page builds the index again."""
        with self._lock:
            self._validated.clear()
        for index in self._indexes.values():
            index.clear()

    def _is_trusted(self, query: CatalogQuery) -> bool:
        with self._lock:
            prefix, at_s = self._validated.get(query.include_ignored, ("", float("-inf")))
        covers = prefix in {"", query.prefix} or query.prefix.startswith(prefix + "/")
        return covers and self._clock_s() - at_s <= TRUSTED_S


def _states(root: WorkspaceRoot, paths: Sequence[str]) -> list[CatalogItem]:
    """What ``paths`` hold now, without those that have gone; each folder is opened once."""
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    found: dict[str, FileStat] = {}
    for folder, inside in by_folder.items():
        with descent.told_as_openwork_errors(folder):
            try:
                with descent.open_folder(root.path, folder.split("/") if folder else []) as here:
                    for path in inside:
                        state = _state(here, path.rpartition("/")[2])
                        if state is not None:
                            found[path] = state
            except OSError as error:
                if error.errno not in _UNSEEN:
                    raise
    return [CatalogItem(path, found[path]) for path in paths if path in found]


def _state(folder: int, name: str) -> FileStat | None:
    found = descent.lstat(folder, name)
    if found is None:
        return None
    mode, mtime_ns = stat.S_IMODE(found.st_mode), found.st_mtime_ns
    if stat.S_ISREG(found.st_mode):
        return FileStat("file", found.st_size, mtime_ns, mode)
    return FileStat("dir", 0, mtime_ns, mode) if stat.S_ISDIR(found.st_mode) else None
