"""Scheduled runs in the audit log: they act on the folder, and no person asked for them just then.

A run that somebody asks for is recorded by its route, with who that was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.common.log import scrub
from openwork.server.audit import AuditRecord
from openwork.server.auth import Actor
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from openwork.server.audit import AuditLog, AuditOutcome
    from openwork.server.automation_runner import Subject
    from openwork.server.automation_state import Running
    from openwork.workspace.automation_log import Outcome

RUN = "agentlab.automations.run"
END = "agentlab.automations.end"
# It has no token. Its scope is the one that whoever saved the automation had to have.
SCHEDULER = Actor("system", "", Scope.COLLABORATOR, "scheduler")
LONGEST_MESSAGE = 1_000


async def record_start(audit: AuditLog, subject: Subject, running: Running) -> None:
    """Record that a scheduled run begins; its session is there, its prompt is not sent yet.

    Raises:
        OpenWorkError: ``audit_unwritable``: it must not begin.
    """
    if running.trigger != "schedule":
        return
    summary = f"Began the automation {_named(subject)} on schedule"
    try:
        await audit.append(_record(subject, running, RUN, summary))
    except OSError as error:
        raise OpenWorkError(
            "audit_unwritable",
            f"It was not begun: the audit log cannot be written: {error}",
            hint="Check the data folder and the room on its disk.",
        ) from error


async def record_end(
    audit: AuditLog, subject: Subject, running: Running, outcome: Outcome, message: str | None
) -> None:
    """Record what became of a scheduled run, also of one that came to no session.

    Raises:
        OSError: The log cannot be written.
    """
    if running.trigger != "schedule":
        return
    why = f": {scrub(message)[:LONGEST_MESSAGE]}" if message else ""
    summary = f"The automation {_named(subject)} ended: {outcome}{why}"
    recorded: AuditOutcome = outcome if outcome in ("done", "timeout") else "failed"
    record = _record(subject, running, END, summary)
    reason = "interrupted" if outcome == "interrupted" else ""
    await audit.append(replace(record, outcome=recorded, reason=reason))


def _record(subject: Subject, running: Running, action: str, summary: str) -> AuditRecord:
    target = running.session_id or subject.id
    return AuditRecord(subject.workspace.id, SCHEDULER, action, target, summary)


def _named(subject: Subject) -> str:
    return f"{subject.name!r} ({subject.id})" if subject.name else subject.id
