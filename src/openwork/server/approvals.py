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

Outcome = Literal["allowed", "denied", "timeout", "withdrawn"]
Answer = Literal["allowed", "denied", "withdrawn"]


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


@dataclass(frozen=True)
class _Waiting:
    request: ApprovalRequest
    answer: asyncio.Future[Answer]
    task: asyncio.Task[object] | None


class Approvals:
    """The waiting changes of one server."""

    def __init__(self, mode: Literal["manual", "auto"], timeout_ms: int) -> None:
        """``auto`` allows everything at once; ``manual`` waits at most ``timeout_ms``."""
        self.mode = mode
        self.timeout_ms = timeout_ms
        self._waiting: dict[str, _Waiting] = {}

    def list(self, workspace_id: str | None = None) -> list[ApprovalRequest]:
        """What waits, oldest first; of one workspace when named."""
        requests = [each.request for each in self._waiting.values()]
        return [each for each in requests if workspace_id in {None, each.workspace_id}]

    async def ask(self, request: ApprovalRequest) -> Outcome:
        """Wait for the answer, or for :meth:`withdraw`. Other requests go on meanwhile."""
        if self.mode == "auto":
            return "allowed"
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = _Waiting(request, answer, asyncio.current_task())
        try:
            async with asyncio.timeout(self.timeout_ms / 1000):
                return await answer
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
        if found is None or found.answer.done():
            raise OpenWorkError(
                "approval_not_found",
                f"No change waits under the id {request_id}.",
                hint="It may have been answered or have run out of time: openwork approvals list",
                status=404,
            )
        found.answer.set_result("allowed" if allow else "denied")

    def withdraw(self, task: asyncio.Task[object] | None) -> None:
        """Whoever asked in ``task`` has left: what it waits for must not happen any more."""
        for each in self._waiting.values():
            if each.task is task and not each.answer.done():
                each.answer.set_result("withdrawn")
