"""Changes that are made in the workspaces' files, by whomever, become reload events.

One watch of the system for all workspaces, on the few folders that matter: what it says is only
that something changed there; what did, a scan tells (:mod:`openwork.workspace.watcher`). So
nothing is lost while a watch is set up anew, and a rewrite with the same content is no change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork.server.reload_events import ReloadTrigger
from openwork.workspace import watcher
from openwork.workspace.watcher import EMPTY, Changed, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from openwork.server.registry import Registry, Workspace
    from openwork.server.reload_events import Reason, ReloadEvents
    from openwork.workspace.paths import WorkspaceRoot

# The watch's thread looks this often whether something came, and gathers what comes close together.
STEP_MS = 50
GATHER_MS = 200
LOOK_ROUND_MS = 5_000
# A scan of everything, for what no watch tells: network file systems, an overflown queue.
SWEEP_S = 60.0
# Without a watch.
POLL_S = 2.0
# A workspace is scanned for at most this part of the time.
SCAN_SHARE = 0.2
CLOSE_S = 5.0
TRIGGER_TYPES = {
    "config": "config", "agents": "agent", "skills": "skill", "commands": "command",
    "plugins": "plugin",
}  # fmt: skip

logger = logging.getLogger(__name__)


@dataclass
class _Watched:
    """A workspace under watch.

    Attributes:
        seen: What its last scan found; None before the first.
        scanning: Held by scans, and by changes through the gate while they are made.
        next_scan_at: Monotonic seconds.
    """

    id: str
    root: WorkspaceRoot
    seen: Snapshot | None = None
    scanning: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_scan_at: float = 0.0
    told_of_limits: bool = False


class Watching:
    """Watches the served workspaces, from :meth:`start` to :meth:`close`.

    Args:
        events: Where changes are told.
        registry: Its workspaces are watched, also those that come later.
    """

    def __init__(self, events: ReloadEvents, registry: Registry) -> None:
        self._events = events
        self._watched: dict[str, _Watched] = {}
        self._renew = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._polling = False
        self._closing = False
        events.watcher = self
        for workspace in registry.all():
            self.watch(workspace)
        registry.on_add(self.watch)
        registry.on_remove(lambda gone: self.unwatch(gone.id))

    def start(self) -> None:
        """Begin, off the way of the server's own start."""
        self._task = asyncio.create_task(self._run(), name="watching")

    async def close(self) -> None:
        """End; nothing is told any more."""
        self._closing = True
        self._renew.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, CLOSE_S)
        self._events.close()

    def watch(self, workspace: Workspace) -> None:
        """Watch a workspace from now on; one that is watched stays so."""
        if workspace.id not in self._watched:
            self._watched[workspace.id] = _Watched(workspace.id, workspace.root)
            self._renew.set()

    def unwatch(self, workspace_id: str) -> None:
        """The workspace is no longer served."""
        if self._watched.pop(workspace_id, None) is not None:
            self._events.forget(workspace_id)
            self._renew.set()

    @asynccontextmanager
    async def own_change(
        self, workspace_id: str, paths: Sequence[Path], reason: Reason
    ) -> AsyncGenerator[None]:
        """The block's changes of ``paths``, or of ``reason``, are told by who makes them.

        The scan at the end comes before that event: whoever reads the files after the event sees
        everything that is kept quiet here.
        """
        found = self._watched.get(workspace_id)
        if found is None:
            yield
            return
        async with found.scanning:
            yield
            changed = await self._scan(found)
            told = tuple(str(path) for path in paths)
            base = found.root.path
            self._tell(
                found,
                [
                    each
                    for each in changed
                    if each.reason != reason and not _lies_in(str(base / each.path), told)
                ],
            )

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._watch_once()
            except PermissionError:  # a folder was closed to us since it was looked at
                await asyncio.sleep(POLL_S)
            except Exception as error:  # the watch's own type of error is private
                if self._polling:
                    logger.exception("cannot look at the workspaces' files")
                    await asyncio.sleep(POLL_S)
                    continue
                self._polling = True
                logger.warning(
                    "cannot watch the workspaces' files (%s): looking every %g s instead. On Linux "
                    "raise fs.inotify.max_user_watches and max_user_instances, then restart.",
                    error,
                    POLL_S,
                )

    async def _watch_once(self) -> None:
        """Watch until the workspaces or their folders are others."""
        self._renew.clear()
        await self._scan_all()
        folders = self._folders()
        if self._polling or not folders:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renew.wait(), POLL_S if self._watched else None)
            return
        # Loads a library: in a thread, while the server answers its first requests.
        watchfiles = await asyncio.to_thread(__import__, "watchfiles")
        changes: AsyncGenerator[set[tuple[Any, str]]] = watchfiles.awatch(
            *(path for path, _ in folders),
            watch_filter=self._concerns,
            recursive=False,
            step=STEP_MS,
            debounce=GATHER_MS,
            rust_timeout=LOOK_ROUND_MS,
            yield_on_timeout=True,
            stop_event=self._renew,
            ignore_permission_denied=False,  # True would hide that the limit is reached, too
        )
        # The watch stands when the first step of this task is over.
        following = asyncio.create_task(_next(changes))
        try:
            await asyncio.sleep(0)
            await self._scan_all()  # what happened before it stood
            swept_at = time.monotonic()
            while (found := await following) is not None:
                following = asyncio.create_task(_next(changes))
                if time.monotonic() - swept_at >= SWEEP_S:
                    await self._scan_all()
                    swept_at = time.monotonic()
                elif found:
                    await self._scan_all(Path(path) for _, path in found)
                else:
                    await self._scan_missing()
                if self._folders() != folders:
                    return
        finally:
            self._renew.set()  # ends the watch's thread
            with suppress(asyncio.CancelledError):
                await following
            await changes.aclose()

    def _folders(self) -> set[tuple[Path, tuple[int, int]]]:
        """The folders to watch, each with what tells it from another of its name."""
        return {
            folder
            for each in self._watched.values()
            if each.seen is not None
            for folder in each.seen.folders.items()
        }

    def _concerns(self, _: object, path: str) -> bool:
        place = Path(path)
        return any(each.seen and each.seen.concerns(place) for each in self._watched.values())

    async def _scan_missing(self) -> None:
        """Notice folders that are back: nothing watches the place of a folder that is gone."""
        for each in list(self._watched.values()):
            if each.seen is not None and not each.seen.folders:
                await self._rescan(each)

    async def _scan_all(self, paths: Iterable[Path] | None = None) -> None:
        """Scan the workspaces that ``paths`` concern, all of them when None."""
        watched = list(self._watched.values())
        if paths is not None:
            changed = list(paths)
            watched = [
                each
                for each in watched
                if each.seen is not None and any(map(each.seen.concerns, changed))
            ]
        await asyncio.gather(*(self._rescan(each) for each in watched))

    async def _rescan(self, watched: _Watched) -> None:
        await asyncio.sleep(max(0.0, watched.next_scan_at - time.monotonic()))
        async with watched.scanning:
            self._tell(watched, await self._scan(watched))

    async def _scan(self, watched: _Watched) -> list[Changed]:
        """What changed since the last scan; nothing at the first one."""
        started = time.monotonic()
        before = watched.seen
        seen = await asyncio.to_thread(watcher.scan, watched.root, before or EMPTY)
        watched.seen = seen
        took_s = time.monotonic() - started
        watched.next_scan_at = time.monotonic() + took_s * (1 / SCAN_SHARE - 1)
        if not seen.complete and not watched.told_of_limits:
            watched.told_of_limits = True
            logger.warning(
                "%s holds more than %s files or %s folders of configuration: changes of the rest "
                "go unnoticed",
                watched.root.path,
                watcher.MOST_FILES,
                watcher.MOST_FOLDERS,
            )
        if before is not None and seen.folders != before.folders:
            self._renew_soon(watched)
        return [] if before is None else watcher.compare(before, seen)

    def _renew_soon(self, watched: _Watched) -> None:
        """Other folders are to be watched: at once, also when a change through the gate made them.

        A workspace that is no longer served needs no watch.
        """
        if self._watched.get(watched.id) is watched:
            self._renew.set()

    def _tell(self, watched: _Watched, changed: list[Changed]) -> None:
        if self._watched.get(watched.id) is not watched:
            return
        by_reason: dict[Reason, list[ReloadTrigger]] = {}
        for each in changed:
            trigger = ReloadTrigger(TRIGGER_TYPES[each.reason], each.name, each.action, each.path)
            by_reason.setdefault(each.reason, []).append(trigger)
        for reason, triggers in by_reason.items():
            self._events.tell(watched.id, reason, *triggers)


def _lies_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


async def _next(changes: AsyncGenerator[set[tuple[Any, str]]]) -> set[tuple[Any, str]] | None:
    return await anext(changes, None)
