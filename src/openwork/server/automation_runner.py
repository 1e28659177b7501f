"""Runs of automations: each is claimed durably before it begins, and logged when it is over."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.common.ids import new_id
from openwork.server.automation_audit import record_end, record_start
from openwork.server.automation_state import Running
from openwork.workspace import automation_log
from openwork.workspace.automation_log import LogEntry

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from openwork.server.audit import AuditLog
    from openwork.server.automation_clock import Clock, Missed
    from openwork.server.automation_run import Result
    from openwork.server.automation_state import AutomationState, Record
    from openwork.server.registry import Workspace
    from openwork.workspace.automation_log import Outcome, Trigger
    from openwork.workspace.automations import Automation

STOPPED = "The server was stopped in the middle of the run."
CRASHED = "The server ended in the middle of the run, which began at {}."
UNEXPECTED = "An unexpected error: the server's log tells more."

logger = logging.getLogger("openwork.automations")


@dataclass(frozen=True, slots=True)
class Subject:
    """One automation of one workspace, by what a run of it needs.

    Attributes:
        workspace: Where.
        id: Its id; it may have been deleted since.
        state: The workspace's records.
        name: What people call it, "" where only its records are at hand.
    """

    workspace: Workspace
    id: str
    state: AutomationState
    name: str = ""

    @property
    def record(self) -> Record:
        """What is known of it."""
        return self.state.record(self.id)


class AutomationRunner:
    """The runs of one server.

    Args:
        clock: The time.
        timeout_s: The longest a run may take.
        audit: Where scheduled runs are recorded.
    """

    def __init__(self, clock: Clock, timeout_s: float, audit: AuditLog) -> None:
        self._audit = audit
        self._clock = clock
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(
        self, subject: Subject, automation: Automation, planned: datetime | None = None
    ) -> asyncio.Future[Running]:
        """Claim a run durably and begin it; the result comes true once the engine has the prompt.

        What is planned in the subject's record is made durable in the same write.

        Args:
            subject: Which automation.
            automation: As it is now.
            planned: The moment it was due, None for a manual run.

        Raises:
            OpenWorkError: ``automation_running`` 409 while a run of it goes on; that is logged.
            OSError: The claim cannot be written; nothing was begun.
        """
        trigger: Trigger = "manual" if planned is None else "schedule"
        record = subject.record
        if record.running is not None:
            await self._skip(subject, record.running, trigger, planned)
        running = Running(new_id(), trigger, self._clock.now(), planned)
        record.running = running
        try:
            await subject.state.save()
        except OSError:
            record.running = None
            raise
        begun: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._own(self._run(subject, automation, running, begun))
        return begun

    def recover(self, subject: Subject) -> None:
        """Record a run that an earlier process began and did not end, as interrupted.

        Until that is done it counts as running: its session may still be at work, and is stopped.
        """
        self._own(self._recover(subject))

    async def log_missed(self, subject: Subject, missed: Missed) -> None:
        """Record a stretch in which nothing could run, once."""
        told = "The server or the machine was off."
        if missed.count > 1:
            told = f"{told} {missed.count} runs, the last at {self._local(missed.last)}."
        entry = LogEntry(
            run=f"missed-{missed.first.timestamp():.0f}",
            outcome="missed",
            time=self._local(self._clock.now()),
            planned=self._local(missed.first),
            count=missed.count,
            message=told,
        )
        subject.record.last_outcome = "missed"
        await self._log(subject, entry)

    async def stop(self) -> None:
        """End what runs; each is logged as interrupted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _skip(
        self, subject: Subject, running: Running, trigger: Trigger, planned: datetime | None
    ) -> None:
        told = f"The run of {self._local(running.started):%Y-%m-%d %H:%M} still goes on."
        entry = LogEntry(
            run=new_id(),
            outcome="skipped",
            time=self._local(self._clock.now()),
            trigger=trigger,
            planned=planned and self._local(planned),
            session_id=running.session_id,
            message=told,
        )
        await self._log(subject, entry)
        await subject.state.save()
        raise OpenWorkError(
            "automation_running",
            f"{subject.id} was not started. {told}",
            hint="Wait for it, or stop its session.",
            status=409,
            details={"sessionId": running.session_id},
        )

    async def _run(
        self,
        subject: Subject,
        automation: Automation,
        running: Running,
        begun: asyncio.Future[Running],
    ) -> None:
        begun.add_done_callback(_look_at_exception)
        started_s = time.monotonic()
        progress = _Progress(self, subject, running, begun)
        outcome: Outcome = "failed"
        failure = OpenWorkError("automation_failed", UNEXPECTED)
        try:
            result = await self._perform(subject.workspace, automation, progress)
            outcome, message = result.outcome, result.message
        except OpenWorkError as error:
            failure, message = error, error.message
        except asyncio.CancelledError:
            failure = OpenWorkError("server_stopping", STOPPED, status=503)
            outcome, message = "interrupted", STOPPED
        except Exception:
            logger.exception("a run of %s failed", subject.id)
            message = UNEXPECTED
        if not begun.done():
            begun.set_exception(failure)
        duration_ms = int((time.monotonic() - started_s) * 1000)
        await self._end(subject, progress.running, outcome, message, duration_ms)

    async def _perform(
        self, workspace: Workspace, automation: Automation, progress: _Progress
    ) -> Result:
        if workspace.engine is None:
            raise OpenWorkError(
                "opencode_unconfigured", "This workspace has no engine.", status=400
            )
        from openwork.server.automation_run import perform  # noqa: PLC0415  # loads aiohttp

        return await perform(
            workspace.engine,
            f"Automation: {automation.name}",
            automation.prompt,
            progress,
            timeout_s=self._timeout_s,
            patient=progress.running.trigger == "schedule",
        )

    async def _recover(self, subject: Subject) -> None:
        running, engine = subject.record.running, subject.workspace.engine
        if running is None:
            return
        if running.session_id is not None and engine is not None:
            from openwork.server.automation_run import abort, open_engine  # noqa: PLC0415

            async with open_engine(engine) as client:
                await abort(client, running.session_id)
        told = CRASHED.format(self._local(running.started).isoformat(timespec="seconds"))
        await self._end(subject, running, "interrupted", told, None)

    async def _end(
        self,
        subject: Subject,
        running: Running,
        outcome: Outcome,
        message: str | None,
        duration_ms: int | None,
    ) -> None:
        """Log first: a crash in between makes the next start try again, and the log takes one."""
        entry = LogEntry(
            run=running.run,
            outcome=outcome,
            time=self._local(self._clock.now()),
            trigger=running.trigger,
            planned=running.planned and self._local(running.planned),
            session_id=running.session_id,
            duration_ms=duration_ms,
            message=message,
        )
        await self._log(subject, entry)
        record = subject.record
        try:
            await record_end(self._audit, subject, running, outcome, message)
        except OSError:
            logger.exception("cannot record the end of %s in the audit log", subject.id)
        record.running, record.last_outcome = None, outcome
        try:
            await subject.state.save()
        except OSError:
            logger.exception("cannot record the end of %s", subject.id)

    async def note_session(self, subject: Subject, running: Running) -> None:
        """Make the session of a run durable, before the engine is told what to do in it.

        Raises:
            OpenWorkError: ``audit_unwritable``: a scheduled run that cannot be recorded.
        """
        record = subject.record
        record.running = running
        record.last_run, record.last_session_id = running.started, running.session_id
        await subject.state.save()
        await record_start(self._audit, subject, running)

    async def note_wait(self, subject: Subject, running: Running, what: str) -> None:
        """Log that a run waits for a person."""
        entry = LogEntry(
            run=running.run,
            outcome="permission_needed",
            time=self._local(self._clock.now()),
            trigger=running.trigger,
            session_id=running.session_id,
            message=f"Waits for an answer: {what}",
        )
        await self._log(subject, entry)

    async def _log(self, subject: Subject, entry: LogEntry) -> None:
        """The workspace's log; a folder that cannot be written must not stop the automations."""
        logger.info(
            "automation %s of %s: %s%s",
            subject.id,
            subject.workspace.name,
            entry.outcome,
            f" ({entry.message})" if entry.message else "",
        )
        root = subject.workspace.root
        try:
            async with subject.state.logging:
                await asyncio.to_thread(automation_log.append, root, subject.id, entry)
        except OpenWorkError as error:
            logger.error("cannot log a run of %s: %s", subject.id, error.message)  # noqa: TRY400

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._clock.zone())


class _Progress:
    """Hears of a run's progress: ``Listener`` of ``automation_run``."""

    def __init__(
        self,
        runner: AutomationRunner,
        subject: Subject,
        running: Running,
        begun: asyncio.Future[Running],
    ) -> None:
        self.running = running
        self._runner = runner
        self._subject = subject
        self._begun = begun

    async def session(self, session_id: str) -> None:
        self.running = replace(self.running, session_id=session_id)
        await self._runner.note_session(self._subject, self.running)

    async def prompted(self) -> None:
        if not self._begun.done():
            self._begun.set_result(self.running)

    async def waits(self, what: str) -> None:
        await self._runner.note_wait(self._subject, self.running, what)


def _look_at_exception(begun: asyncio.Future[Running]) -> None:
    """Nobody waits for a scheduled run's start; the log tells why it failed."""
    if not begun.cancelled():
        begun.exception()
