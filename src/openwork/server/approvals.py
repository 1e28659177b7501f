"""Approvals: a write waits here until the host says yes or no, or time is up.

They live in memory. A server that stops denies what waits, and the audit log says so (``denied``,
reason ``restart``). One that is killed says nothing of it later: the request that waited went with
it, and a change is made only after its answer, so nothing was done by half.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.errors import OpenWorkError
from openwork.common.ids import new_id
from openwork.server.sse import ServerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openwork.server.auth import Actor

Outcome = Literal["allowed", "denied", "timeout", "withdrawn", "revoked", "restart"]
# A follower that is this far behind is told the whole list instead.
MOST_UNSENT = 100
# Each holds what it would write, which may be megabytes.
MOST_WAITING = 64
MOST_WAITING_OF_A_TOKEN = 16
RETRY_AFTER_S = 10


@dataclass(frozen=True)
class Decision:
    """How it came out.

    Attributes:
        outcome: What became of the request.
        by: Who answered; None when nobody did.
    """

    outcome: Outcome
    by: Actor | None = None


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
        detail: What exactly would change, without secrets; "" when the summary says it all.
    """

    workspace_id: str
    action: str
    summary: str
    paths: tuple[str, ...]
    actor: Actor
    detail: str = ""
    id: str = field(default_factory=new_id)
    created_at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def to_json(self) -> dict[str, Any]:
        """``{id, workspaceId, action, summary, detail?, paths, createdAt, actor}``."""
        body: dict[str, Any] = {
            "id": self.id,
            "workspaceId": self.workspace_id,
            "action": self.action,
            "summary": self.summary,
            "paths": list(self.paths),
            "createdAt": self.created_at_ms,
            "actor": self.actor.to_json(),
        }
        return body | {"detail": self.detail} if self.detail else body


class _Follower:
    """What one follower has not been told yet."""

    def __init__(self, workspace_id: str | None) -> None:
        self.workspace_id = workspace_id
        self.unsent: deque[ServerEvent] = deque()
        self.behind = True
        self.news = asyncio.Event()

    def tell(self, workspace_id: str, event: ServerEvent) -> None:
        if self.workspace_id not in {None, workspace_id}:
            return
        if len(self.unsent) == MOST_UNSENT:
            self.unsent.clear()
            self.behind = True
        if not self.behind:
            self.unsent.append(event)
        self.news.set()


@dataclass(frozen=True)
class _Waiting:
    request: ApprovalRequest
    answer: asyncio.Future[Decision]
    task: asyncio.Task[object] | None


class Approvals:
    """The waiting changes of one server."""

    def __init__(self, mode: Literal["manual", "auto"], timeout_ms: int) -> None:
        """``auto`` allows everything at once; ``manual`` waits at most ``timeout_ms``."""
        self.mode = mode
        self.timeout_ms = timeout_ms
        self._waiting: dict[str, _Waiting] = {}
        self._followers: set[_Follower] = set()
        self._closed = False

    def describe(self, request: ApprovalRequest) -> dict[str, Any]:
        """The request as the host sees it, with ``waitingMs`` and ``expiresAt``."""
        now_ms = time.time_ns() // 1_000_000
        return request.to_json() | {
            "waitingMs": max(0, now_ms - request.created_at_ms),
            "expiresAt": request.created_at_ms + self.timeout_ms,
        }

    def list(self, workspace_id: str | None = None) -> list[ApprovalRequest]:
        """What waits, oldest first; of one workspace when named."""
        requests = [each.request for each in self._waiting.values()]
        return [each for each in requests if workspace_id in {None, each.workspace_id}]

    async def ask(self, request: ApprovalRequest) -> Decision:
        """Wait for the answer, :meth:`withdraw` or :meth:`revoke`. Others go on meanwhile.

        Raises:
            OpenWorkError: ``too_many_waiting`` 429 with ``details {retryAfterSeconds, waiting}``.
        """
        if self.mode == "auto":
            return Decision("allowed")
        if self._closed:
            return Decision("restart")
        self._require_room(request.actor)
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = _Waiting(request, answer, asyncio.current_task())
        self._tell(request, ServerEvent(self.describe(request), "added"))
        decision = Decision("withdrawn")  # unless it comes to an answer
        try:
            async with asyncio.timeout(self.timeout_ms / 1000):
                decision = await answer
        except TimeoutError:
            decision = Decision("timeout")
        finally:
            del self._waiting[request.id]
            told = {"id": request.id, "workspaceId": request.workspace_id}
            told["outcome"] = decision.outcome
            self._tell(request, ServerEvent(told, "resolved"))
        return decision

    async def follow(self, workspace_id: str | None = None) -> AsyncGenerator[ServerEvent]:
        """What waits, as it comes and goes; of one workspace when named. Never ends by itself.

        ``list`` {items}: all that waits: at the beginning, and when a follower was too slow to be
        told each; ``added``: an item; ``resolved`` {id, workspaceId, outcome}: allowed, denied,
        timeout, withdrawn, revoked or restart.
        """
        follower = _Follower(workspace_id)
        self._followers.add(follower)
        try:
            while True:
                follower.news.clear()
                if follower.behind:
                    follower.behind = False
                    items = [self.describe(each) for each in self.list(workspace_id)]
                    yield ServerEvent({"items": items}, "list")
                while follower.unsent:
                    yield follower.unsent.popleft()
                await follower.news.wait()
        finally:
            self._followers.discard(follower)

    def close(self) -> None:
        """The server stops: deny what waits, and whatever asks from now on."""
        self._closed = True
        for each in self._waiting.values():
            if not each.answer.done():
                each.answer.set_result(Decision("restart"))

    def reply(self, request_id: str, *, allow: bool, by: Actor | None = None) -> None:
        """Answer a waiting request; ``by`` is who answers.

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
        found.answer.set_result(Decision("allowed" if allow else "denied", by))

    def withdraw(self, task: asyncio.Task[object] | None) -> None:
        """Whoever asked in ``task`` has left: what it waits for must not happen any more."""
        for each in self._waiting.values():
            if each.task is task and not each.answer.done():
                each.answer.set_result(Decision("withdrawn"))

    def revoke(self, token_hash: str) -> None:
        """A token is worthless: what was asked for with it must not happen any more."""
        for each in self._waiting.values():
            if each.request.actor.token_hash == token_hash and not each.answer.done():
                each.answer.set_result(Decision("revoked"))

    def _require_room(self, actor: Actor) -> None:
        tokens = [each.request.actor.token_hash for each in self._waiting.values()]
        own = tokens.count(actor.token_hash)
        if own >= MOST_WAITING_OF_A_TOKEN:
            told = f"{own} changes of this token wait for approval already."
        elif len(tokens) >= MOST_WAITING:
            told = f"{len(tokens)} changes wait for approval already."
        else:
            return
        raise OpenWorkError(
            "too_many_waiting",
            told,
            hint="Try again when the host has answered some: openwork approvals list",
            status=429,
            details={"retryAfterSeconds": RETRY_AFTER_S, "waiting": len(tokens)},
        )

    def _tell(self, request: ApprovalRequest, event: ServerEvent) -> None:
        for follower in self._followers:
            follower.tell(request.workspace_id, event)
