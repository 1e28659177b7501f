"""Reload events: what changed in a workspace so that its engine should read it again."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from openwork.common.ids import new_id

Reason = Literal["plugins", "skills", "mcp", "config", "agents", "commands"]
KEPT = 200


@dataclass(frozen=True)
class ReloadTrigger:
    """What caused it: ``type`` skill, plugin, config, mcp, agent or command."""

    type: str
    name: str | None = None
    action: Literal["added", "removed", "updated"] | None = None
    path: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Without the fields that are not known."""
        fields = {"type": self.type, "name": self.name, "action": self.action, "path": self.path}
        return {key: value for key, value in fields.items() if value is not None}


class ReloadEvents:
    """The last events of one server, numbered from 1."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.cursor = 0

    def emit(self, workspace_id: str, reason: Reason, trigger: ReloadTrigger | None = None) -> None:
        """Record one event: ``{id, seq, workspaceId, reason, trigger?, timestamp}``."""
        self.cursor += 1
        event: dict[str, Any] = {"id": new_id(), "seq": self.cursor, "workspaceId": workspace_id}
        event["reason"] = reason
        if trigger is not None:
            event["trigger"] = trigger.to_json()
        event["timestamp"] = time.time_ns() // 1_000_000
        self._events.append(event)

    def since(self, workspace_id: str, seq: int) -> list[dict[str, Any]]:
        """The workspace's kept events after number ``seq``, oldest first."""
        return [
            event
            for event in self._events
            if event["workspaceId"] == workspace_id and event["seq"] > seq
        ]
