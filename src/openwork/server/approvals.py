"""Approvals: a write waits here until the host says yes or no, or time is up.

They live in memory: a restart denies what was waiting, because the request that waited is gone too.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.errors import OpenWorkError
from openwork.common.ids import new_id

if TYPE_CHECKING:
    from openwork.server.auth import Actor

Outcome = Literal["allowed", "denied", "timeout"]


@dataclass(frozen=True)
class ApprovalRequest:
    """A change that waits.

    Attributes:
        id: Random.
        workspace_id: Of which workspace.
        action: ``config.patch``, ….
        summary: One sentence for a person.
        paths: Absolute paths that would change.
        created_at_ms: Since the epoch.
        actor: Who wants it.
    """

    workspace_id: str
    action: str
    summary: str
    paths: tuple[str, ...]
    actor: Actor
    id: str = field(default_factory=new_id)
    created_at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def to_json(self) -> dict[str, Any]:
        """``{id, workspaceId, action, summary, paths, createdAt, actor}``."""
        return {
            "id": self.id,
            "workspaceId": self.workspace_id,
            "action": self.action,
            "summary": self.summary,
            "paths": list(self.paths),
            "createdAt": self.created_at_ms,
            "actor": self.actor.to_json(),
        }


class Approvals:
    """The waiting changes of one server."""

    def __init__(self, mode: Literal["manual", "auto"], timeout_ms: int) -> None:
        """``auto`` allows everything at once; ``manual`` waits at most ``timeout_ms``."""
        self.mode = mode
        self.timeout_ms = timeout_ms
        self._waiting: dict[str, tuple[ApprovalRequest, asyncio.Future[bool]]] = {}

    def list(self, workspace_id: str | None = None) -> list[ApprovalRequest]:
        """What waits, oldest first; of one workspace when named."""
        return [
            request
            for request, _ in self._waiting.values()
            if workspace_id in {None, request.workspace_id}
        ]

    async def ask(self, request: ApprovalRequest) -> Outcome:
        """Wait for the answer. Other requests go on meanwhile; a caller that leaves withdraws it."""
        if self.mode == "auto":
            return "allowed"
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = (request, answer)
        try:
            async with asyncio.timeout(self.timeout_ms / 1000):
                return "allowed" if await answer else "denied"
        except TimeoutError:
            return "timeout"
        finally:
            del self._waiting[request.id]

    def reply(self, request_id: str, *, allow: bool) -> None:
        """Answer a waiting request.

        Raises:
            OpenWorkError: ``approval_not_found``: unknown, answered already, or out of time.
        """
        found = self._waiting.get(request_id)
        if found is None or found[1].done():
            raise OpenWorkError(
                "approval_not_found",
                f"No change waits under the id {request_id}.",
                hint="It may have been answered or have run out of time: openwork approvals list",
                status=404,
            )
        found[1].set_result(allow)
