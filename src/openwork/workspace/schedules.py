"""When an automation runs: an interval, a time of every day, or a time of one weekday. No I/O.

Source of the wire form: ``{kind: "interval", seconds}``, ``{kind: "daily", hour, minute}``,
``{kind: "weekly", weekday, hour, minute}``; weekdays as in ISO 8601, 1 is Monday and 7 is Sunday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from datetime import tzinfo

LEAST_INTERVAL_S = 60
MOST_INTERVAL_S = 7 * 24 * 3600
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every ``seconds`` of elapsed time, whatever is done to the clocks of the zone."""

    seconds: int

    def to_json(self) -> dict[str, Any]:
        """``{kind, seconds}``."""
        return {"kind": "interval", "seconds": self.seconds}

    def describe(self) -> str:
        """``every 2 h``."""
        for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
            if self.seconds % unit_s == 0:
                return f"every {self.seconds // unit_s} {unit}"
        return f"every {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Daily:
    """At a time of every day."""

    hour: int
    minute: int

    def to_json(self) -> dict[str, Any]:
        """``{kind, hour, minute}``."""
        return {"kind": "daily", "hour": self.hour, "minute": self.minute}

    def describe(self) -> str:
        """``every day at 08:30``."""
        return f"every day at {self.hour:02}:{self.minute:02}"


@dataclass(frozen=True, slots=True)
class Weekly:
    """At a time of one weekday, 1 (Monday) to 7 (Sunday)."""

    weekday: int
    hour: int
    minute: int

    def to_json(self) -> dict[str, Any]:
        """``{kind, weekday, hour, minute}``."""
        at: dict[str, Any] = {"hour": self.hour, "minute": self.minute}
        return {"kind": "weekly", "weekday": self.weekday, **at}

    def describe(self) -> str:
        """``every Monday at 09:00``."""
        return f"every {WEEKDAYS[self.weekday - 1]} at {self.hour:02}:{self.minute:02}"


Schedule = Interval | Daily | Weekly


def parse_schedule(value: object) -> Schedule:
    """The schedule that a JSON value stands for; fields it does not know are ignored.

    Raises:
        OpenWorkError: ``invalid_payload`` 400 naming the field.
    """
    if not isinstance(value, dict):
        raise _invalid("schedule must be an object with a kind.")
    fields = cast("dict[str, object]", value)
    kind = fields.get("kind")
    if kind == "interval":
        return Interval(_whole(fields, "seconds", LEAST_INTERVAL_S, MOST_INTERVAL_S))
    if kind == "daily":
        return Daily(_whole(fields, "hour", 0, 23), _whole(fields, "minute", 0, 59))
    if kind == "weekly":
        weekday = _whole(fields, "weekday", 1, 7)
        return Weekly(weekday, _whole(fields, "hour", 0, 23), _whole(fields, "minute", 0, 59))
    raise _invalid("schedule.kind must be interval, daily or weekly.")


def next_run(schedule: Schedule, after: datetime, zone: tzinfo, anchor: datetime) -> datetime:
    """The first moment later than ``after`` at which it runs, in UTC.

    A time that the clocks skip runs at the first moment after the gap; one that they show twice
    runs the first time. On a day that a zone leaves out altogether nothing runs daily, and what
    would run weekly runs at the first moment after it.

    Args:
        schedule: When.
        after: Any aware time.
        zone: The host's time zone.
        anchor: When the schedule began: intervals are counted from it.
    """
    if isinstance(schedule, Interval):
        step = timedelta(seconds=schedule.seconds)
        passed = after.astimezone(UTC) - anchor.astimezone(UTC)
        return after.astimezone(UTC) + step - passed % step
    # A run moved out of a gap at midnight can belong to the day, or the left-out day, before.
    day = after.astimezone(zone).date() - 2 * _DAY
    while True:
        day += _DAY
        found = _moment(schedule, day, zone)
        if found is not None and found > after:
            return found


def latest_run(
    schedule: Schedule, first: datetime, now: datetime, zone: tzinfo, anchor: datetime
) -> tuple[datetime, int]:
    """The last moment of ``first`` to ``now`` at which it ran or should have, and how many in all.

    Args:
        schedule: When.
        first: One of its moments, not later than ``now``.
        now: Any aware time.
        zone: The host's time zone.
        anchor: As for ``next_run``.
    """
    if isinstance(schedule, Interval):
        count = (now - first) // timedelta(seconds=schedule.seconds)
        return first + count * timedelta(seconds=schedule.seconds), count + 1
    latest, count = first, 1
    while (following := next_run(schedule, latest, zone, anchor)) <= now:
        latest, count = following, count + 1
    return latest, count


def _moment(schedule: Daily | Weekly, day: date, zone: tzinfo) -> datetime | None:
    if isinstance(schedule, Weekly) and day.isoweekday() != schedule.weekday:
        return None
    if isinstance(schedule, Daily) and _first_moment(day, time(0), zone)[1] != day:
        return None  # the day was left out; the next one has a run of its own
    return _first_moment(day, time(schedule.hour, schedule.minute), zone)[0]


def _first_moment(day: date, clock: time, zone: tzinfo) -> tuple[datetime, date]:
    """When the zone's clocks first show at least that time, in UTC, and the date they show then."""
    wanted = datetime.combine(day, clock)
    found = wanted.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != wanted:
        found = _end_of_gap(wanted, zone)
    return found, found.astimezone(zone).date()


def _end_of_gap(wanted: datetime, zone: tzinfo) -> datetime:
    """The moment the clocks were put forward over ``wanted``."""
    # In a gap the later offset gives a moment before the change, the earlier one a moment after.
    before = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wanted.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // (2 * _SECOND))
        if middle.astimezone(zone).replace(tzinfo=None) < wanted:
            before = middle
        else:
            after = middle
    return after


def _whole(fields: dict[str, object], name: str, least: int, most: int) -> int:
    value = fields.get(name)
    # JSON's true and false are no numbers, though Python's bool is an int.
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _invalid(f"schedule.{name} must be a whole number from {least} to {most}.")
    return value


def _invalid(message: str) -> OpenWorkError:
    return OpenWorkError("invalid_payload", message, status=400)
