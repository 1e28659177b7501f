"""When automations run: intervals, days, weeks, and what the zones' clocks do to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.schedules import (
    Daily,
    Interval,
    Weekly,
    latest_run,
    next_run,
    parse_schedule,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
         "America/Nuuk", "Asia/Kolkata", "UTC")  # fmt: skip
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.integers(0, 60 * 365 * 86_400).map(lambda s: EPOCH + timedelta(seconds=s))
intervals = st.integers(60, 604_800).map(Interval)
dailies = st.builds(Daily, st.integers(0, 23), st.integers(0, 59))
weeklies = st.builds(Weekly, st.integers(1, 7), st.integers(0, 23), st.integers(0, 59))
# Two days before or after a change of the clocks, where the interesting things happen.
changes = st.sampled_from(
    [
        datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin, forward; Nuuk, forward over midnight
        datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin, back
        datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York, forward
        datetime(2026, 11, 1, 6, tzinfo=UTC),  # New York, back
        datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, back half an hour
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe, forward half an hour
        datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out 30 December 2011
    ]
)
near = st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes), changes, st.integers(-2880, 2880)
)
afters = st.one_of(moments, near)


def runs(schedule, after, zone, count, anchor=EPOCH):
    found = []
    for _ in range(count):
        after = next_run(schedule, after, zone, anchor)
        found.append(after)
    return found


def at(zone, *fields):
    return datetime(*fields, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def local(moment, zone):
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(" ", "minutes")


@given(st.one_of(intervals, dailies, weeklies), afters, zones, moments)
def test_runs_lie_in_the_future_and_each_is_later_than_the_one_before(
    schedule, after, zone, anchor
):
    found = runs(schedule, after, zone, 4, anchor)
    assert all(earlier < later for earlier, later in pairwise([after, *found]))


@given(intervals, afters, zones, moments)
def test_an_interval_is_elapsed_time_counted_from_its_anchor(schedule, after, zone, anchor):
    step = timedelta(seconds=schedule.seconds)
    first, *rest = runs(schedule, after, zone, 5, anchor)
    assert first - after <= step
    assert (first - anchor) % step == timedelta(0)
    assert all(later - earlier == step for earlier, later in pairwise([first, *rest]))


@given(dailies, afters, st.sampled_from(ZONES[:4]).map(ZoneInfo))
def test_a_day_has_one_daily_run_and_no_day_that_exists_has_none(schedule, after, zone):
    days = [run.astimezone(zone).date() for run in runs(schedule, after, zone, 6)]
    for earlier, later in pairwise(days):
        skipped = zone.key == "Pacific/Apia" and earlier.isoformat() == "2011-12-29"
        assert later - earlier == timedelta(days=2 if skipped else 1)


@given(dailies, afters, zones)
def test_a_daily_run_shows_its_time_or_the_first_one_after_a_gap(schedule, after, zone):
    for run in runs(schedule, after, zone, 4):
        shown = run.astimezone(zone)
        if (shown.hour, shown.minute) != (schedule.hour, schedule.minute):
            just_before = (run - timedelta(seconds=1)).astimezone(zone)
            assert shown.utcoffset() > just_before.utcoffset()
            wanted = just_before.replace(hour=schedule.hour, minute=schedule.minute, second=0)
            assert just_before.replace(tzinfo=None) < wanted.replace(tzinfo=None)
            assert wanted.replace(tzinfo=None) < shown.replace(tzinfo=None)


@given(dailies, afters, zones)
def test_a_time_that_comes_twice_runs_the_first_time(schedule, after, zone):
    for run in runs(schedule, after, zone, 4):
        assert run.astimezone(zone).fold == 0


@given(weeklies, afters, zones)
def test_a_weekly_run_comes_once_a_week_on_its_day(schedule, after, zone):
    found = runs(schedule, after, zone, 4)
    for earlier, later in pairwise(found):
        # A change of the clocks, or a left-out day, may move it by that much.
        assert abs(later - earlier - timedelta(days=7)) <= timedelta(hours=24)
    for run in found:
        shown = run.astimezone(zone)
        just_before = (run - timedelta(seconds=1)).astimezone(zone)
        moved = just_before.utcoffset() != shown.utcoffset()
        assert shown.isoweekday() == schedule.weekday or moved


@given(st.one_of(intervals, dailies, weeklies), afters, zones, st.integers(0, 40 * 86_400))
@settings(max_examples=50)
def test_the_latest_run_of_a_window_is_the_last_of_its_runs_and_all_are_counted(
    schedule, after, zone, window_s
):
    if isinstance(schedule, Interval):
        schedule = Interval(max(schedule.seconds, 3600))  # few enough to walk through
    first = next_run(schedule, after, zone, EPOCH)
    now = first + timedelta(seconds=window_s)
    walked = [first]
    while (following := next_run(schedule, walked[-1], zone, EPOCH)) <= now:
        walked.append(following)
    assert latest_run(schedule, first, now, zone, EPOCH) == (walked[-1], len(walked))


@pytest.mark.parametrize(
    ("zone", "schedule", "after", "expected"),
    [
        ("Europe/Berlin", Daily(2, 30), (2026, 3, 28, 12),
         ["2026-03-29 03:00", "2026-03-30 02:30"]),
        ("Europe/Berlin", Daily(2, 30), (2026, 10, 24, 12),
         ["2026-10-25 02:30", "2026-10-26 02:30"]),
        ("Europe/Berlin", Weekly(7, 2, 15), (2026, 3, 23),
         ["2026-03-29 03:00", "2026-04-05 02:15"]),
        ("America/New_York", Daily(2, 0), (2026, 3, 7, 12),
         ["2026-03-08 03:00", "2026-03-09 02:00"]),
        ("Australia/Lord_Howe", Daily(2, 15), (2026, 10, 3, 12),
         ["2026-10-04 02:30", "2026-10-05 02:15"]),
        ("Pacific/Apia", Daily(8, 30), (2011, 12, 29, 1),
         ["2011-12-29 08:30", "2011-12-31 08:30"]),
        ("Pacific/Apia", Weekly(5, 8, 30), (2011, 12, 26),
         ["2011-12-31 00:00", "2012-01-06 08:30"]),
        ("America/Nuuk", Daily(23, 30), (2026, 3, 28, 12),
         ["2026-03-29 00:00", "2026-03-29 23:30"]),
        ("Europe/Berlin", Weekly(1, 9, 0), (2026, 6, 1, 9), ["2026-06-08 09:00"]),
    ],
)  # fmt: skip
def test_the_changes_of_the_clocks_of_real_places(zone, schedule, after, expected):
    found = runs(schedule, at(zone, *after), ZoneInfo(zone), len(expected))
    assert [local(run, zone) for run in found] == expected


def test_an_hour_that_comes_twice_has_one_run_by_elapsed_time_too():
    first, second = runs(Daily(2, 30), at("Europe/Berlin", 2026, 10, 24, 12),
                         ZoneInfo("Europe/Berlin"), 2)  # fmt: skip
    assert second - first == timedelta(hours=25)


def test_a_schedule_survives_its_wire_form():
    for value in (
        {"kind": "interval", "seconds": 60},
        {"kind": "daily", "hour": 23, "minute": 59},
        {"kind": "weekly", "weekday": 7, "hour": 0, "minute": 0},
    ):
        assert parse_schedule(value).to_json() == value


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Interval(60), "every 1 min"),
        (Interval(7200), "every 2 h"),
        (Interval(604_800), "every 7 d"),
        (Interval(61), "every 61 s"),
        (Daily(8, 5), "every day at 08:05"),
        (Weekly(1, 9, 0), "every Monday at 09:00"),
        (Weekly(7, 9, 0), "every Sunday at 09:00"),
    ],
)
def test_a_schedule_in_words(schedule, words):
    assert schedule.describe() == words


@pytest.mark.parametrize(
    "value",
    [
        None, "daily", [], {}, {"kind": "monthly"}, {"kind": ["daily"]},
        {"kind": "interval"}, {"kind": "interval", "seconds": 59},
        {"kind": "interval", "seconds": 604_801}, {"kind": "interval", "seconds": 60.5},
        {"kind": "interval", "seconds": True}, {"kind": "interval", "seconds": "60"},
        {"kind": "daily", "hour": 24, "minute": 0}, {"kind": "daily", "hour": 1},
        {"kind": "daily", "hour": 1, "minute": -1}, {"kind": "daily", "hour": 10**400, "minute": 0},
        {"kind": "weekly", "weekday": 0, "hour": 1, "minute": 1},
        {"kind": "weekly", "weekday": 8, "hour": 1, "minute": 1},
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(value):
    with pytest.raises(OpenWorkError) as caught:
        parse_schedule(value)
    assert (caught.value.code, caught.value.status) == ("invalid_payload", 400)
