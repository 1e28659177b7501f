"""The gate: the one way a client's change reaches a workspace."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from openwork.common.errors import OpenWorkError
from openwork.server.approvals import ApprovalRequest
from openwork.server.audit import AuditRecord
from openwork.server.auth import require
from openwork.server.scope import Scope
from openwork.server.threads import for_a_change

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence
    from pathlib import Path

    from openwork.server.approvals import Approvals
    from openwork.server.audit import AuditLog, AuditOutcome
    from openwork.server.auth import Actor
    from openwork.server.registry import Workspace
    from openwork.server.reload_events import Reason, ReloadEvents, ReloadTrigger


logger = logging.getLogger(__name__)

Refusal = Literal["denied", "timeout", "withdrawn", "revoked", "restart"]
_REFUSALS: dict[Refusal, str] = {
    "denied": "was denied by the host",
    "timeout": "was not approved in time",
    "withdrawn": "was withdrawn: its caller has left",
    "revoked": "was denied: its token was revoked",
    "restart": "was denied: the server stops",
}


@dataclass
class Change:
    """A change that has been let through.

    Attributes:
        summary: For the audit log; the body may make it more exact.
        target: What the audit log names; the body may make it more exact.
        recorded_at_ms: When it was recorded; set once the change is done.
        decided_by: Who allowed or denied it; None when nobody was asked.
    """

    summary: str
    target: str
    recorded_at_ms: int = 0
    decided_by: Actor | None = None


def require_writable(*, read_only: bool) -> None:
    """Refuse every change on a read-only server.

    Raises:
        OpenWorkError: ``read_only``.
    """
    if read_only:
        raise OpenWorkError(
            "read_only",
            "This server is read-only.",
            hint="Start it without --read-only to allow changes.",
            status=403,
        )


class Gate:
    """Scope, approval, the change itself, audit entry, reload event: in that order, every time."""

    def __init__(
        self,
        approvals: Approvals,
        audit: AuditLog,
        reload_events: ReloadEvents,
        *,
        read_only: bool,
        scope_of: Callable[[Actor], Scope | None] = lambda actor: actor.scope,
    ) -> None:
        """``scope_of`` tells what somebody may do by now; None: nothing any more."""
        self._scope_of = scope_of
        self._approvals = approvals
        self._audit = audit
        self._reload_events = reload_events
        self._read_only = read_only
        self._locks: dict[str, asyncio.Lock] = {}
        self._stopping = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def close(self) -> None:
        """The server stops: no change begins any more."""
        self._stopping = True

    async def finished(self) -> None:
        """Wait until no change is under way."""
        await self._idle.wait()

    @asynccontextmanager
    async def change(
        self,
        actor: Actor,
        workspace: Workspace,
        *,
        action: str,
        summary: str,
        paths: Sequence[Path],
        target: str | None = None,
        reload: tuple[Reason, ReloadTrigger] | None = None,
        writes: bool = True,
        detail: str = "",
    ) -> AsyncGenerator[Change]:
        """Let one change through: the body of the ``async with`` makes it.

        Bodies of one workspace run one after another; waiting for approval blocks nobody else. The
        entry in the audit log is durable before the block is left, also for a refusal or a failure.

        Args:
            actor: Who wants it; collaborator or more.
            workspace: Where.
            action: ``config.patch``, …: a stable name for the audit log.
            summary: One sentence for the person who approves.
            paths: What would change, absolute.
            target: What the audit log names; the first path when None.
            reload: The reload event to emit when the change is done.
            writes: False for an act that changes no file: a read-only server lets it through.
            detail: What exactly would change, without secrets, for the person who approves.

        Raises:
            OpenWorkError: ``read_only``, ``forbidden``, or ``write_denied`` with
                ``details {requestId, reason: denied|timeout|withdrawn|revoked|restart}``;
                ``too_many_waiting`` 429; ``audit_unavailable`` 503, before the body runs.
            OSError: The body ran but could not be recorded; the server's log says so.
        """
        require_writable(read_only=self._read_only and writes)
        require(actor, Scope.COLLABORATOR)
        named = target if target is not None else str(next(iter(paths), workspace.path))
        change = Change(summary=summary, target=named)
        request = ApprovalRequest(
            workspace.id, action, summary, tuple(str(path) for path in paths), actor, detail
        )
        await self._approve(workspace, change, request)
        outcome: AuditOutcome = "failed"
        lock = self._locks.setdefault(workspace.id, asyncio.Lock())
        with for_a_change():
            async with lock:
                await self._ask_again(workspace, change, request)
                await self._audit.require_writable(workspace.id)
                with self._busy():
                    async with self._reload_events.own_change(workspace.id, paths, reload):
                        try:
                            yield change
                            outcome = "done"
                        finally:
                            change.recorded_at_ms = await self._record(
                                actor, workspace, action, change, outcome
                            )

    @contextmanager
    def _busy(self) -> Generator[None]:
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _approve(
        self, workspace: Workspace, change: Change, request: ApprovalRequest
    ) -> None:
        decision = await self._approvals.ask(request)
        change.decided_by = decision.by
        if decision.outcome != "allowed":
            await self._refuse(workspace, change, request, decision.outcome)

    async def _ask_again(
        self, workspace: Workspace, change: Change, request: ApprovalRequest
    ) -> None:
        """Refuse what waited until the server stopped, or its token was revoked."""
        if self._stopping:
            await self._refuse(workspace, change, request, "restart")
        scope = self._scope_of(request.actor)
        if scope is None or scope < Scope.COLLABORATOR:
            await self._refuse(workspace, change, request, "revoked")

    async def _refuse(
        self, workspace: Workspace, change: Change, request: ApprovalRequest, outcome: Refusal
    ) -> NoReturn:
        await self._record(request.actor, workspace, request.action, change, outcome)
        raise OpenWorkError(
            "write_denied",
            f"The change {_REFUSALS[outcome]}: {change.summary}",
            hint="The host answers with: openwork approvals list",
            status=403,
            details={"requestId": request.id, "reason": outcome},
        )

    async def _record(
        self,
        actor: Actor,
        workspace: Workspace,
        action: str,
        change: Change,
        outcome: AuditOutcome | Refusal,
    ) -> int:
        recorded: AuditOutcome
        reason = ""
        if outcome == "restart" or outcome == "revoked":
            recorded, reason = "denied", outcome
        else:
            recorded = outcome
        record = AuditRecord(
            workspace.id,
            actor,
            action,
            change.target,
            change.summary,
            recorded,
            reason,
            decided_by=change.decided_by,
        )
        try:
            return await asyncio.shield(self._audit.append(record))
        except OSError as error:
            # Told, not traced. The answer is a failure, though the change may be made.
            logger.error(  # noqa: TRY400
                "not in the audit log of workspace %s: %s (%s, %s): %s",
                workspace.id,
                change.summary,
                action,
                outcome,
                error,
            )
            raise
