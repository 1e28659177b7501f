"""Pages of the catalog of small and large folders, beside walking the folder for each page."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.files import REPEATS, file_client, median_ms
from openwork.workspace.catalog import Catalog, CatalogQuery
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.files import FileClient

COUNTS = (1_000, 10_000, 100_000)
QUICK_COUNTS = (1_000, 10_000)
FILES_A_FOLDER = 50
PAGE = 2_000
WALK = "a walk of the whole folder, sorted"


def measure(effort: Effort) -> list[Comparison]:
    """A page from the middle, the first page, and the index built from nothing."""
    counts = COUNTS if effort.rounds > 2 else QUICK_COUNTS
    found: list[Comparison] = []
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as folder:
        for count in counts:
            found += _one_size(effort, Path(folder) / str(count), count)
        found.append(_flat(effort, Path(folder), counts[-2], counts[-1]))
    return found


def _flat(effort: Effort, base: Path, small: int, large: int) -> Comparison:
    with file_client(base / str(small)) as few, file_client(base / str(large)) as many:
        sides = alternate(
            effort.rounds * REPEATS, lambda: _middle_ms(few, small), lambda: _middle_ms(many, large)
        )
    title, beside = f"a page of {PAGE:,} at {large:,} files", f"the same at {small:,} files"
    return Comparison("catalog.flat", title, "ms", beside, *sides)


def _page(client: FileClient, count: int, after: str = "") -> None:
    query = f"includeDirs=false&limit={PAGE}&after={quote(after)}"
    body = client.ask("GET", f"{client.session}/catalog/snapshot?{query}")
    assert len(body["items"]) == min(count, PAGE), len(body["items"])


def _middle_ms(client: FileClient, count: int) -> float:
    _page(client, count)  # a client comes from the page before
    after = _path(count // 2 - 1) if count > PAGE else ""
    return median_ms(lambda: _page(client, count, after), 3)


def _one_size(effort: Effort, base: Path, count: int) -> list[Comparison]:
    workspace = base / "workspace"
    _lay_out(workspace, count)
    with file_client(base) as client:

        def built() -> None:
            Catalog(WorkspaceRoot(workspace)).page(CatalogQuery(limit=PAGE, include_dirs=False))

        measures: list[Callable[[], float]] = [
            lambda: median_ms(lambda: _walked_page(workspace), 1),
            lambda: _middle_ms(client, count),
            lambda: median_ms(lambda: _page(client, count), 3),
            lambda: median_ms(built, 1),
        ]
        walked, pages, firsts, builds = alternate(effort.rounds, *measures)
    named = f"at {count:,} files"
    return [
        Comparison(f"catalog.page.{count}", f"a page from the middle {named}", "ms", WALK, walked,
                   pages),
        Comparison(f"catalog.first.{count}", f"the first page {named}, every change seen", "ms",
                   WALK, walked, firsts),
        Comparison(f"catalog.build.{count}", f"the index {named}, from nothing", "ms", WALK, walked,
                   builds),
    ]  # fmt: skip


def _path(number: int) -> str:
    return f"{number // FILES_A_FOLDER:05}/{number:06}.txt"


def _lay_out(workspace: Path, count: int) -> None:
    for number in range(0, count, FILES_A_FOLDER):
        (workspace / _path(number)).parent.mkdir(parents=True)
        for each in range(number, min(count, number + FILES_A_FOLDER)):
            (workspace / _path(each)).touch()


def _walked_page(workspace: Path) -> None:
    """As one would without an index: walk, look at each file, sort, cut the page out, encode it."""
    found: list[tuple[str, int, float]] = []
    for folder, _, names in os.walk(workspace):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118  # the fastest plain walk there is
            state = os.lstat(path)
            found.append((os.path.relpath(path, workspace), state.st_size, state.st_mtime))
    found.sort()
    middle = len(found) // 2 if len(found) > PAGE else 0
    assert json.loads(json.dumps(found[middle : middle + PAGE]))
