"""How long it takes from a file's change to its reload event."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import watchfiles

from benchmarks.figures import Comparison, Effort, alternate
from openwork.server import reload_events, watching
from openwork.server.registry import Registry, Workspace
from openwork.server.reload_events import ReloadEvents
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.watcher import scan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CHANGES_A_ROUND = 5
SKILLS = 100
WAIT_S = 10.0
SETTLE_S = 0.3  # between changes, so that each is one of its own


def measure(effort: Effort) -> list[Comparison]:
    """Beside watchfiles alone on the same folders, and what a scan costs beside a plain walk."""
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as folder:
        base = Path(folder).resolve()
        for n in range(SKILLS):
            skill = base / f".opencode/skills/skill-{n}"
            skill.mkdir(parents=True)
            (skill / "SKILL.md").write_text(f"---\nname: skill-{n}\ndescription: x\n---\n")
        alone, ours = alternate(
            effort.rounds, lambda: asyncio.run(_alone(base)), lambda: asyncio.run(_ours(base))
        )
        walked, scanned = alternate(
            effort.rounds, lambda: _walk_ms(base), lambda: _scan_ms(WorkspaceRoot(base))
        )
    title = "from a file's change to its reload event"
    scans = f"a scan of {SKILLS} skills that did not change"
    return [
        Comparison("watcher.event", title, "ms", "`watchfiles` alone", alone, ours),
        Comparison("watcher.scan", scans, "ms", "`os.walk` and `stat`", walked, scanned),
    ]


async def _alone(base: Path) -> float:
    stop = asyncio.Event()
    folders = [base, *(each for each in (base / ".opencode").rglob("*") if each.is_dir())]
    changes = watchfiles.awatch(
        *folders, recursive=False, step=watching.STEP_MS, debounce=watching.GATHER_MS,
        stop_event=stop, watch_filter=None,
    )  # fmt: skip
    try:
        return await _changes(base, changes)
    finally:
        stop.set()


async def _ours(base: Path) -> float:
    events = ReloadEvents()
    registry = Registry((), ())
    watch = watching.Watching(events, registry)
    reload_events.DEBOUNCE_S = SETTLE_S / 2  # each change is the first of its kind again
    registry.add(Workspace("ws_a", "a", WorkspaceRoot(base), None))
    watch.start()
    try:
        async with aclosing(events.follow("ws_a", events.cursor)) as stream:
            await anext(stream)
            return await _changes(base, stream)
    finally:
        await watch.close()


async def _changes(base: Path, events: AsyncGenerator[object]) -> float:
    """The median time to the next of ``events`` after a change, in milliseconds."""
    took: list[float] = []
    for number in range(CHANGES_A_ROUND):
        following = asyncio.ensure_future(anext(events))
        await asyncio.sleep(SETTLE_S)
        started = time.perf_counter()
        (base / "opencode.json").write_text(f'{{"model": "a/{started}-{number}"}}')
        await asyncio.wait_for(following, WAIT_S)
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took)[len(took) // 2]


def _walk_ms(base: Path) -> float:
    started = time.perf_counter()
    for each in (base / ".opencode").rglob("*"):
        each.stat()
    return (time.perf_counter() - started) * 1000


def _scan_ms(root: WorkspaceRoot) -> float:
    before = scan(root)
    time.sleep(1.1)  # else the files are too fresh to be taken as known
    before = scan(root, before)
    started = time.perf_counter()
    scan(root, before)
    return (time.perf_counter() - started) * 1000
