"""Reload events: what changed in a workspace so that its engine should read it again.

A client's own change through the gate is told, and so is a change from outside that the watcher
finds (see :mod:`openwork.server.watching`). Both go through one window: the first change of a
reason gives an event at once, and what follows within ``DEBOUNCE_S`` one event more, at its end.
Events are kept in memory; their numbers start at the time of the server's start in seconds, so that
they grow over restarts too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from openwork.common.ids import new_id
from openwork.server.sse import ServerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

Reason = Literal["plugins", "skills", "mcp", "config", "agents", "commands"]
KEPT = 200
# Known to clients of the servers before ours: by workspace and reason.
DEBOUNCE_S = 0.75
LARGEST_NUMBER_DIGITS = 16


@dataclass
class ReloadTrigger:
    """What caused it: ``type`` skill, plugin, config, mcp, agent or command.

    It is read when the change is through: until then the change may say better what it did.

    Attributes:
        path: The file, below the workspace's folder, with ``/`` between its parts.
    """

    type: str
    name: str | None = None
    action: Literal["added", "removed", "updated"] | None = None
    path: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Without the fields that are not known."""
        fields = {"type": self.type, "name": self.name, "action": self.action, "path": self.path}
        return {key: value for key, value in fields.items() if value is not None}


def folded(triggers: Sequence[ReloadTrigger]) -> ReloadTrigger:
    """The trigger of one event for several changes of one reason, in their order.

    Of several things it names none, and an action only when it was the same for all.
    """
    last = triggers[-1]
    if len({(each.name, each.path if each.name is None else None) for each in triggers}) == 1:
        return last
    actions = {each.action for each in triggers}
    return ReloadTrigger(last.type, None, last.action if len(actions) == 1 else None)


class OwnChanges(Protocol):
    """Who looks for changes in the files, and must not report those made through the gate."""

    def own_change(
        self, workspace_id: str, paths: Sequence[Path], reason: Reason
    ) -> AbstractAsyncContextManager[None]:
        """What the block changes in ``paths``, or of ``reason``, is known already."""
        ...


