"""What a restart must not forget of automations: ``<data dir>/automations/<workspace id>.json``.

``{schemaVersion: 1, items: {ID: {plan?, running?, lastRunAt?, lastRunSessionId?, lastOutcome?}}}``,
times in milliseconds since the epoch. It is this host's, not the workspace's: the same folder on
another machine has plans of its own. One process owns the folder.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import StrictInt, ValidationError

from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object, write_private_json
from openwork.server.automation_clock import Plan
from openwork.server.wire import WireModel
from openwork.workspace.schedules import parse_schedule

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(value: int) -> datetime:
    """A moment in UTC."""
    return EPOCH + timedelta(milliseconds=value)


@dataclass(frozen=True, slots=True)
class Running:
    """A run that has begun.

    Attributes:
        run: Its id.
        trigger: What asked for it.
        started: When.
        planned: The moment it was due, None for a manual run.
        session_id: The engine's session, None before there is one.
    """

    run: str
    trigger: Literal["schedule", "manual"]
    started: datetime
    planned: datetime | None = None
    session_id: str | None = None


@dataclass(slots=True)
class Record:
    """What is known of one automation.

    Attributes:
        plan: What it waits for; None while it is disabled or not seen yet.
        running: The run that goes on, None when none does.
        last_run: When it ran last.
        last_session_id: The session of that run.
        last_outcome: What became of it.
    """

    plan: Plan | None = None
    running: Running | None = None
    last_run: datetime | None = None
    last_session_id: str | None = None
    last_outcome: str | None = None


class AutomationState:
    """The records of one workspace, in memory and on disk.

    Attributes:
        logging: Held while a line is added to one of the workspace's logs.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.logging = asyncio.Lock()
        self._path = path
        self._records: dict[str, Record] | None = None
        self._writing = asyncio.Lock()

    def records(self) -> dict[str, Record]:
        """By automation id; read from disk once.

        Raises:
            OpenWorkError: ``file_damaged`` or ``file_unreadable``; the file is left as it is.
        """
        if self._records is None:
            self._records = _read(self._path)
        return self._records

    def record(self, automation_id: str) -> Record:
        """One automation's record, an empty one for a new automation. Errors as ``records``."""
        return self.records().setdefault(automation_id, Record())

    async def save(self) -> None:
        """Make the records durable.

        Raises:
            OSError: They cannot be written.
        """
        # A write that has begun ends in its turn, also when whoever asked for it is cancelled.
        await asyncio.shield(asyncio.create_task(self._save()))

    async def _save(self) -> None:
        async with self._writing:
            stored = _File(items={key: _stored(each) for key, each in self.records().items()})
            value = stored.model_dump(by_alias=True, exclude_none=True)
            await asyncio.to_thread(write_private_json, self._path, value)


class _Plan(WireModel):
    schedule: dict[str, Any]
    zone: str
    anchor_at: StrictInt
    next_run_at: StrictInt


class _Running(WireModel):
    run: str
    trigger: Literal["schedule", "manual"]
    started_at: StrictInt
    planned_at: StrictInt | None = None
    session_id: str | None = None


class _Record(WireModel):
    plan: _Plan | None = None
    running: _Running | None = None
    last_run_at: StrictInt | None = None
    last_run_session_id: str | None = None
    last_outcome: str | None = None


class _File(WireModel):
    schema_version: int = 1
    items: dict[str, _Record]


def _read(path: Path) -> dict[str, Record]:
    value = read_json_object(path)
    if value is None:
        return {}
    try:
        return {key: _record(each) for key, each in _File.model_validate(value).items.items()}
    except (ValidationError, OverflowError, OpenWorkError) as error:
        raise OpenWorkError(
            "file_damaged",
            f"{path} is damaged: {error}",
            hint="Move it away: automations are then planned afresh. Nothing was changed.",
        ) from error


def _record(found: _Record) -> Record:
    record = Record(
        last_run=_moment(found.last_run_at),
        last_session_id=found.last_run_session_id,
        last_outcome=found.last_outcome,
    )
    if (plan := found.plan) is not None:
        anchor, following = from_ms(plan.anchor_at), from_ms(plan.next_run_at)
        record.plan = Plan(parse_schedule(plan.schedule), plan.zone, anchor, following)
    if (run := found.running) is not None:
        started, planned = from_ms(run.started_at), _moment(run.planned_at)
        record.running = Running(run.run, run.trigger, started, planned, run.session_id)
    return record


def _stored(record: Record) -> _Record:
    plan, run = record.plan, record.running
    return _Record(
        plan=plan
        and _Plan(
            schedule=plan.schedule.to_json(),
            zone=plan.zone,
            anchor_at=to_ms(plan.anchor),
            next_run_at=to_ms(plan.next),
        ),
        running=run
        and _Running(
            run=run.run,
            trigger=run.trigger,
            started_at=to_ms(run.started),
            planned_at=run.planned and to_ms(run.planned),
            session_id=run.session_id,
        ),
        last_run_at=record.last_run and to_ms(record.last_run),
        last_run_session_id=record.last_session_id,
        last_outcome=record.last_outcome,
    )


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_ms(value)
