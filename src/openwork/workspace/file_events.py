"""The latest changes that file sessions made to a workspace, for clients that follow along."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_EVENTS = 500
FileEventType = Literal["write", "delete", "rename", "mkdir"]


def now_ms() -> int:
    """Wall clock, whole milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One change.

    Attributes:
        id: Its own.
        seq: Its number in the workspace, from 1, without gaps.
        workspace_id: Where.
        type: What was done.
        path: To what; of a rename the old path.
        timestamp_ms: When.
        to_path: Of a rename the new path.
        revision: Of a write the new revision.
    """

    id: str
    seq: int
    workspace_id: str
    type: FileEventType
    path: str
    timestamp_ms: int
    to_path: str | None = None
    revision: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{id, seq, workspaceId, type, path, toPath?, revision?, timestamp}``."""
        body: dict[str, Any] = {
            "id": self.id,
            "seq": self.seq,
            "workspaceId": self.workspace_id,
            "type": self.type,
            "path": self.path,
        }
        if self.to_path is not None:
            body["toPath"] = self.to_path
        if self.revision is not None:
            body["revision"] = self.revision
        return body | {"timestamp": self.timestamp_ms}


@dataclass(frozen=True, slots=True)
class FileEventList:
    """Events.

    Attributes:
        items: Oldest first.
        cursor: The ``since`` that asks for those after them.
        missed: Some asked for are kept no more: the catalog tells what they led to.
    """

    items: tuple[FileEvent, ...]
    cursor: int
    missed: bool = False

    def to_json(self) -> dict[str, Any]:
        """``{items, cursor}``, and ``missed: true`` when events are kept no more."""
        items = [event.to_json() for event in self.items]
        body: dict[str, Any] = {"items": items, "cursor": self.cursor}
        return body | {"missed": True} if self.missed else body


class FileEvents:
    """The last ``MAX_EVENTS`` events of one workspace. Safe to use from threads.

    Args:
        workspace_id: Which.
        clock_ms: Wall clock, milliseconds since the epoch.
    """

    def __init__(self, workspace_id: str, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._workspace_id = workspace_id
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._events: deque[FileEvent] = deque(maxlen=MAX_EVENTS)
        self._cursor = 0

    @property
    def cursor(self) -> int:
        """The number of the latest event; 0 before the first."""
        return self._cursor

    def record(
        self,
        kind: FileEventType,
        path: str,
        *,
        to_path: str | None = None,
        revision: str | None = None,
    ) -> FileEvent:
        """Add one."""
        with self._lock:
            self._cursor += 1
            event = FileEvent(
                new_id(),
                self._cursor,
                self._workspace_id,
                kind,
                path,
                self._clock_ms(),
                to_path,
                revision,
            )
            self._events.append(event)
            return event

    def since(self, seq: int = 0) -> FileEventList:
        """Those numbered above ``seq``, oldest first, as far as they are kept."""
        with self._lock:
            kept = tuple(event for event in self._events if event.seq > seq)
            missed = max(0, self._cursor - max(0, seq)) > len(kept)
            return FileEventList(kept, self._cursor, missed)