class ReloadEvents:
    """The last events of each workspace of one server.

    Attributes:
        cursor: The number of the latest event of any workspace.
        watcher: Who finds the changes that are made in the files; None: nobody does.
    """

    def __init__(self) -> None:
        """Nothing has happened."""
        self.cursor = self._first = int(time.time())
        self.watcher: OwnChanges | None = None
        self._events: dict[str, deque[dict[str, Any]]] = {}
        self._dropped: dict[str, int] = {}
        self._windows: dict[tuple[str, Reason], asyncio.TimerHandle] = {}
        self._pending: dict[tuple[str, Reason], list[ReloadTrigger]] = {}
        self._reloaded_at_ms: dict[str, int] = {}
        self._happened = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Whether the next change of any reason is told at once."""
        return not self._windows

    def tell(self, workspace_id: str, reason: Reason, *triggers: ReloadTrigger) -> None:
        """Something changed: an event at once, or with others at the end of the window."""
        key = (workspace_id, reason)
        if key in self._windows:
            self._pending.setdefault(key, []).extend(triggers)
            return
        self.emit(workspace_id, reason, folded(triggers))
        loop = asyncio.get_running_loop()
        self._windows[key] = loop.call_later(DEBOUNCE_S, self._window_over, key)

    def emit(self, workspace_id: str, reason: Reason, trigger: ReloadTrigger | None = None) -> None:
        """Record one event, now: ``{id, seq, workspaceId, reason, trigger?, timestamp}``."""
        self.cursor += 1
        event: dict[str, Any] = {"id": new_id(), "seq": self.cursor, "workspaceId": workspace_id}
        event["reason"] = reason
        if trigger is not None:
            event["trigger"] = trigger.to_json()
        event["timestamp"] = time.time_ns() // 1_000_000
        kept = self._events.setdefault(workspace_id, deque(maxlen=KEPT))
        if len(kept) == KEPT:
            self._dropped[workspace_id] = kept[0]["seq"]
        kept.append(event)
        self._wake()

    @asynccontextmanager
    async def own_change(
        self,
        workspace_id: str,
        paths: Sequence[Path],
        reload: tuple[Reason, ReloadTrigger] | None,
    ) -> AsyncGenerator[None]:
        """The block changes ``paths`` of a workspace: ``reload`` is told when it is through.

        The watcher says nothing of it. A block that fails gives no event: what it has changed all
        the same, the watcher finds.
        """
        if reload is None:
            yield
            return
        known = nullcontext()
        if self.watcher is not None:
            known = self.watcher.own_change(workspace_id, paths, reload[0])
        async with known:
            yield
        self.tell(workspace_id, *reload)

    def engine_reloaded(self, workspace_id: str, at_ms: int) -> None:
        """The engine has read the workspace's configuration again: told to, or started anew."""
        self._reloaded_at_ms[workspace_id] = at_ms
        self._wake()

    def last_reload_at_ms(self, workspace_id: str) -> int | None:
        """When the engine last read everything again, since this server started."""
        return self._reloaded_at_ms.get(workspace_id)

    def since(self, workspace_id: str, seq: int) -> list[dict[str, Any]]:
        """The workspace's kept events after number ``seq``, oldest first.

        A number that was not given out yet is from another time: all that is kept comes back.
        """
        after = seq if seq <= self.cursor else 0
        return [event for event in self._events.get(workspace_id, ()) if event["seq"] > after]

    def missed(self, workspace_id: str, seq: int) -> bool:
        """Whether events after number ``seq`` are gone: too many, or the server was restarted."""
        if seq == 0:
            return False
        oldest = max(self._first, self._dropped.get(workspace_id, 0))
        return not oldest <= seq <= self.cursor

    async def follow(self, workspace_id: str, seq: int) -> AsyncGenerator[ServerEvent]:
        """The events after number ``seq`` as they come; never ends by itself.

        Named events beside them: ``missed`` {workspaceId}: events are gone, look at everything
        again; ``engine.reloaded`` {workspaceId, reloadedAt}: also the last one, at the beginning.
        """
        reloaded_at_ms = None
        yield ServerEvent(id=min(seq, self.cursor))
        while True:
            happened = self._happened
            if self.missed(workspace_id, seq):
                yield ServerEvent({"workspaceId": workspace_id}, "missed")
                seq = 0
            for event in self.since(workspace_id, seq):
                seq = event["seq"]
                yield ServerEvent(event, id=seq)
            seq = seq or self._first
            if self.last_reload_at_ms(workspace_id) != reloaded_at_ms:
                reloaded_at_ms = self.last_reload_at_ms(workspace_id)
                data = {"workspaceId": workspace_id, "reloadedAt": reloaded_at_ms}
                yield ServerEvent(data, "engine.reloaded")
            await happened.wait()

    def forget(self, workspace_id: str) -> None:
        """The workspace is no longer served."""
        self._close_windows([key for key in self._windows if key[0] == workspace_id])
        for each in (self._events, self._dropped, self._reloaded_at_ms):
            each.pop(workspace_id, None)

    def close(self) -> None:
        """The server stops: what waits in a window is told to nobody."""
        self._close_windows(list(self._windows))

    def _window_over(self, key: tuple[str, Reason]) -> None:
        del self._windows[key]
        triggers = self._pending.pop(key, None)
        if triggers:
            self.tell(*key, *triggers)

    def _close_windows(self, keys: list[tuple[str, Reason]]) -> None:
        for key in keys:
            self._windows.pop(key).cancel()
            self._pending.pop(key, None)

    def _wake(self) -> None:
        self._happened.set()
        self._happened = asyncio.Event()


def event_number(text: str) -> int | None:
    """The number a client sends, None when it is none."""
    if text.isascii() and text.isdigit() and len(text) <= LARGEST_NUMBER_DIGITS:
        return int(text)
    return None
