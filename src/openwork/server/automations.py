"""The automations of one server: looked at when something is due, at most every 30 s apart."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.server.automation_clock import SystemClock, decide, wait_s, zone_name
from openwork.server.automation_runner import AutomationRunner, Subject
from openwork.server.automation_state import AutomationState, to_ms
from openwork.workspace.automations import AutomationFile, automations_path, read_automations

if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from pathlib import Path

    from openwork.server.audit import AuditLog
    from openwork.server.automation_clock import Clock, Plan
    from openwork.server.automation_state import Running
    from openwork.server.registry import Registry, Workspace
    from openwork.workspace.automations import Automation

logger = logging.getLogger("openwork.automations")


@dataclass(slots=True)
class _Known:
    """A workspace as it was last looked at.

    Attributes:
        state: What a restart must not forget.
        revision: Of the file that was read, None for no file.
        file: What it held.
        recovered: Whether runs that an earlier process left were seen to.
        complaint: The last problem told, so that it is told once.
    """

    state: AutomationState
    revision: str | None = None
    file: AutomationFile | None = None
    recovered: bool = False
    complaint: str = ""


class Automations:
    """Runs what is due, in every served workspace.

    Args:
        registry: The workspaces; those that lie in no authorised folder are left alone.
        data_dir: The server's data folder.
        audit: Where scheduled runs are recorded.
        read_only: Run nothing.
        timeout_s: The longest a run may take.
        clock: The time.
    """

    def __init__(
        self,
        registry: Registry,
        data_dir: Path,
        audit: AuditLog,
        *,
        read_only: bool,
        timeout_s: float,
        clock: Clock | None = None,
    ) -> None:
        self._registry = registry
        self._folder = data_dir / "automations"
        self._read_only = read_only
        self._clock = clock or SystemClock()
        self._runner = AutomationRunner(self._clock, timeout_s, audit)
        self._known: dict[str, _Known] = {}
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; a read-only server tells what it does not run."""
        if not self._read_only:
            self._task = asyncio.create_task(self._look_for_ever())
            return
        for workspace in self._served():
            try:
                waiting = [each for each in read_automations(workspace.root).items if each.enabled]
            except OpenWorkError as error:
                logger.warning("%s", error.message)
                continue
            if waiting:
                count, name = len(waiting), workspace.name
                logger.warning("read-only: %d automations of %s do not run", count, name)

    async def stop(self) -> None:
        """Look no more, and end what runs; each run is logged as interrupted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._runner.stop()

    async def changed(self, workspace: Workspace) -> None:
        """The workspace's file was written by us: plan at once."""
        if not self._read_only:
            await self._look_at(workspace)
            self._wake.set()

    async def run_now(self, workspace: Workspace, automation: Automation) -> Running:
        """Begin a run on demand; it is followed and logged as a planned one is.

        Returns:
            The run, with its session, once the engine has taken the prompt.

        Raises:
            OpenWorkError: ``automation_running`` 409, ``opencode_unconfigured`` 400, the engine's
                own errors 502.
        """
        async with self._looking:
            self._see_to_what_was_left(workspace)
            subject = Subject(workspace, automation.id, self._state(workspace), automation.name)
            begun = await self._runner.begin(subject, automation)
        return await begun

    def describe(self, workspace: Workspace, file: AutomationFile) -> list[dict[str, Any]]:
        """The items as clients know them: the file's fields, and the last run.

        Raises:
            OpenWorkError: ``file_damaged``: what is known of the runs cannot be read.
        """
        records = self._state(workspace).records()
        items: list[dict[str, Any]] = []
        for each in file.items:
            item = {**each.fields, "enabled": each.enabled}
            record = records.get(each.id)
            if record and record.last_run and to_ms(record.last_run) >= each.last_run_ms:
                item["lastRunAt"] = to_ms(record.last_run)
                item["lastRunSessionId"] = record.last_session_id
            items.append(item)
        return items

    def describe_plans(self, workspace: Workspace) -> dict[str, Any]:
        """``{zone, items: {ID: {nextRunAt, runningSince, lastOutcome}}}``; times in ms or null."""
        items: dict[str, Any] = {}
        for key, record in self._state(workspace).records().items():
            coming = None if record.plan is None or self._read_only else to_ms(record.plan.next)
            since = None if record.running is None else to_ms(record.running.started)
            items[key] = {
                "nextRunAt": coming,
                "runningSince": since,
                "lastOutcome": record.last_outcome,
            }
        return {"zone": zone_name(self._clock.zone()), "items": items}

    def _served(self) -> list[Workspace]:
        roots = self._registry.roots
        workspaces = self._registry.all()
        return [each for each in workspaces if any(map(each.path.is_relative_to, roots))]

    async def _look_for_ever(self) -> None:
        while True:
            self._wake.clear()
            plans: list[Plan] = []
            for workspace in self._served():
                plans += await self._look_at(workspace)
            await self._clock.wait(self._wake, wait_s(plans, self._clock.now()))

    async def _look_at(self, workspace: Workspace) -> list[Plan]:
        """Do what is due in one workspace; what it waits for then.

        A problem there is told once, stops no other workspace, and is looked at again later.
        """
        known = self._of(workspace)
        try:
            async with self._looking:
                self._see_to_what_was_left(workspace)
                file = await self._file(workspace, known)
                if file is not None:
                    await self._decide_all(workspace, file)
            known.complaint = ""
        except (OpenWorkError, OSError) as error:
            if known.complaint != str(error):
                known.complaint = str(error)
                logger.error("no automation of %s runs: %s", workspace.name, error)  # noqa: TRY400
            return []
        except Exception:  # a mistake of ours: the other workspaces' automations must go on
            logger.exception("no automation of %s runs", workspace.name)
            return []
        return [each.plan for each in known.state.records().values() if each.plan is not None]

    def _see_to_what_was_left(self, workspace: Workspace) -> None:
        known = self._of(workspace)
        if not known.recovered:
            for key, record in known.state.records().items():
                if record.running is not None:
                    self._runner.recover(Subject(workspace, key, known.state))
            known.recovered = True

    async def _file(self, workspace: Workspace, known: _Known) -> AutomationFile | None:
        """The file, read again when it has changed; None when there never was anything."""
        found = await asyncio.to_thread(automations_path(workspace.root).stat)
        revision = None if found is None else f"{found.mtime_ns}:{found.size}"
        if revision != known.revision or (known.file is None and known.state.records()):
            known.file = await asyncio.to_thread(read_automations, workspace.root)
            known.revision = revision
        return known.file

    async def _decide_all(self, workspace: Workspace, file: AutomationFile) -> None:
        state = self._state(workspace)
        zone, now = self._clock.zone(), self._clock.now()
        changed = _forget(state, file)
        for automation in file.items:
            subject = Subject(workspace, automation.id, state, automation.name)
            if await self._decide(subject, automation, now, zone):
                changed = True
        if changed:
            await state.save()

    async def _decide(
        self, subject: Subject, automation: Automation, now: datetime, zone: tzinfo
    ) -> bool:
        """Whether the record changed and is not durable yet."""
        record = subject.record
        if not automation.enabled:
            changed, record.plan = record.plan is not None, None
            return changed
        decision = decide(record.plan, automation.schedule, now, zone)
        if decision.missed is not None:
            await self._runner.log_missed(subject, decision.missed)
        before, record.plan = record.plan, decision.plan
        if decision.due is None:
            return record.plan != before
        try:
            await self._runner.begin(subject, automation, decision.due)
        except OpenWorkError as error:
            if error.code != "automation_running":  # that is logged where it is found
                raise
        except OSError:
            record.plan = before  # nothing was begun: it stays due
            raise
        return False

    def _state(self, workspace: Workspace) -> AutomationState:
        return self._of(workspace).state

    def _of(self, workspace: Workspace) -> _Known:
        found = self._known.get(workspace.id)
        if found is None:
            found = _Known(AutomationState(self._folder / f"{workspace.id}.json"))
            self._known[workspace.id] = found
        return found


def _forget(state: AutomationState, file: AutomationFile) -> bool:
    """Drop the records of automations that are gone; whether there were any."""
    kept = {each.id for each in file.items}
    records = state.records()
    gone = [key for key, each in records.items() if key not in kept and each.running is None]
    for key in gone:
        del records[key]
    return bool(gone)
