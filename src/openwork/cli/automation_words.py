"""Schedules, moments and log lines of automations, as people write and read them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError, UsageError
from openwork.workspace.schedules import WEEKDAYS, Daily, Interval, Weekly, parse_schedule

if TYPE_CHECKING:
    from openwork.workspace.schedules import Schedule

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,9}) ?(s|m|min|h|d|w)", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def read_schedule(every: str | None, daily: str | None, weekly: tuple[str, str] | None) -> Schedule:
    """The schedule that the options say: exactly one of them.

    Args:
        every: ``2h``, ``90m``, ``1d``.
        daily: ``08:30``.
        weekly: ``("mon", "09:00")``.

    Raises:
        UsageError: None or several are given, or one that says no schedule.
    """
    given = [each for each in (every, daily, weekly) if each is not None]
    if len(given) != 1:
        raise UsageError(
            "Say when it runs, once.", hint="Add --every 2h, --daily 08:30 or --weekly mon 09:00."
        )
    if every is not None:
        return _interval(every)
    if daily is not None:
        return Daily(*_clock(daily, "--daily"))
    day, clock = weekly or ("", "")
    return Weekly(_weekday(day), *_clock(clock, "--weekly"))


def describe_schedule(value: object) -> str:
    """``every day at 08:30``; a schedule of a newer server as it is."""
    try:
        return parse_schedule(value).describe()
    except OpenWorkError:
        return plain(str(value))


def describe_moment(ms: int | None) -> str:
    """``Sun 2026-11-22 08:30`` on this machine's clock; ``never`` for None."""
    if ms is None:
        return "never"
    return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone():%a %Y-%m-%d %H:%M}"


def describe_entry(entry: dict[str, Any]) -> str:
    """One line of a log: when, what, how long, in which session, why."""
    parts = [_moment_of(entry.get("time")), f"{plain(str(entry.get('outcome', ''))):17}"]
    duration_ms = entry.get("durationMs")
    parts.append(f"{duration_ms / 1000:8.1f} s" if isinstance(duration_ms, int) else " " * 10)
    parts += [plain(str(entry[key])) for key in ("sessionId", "message") if entry.get(key)]
    return "  ".join(parts).rstrip()


def slug(name: str) -> str | None:
    """An id made from a name: ``Wöchentlich neu`` → ``wochentlich-neu``; None when nothing is left.

    Letters lose their accents, and what is no letter or digit becomes a hyphen.
    """
    plain_letters = unicodedata.normalize("NFKD", name.replace("ß", "ss").lower())
    kept = "".join(each for each in plain_letters if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:80].strip("-") or None


def plain(text: str) -> str:
    """``text`` on one line, without what would steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _interval(text: str) -> Interval:
    found = _SPAN.fullmatch(text.strip())
    seconds = int(found[1]) * _UNITS_S[found[2].lower()] if found else 0
    try:
        parse_schedule(Interval(seconds).to_json())
    except OpenWorkError as error:
        raise UsageError(
            f"--every {text}: give a span from 1 minute to 7 days.",
            hint="For example: --every 90m, --every 2h, --every 1d",
        ) from error
    return Interval(seconds)


def _clock(text: str, option: str) -> tuple[int, int]:
    found = _CLOCK.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise UsageError(
            f"{option} {text}: give a time of day from 00:00 to 23:59.",
            hint="For example: --daily 08:30 or --weekly mon 09:00",
        )
    return int(found[1]), int(found[2])


def _weekday(text: str) -> int:
    wanted = text.strip().lower()
    for number, name in enumerate(WEEKDAYS, 1):
        if len(wanted) >= 3 and name.lower().startswith(wanted):
            return number
    raise UsageError(
        f"--weekly {text}: give a day of the week.",
        hint="One of mon, tue, wed, thu, fri, sat, sun; then the time: --weekly mon 09:00",
    )


def _moment_of(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return plain(str(text))
