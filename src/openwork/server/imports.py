"""Changes of several files that a crash interrupted: where their journals lie, when undone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.audit import AuditRecord
from openwork.server.auth import Actor
from openwork.server.scope import Scope
from openwork.workspace import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from openwork.server.audit import AuditLog
    from openwork.server.registry import Workspace
    from openwork.workspace.paths import SafePath

logger = logging.getLogger(__name__)

UNDO = "change.undo"
# It has no token, and does no more than take back what a collaborator may do.
RECOVERY = Actor("system", "", Scope.COLLABORATOR, "recovery")
NAMED_AT_MOST = 3


def journal_of(data_dir: Path, workspace: Workspace) -> Path:
    """Where a change of several files of ``workspace`` notes how to undo it."""
    return data_dir / "journals" / f"{workspace.id}.json"


class Interrupted:
    """Undoes what a crash left half done, and sees that the audit log tells of it.

    Args:
        data_dir: Where the journals lie.
        audit: Where it is recorded.
    """

    def __init__(self, data_dir: Path, audit: AuditLog) -> None:
        self._data_dir = data_dir
        self._audit = audit
        self._unrecorded: list[AuditRecord] = []

    def undo_all(self, workspaces: Iterable[Workspace]) -> None:
        """Undo what is half done; what cannot be is logged. Blocking; ``record`` must follow.

        For the start: nothing else may be changing the workspaces.
        """
        for workspace in workspaces:
            try:
                self._undo(workspace)
            except OpenWorkError as error:
                # Told, not traced.
                logger.error("%s %s", error.message, error.hint or "")  # noqa: TRY400

    async def undo(self, workspace: Workspace) -> None:
        """Undo what is half done in one workspace. For the body of a change: none other runs then.

        Raises:
            OpenWorkError: As ``transaction.recover``.
            OSError: The audit log cannot be written.
        """
        await asyncio.to_thread(self._undo, workspace)
        await self.record()

    async def record(self) -> None:
        """Put what was undone into the audit log.

        Raises:
            OSError: It cannot be written; what is not recorded is tried again the next time.
        """
        while self._unrecorded:
            record = self._unrecorded.pop(0)
            try:
                await self._audit.append(record)
            except BaseException:
                self._unrecorded.insert(0, record)
                raise

    async def record_at_start(self) -> None:
        """As ``record``; a log that cannot be written does not stop the start, it is logged."""
        try:
            await self.record()
        except OSError as error:
            logger.error("what a crash interrupted is not in the audit log: %s", error)  # noqa: TRY400

    def _undo(self, workspace: Workspace) -> None:
        journal = journal_of(self._data_dir, workspace)
        undone = transaction.recover(workspace.root, journal)
        if undone:
            self._unrecorded.append(_record(workspace, undone))


def _record(workspace: Workspace, undone: Sequence[SafePath]) -> AuditRecord:
    named = ", ".join(path.relative for path in undone[:NAMED_AT_MOST])
    more = len(undone) - NAMED_AT_MOST
    listed = f"{named} and {more} more" if more > 0 else named
    return AuditRecord(
        workspace.id,
        RECOVERY,
        UNDO,
        str(workspace.path),
        f"Undid a change that a crash had interrupted: {listed}",
        reason="interrupted",
    )
