"""Which runs are due, which were missed, and when to look again. Decisions are pure."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from openwork.workspace.schedules import latest_run, next_run

if TYPE_CHECKING:
    from datetime import tzinfo

    from openwork.workspace.schedules import Schedule

# A restart or a nap of the machine makes a run late; later than this it is missed.
GRACE = timedelta(seconds=60)
# Timers stand still while a machine sleeps, clocks are set, and files are edited: look this often.
LONGEST_WAIT_S = 30.0
# Waking a little early would find nothing due and wait again for nothing.
SHORTEST_WAIT_S = 0.01

# Where a system tells its zone when the variable TZ does not.
ZONE_FILES = ("/etc/localtime", "/etc/timezone")

logger = logging.getLogger(__name__)


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """The wall clock, aware."""
        ...

    def zone(self) -> tzinfo:
        """The host's time zone as it is now."""
        ...

    async def wait(self, wake: asyncio.Event, seconds: float) -> None:
        """Return after ``seconds``, or when ``wake`` is set."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def zone(self) -> tzinfo:
        """The host's time zone, read again: a machine that travels changes it."""
        return local_zone()

    async def wait(self, wake: asyncio.Event, seconds: float) -> None:
        """Return after ``seconds``, or when ``wake`` is set."""
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return


def local_zone() -> tzinfo:
    """The host's time zone with its rules for summer time; UTC when the host does not tell it."""
    return _zone(os.environ.get("TZ", ""), *map(_changed_ns, ZONE_FILES))


@lru_cache(maxsize=1)
def _zone(*_told_by: str | int) -> tzinfo:
    """Found out again only when what tells it has changed: that reads and warns anew each time."""
    import tzlocal  # noqa: PLC0415  # only servers with automations need it

    try:
        return tzlocal.reload_localzone()
    except (LookupError, ValueError, OSError) as error:
        reason = str(error).strip()
        logger.warning("automations run in UTC, the time zone is not known (%s): set TZ", reason)
        return UTC


def _changed_ns(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def zone_name(zone: tzinfo) -> str:
    """``Europe/Berlin``, or what else tells zones apart."""
    return str(getattr(zone, "key", None) or zone)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one automation waits for.

    Attributes:
        schedule: The schedule it was made from.
        zone: The name of the zone it was made in.
        anchor: When the schedule began; intervals are counted from it.
        next: The next run.
    """

    schedule: Schedule
    zone: str
    anchor: datetime
    next: datetime


@dataclass(frozen=True, slots=True)
class Missed:
    """Runs that did not happen.

    Attributes:
        first: The moment of the first.
        last: The moment of the last.
        count: How many.
    """

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do for one automation now.

    Attributes:
        plan: What it waits for from now on.
        due: The moment of the run to begin now, None for none.
        missed: What is to be recorded as missed, None for nothing.
    """

    plan: Plan
    due: datetime | None = None
    missed: Missed | None = None


def decide(plan: Plan | None, schedule: Schedule, now: datetime, zone: tzinfo) -> Decision:
    """What is due now, and what comes next.

    Args:
        plan: What was planned before, None for a new automation.
        schedule: Its schedule; a changed one begins anew and has missed nothing.
        now: The wall clock.
        zone: The host's zone.
    """
    if plan is None or plan.schedule != schedule:
        anchor = now.replace(microsecond=0)
        following = next_run(schedule, now, zone, anchor)
        return Decision(Plan(schedule, zone_name(zone), anchor, following))
    coming = replace(plan, zone=zone_name(zone), next=next_run(schedule, now, zone, plan.anchor))
    if plan.next > now:
        return Decision(coming if _is_astray(plan, coming, zone) else plan)
    latest, count = latest_run(schedule, plan.next, now, zone, plan.anchor)
    if now - latest > GRACE:
        return Decision(coming, missed=Missed(plan.next, latest, count))
    if count == 1:
        return Decision(coming, due=latest)
    # The last one can still run; those before it can not.
    before = _run_before(plan, latest, zone)
    return Decision(coming, due=latest, missed=Missed(plan.next, before, count - 1))


def wait_s(plans: list[Plan], now: datetime) -> float:
    """Seconds until something can be due, never longer than ``LONGEST_WAIT_S``."""
    soonest = min((each.next for each in plans), default=None)
    if soonest is None:
        return LONGEST_WAIT_S
    return min(max((soonest - now).total_seconds(), SHORTEST_WAIT_S), LONGEST_WAIT_S)


def _is_astray(plan: Plan, coming: Plan, zone: tzinfo) -> bool:
    """Whether a plan for the future no longer fits: another zone, or a clock set far back.

    After a clock was set back a little the plan holds: what ran already must not run again.
    """
    if plan.zone != coming.zone:
        return True
    return plan.next > next_run(plan.schedule, coming.next, zone, plan.anchor)


def _run_before(plan: Plan, latest: datetime, zone: tzinfo) -> datetime:
    """The run before ``latest``, of those from ``plan.next`` on."""
    return latest_run(
        plan.schedule, plan.next, latest - timedelta(microseconds=1), zone, plan.anchor
    )[0]
