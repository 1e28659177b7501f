"""What is due, what was missed, and what a clock that is set does to it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.server.automation_clock import (
    GRACE,
    LONGEST_WAIT_S,
    Plan,
    SystemClock,
    decide,
    local_zone,
    wait_s,
)
from openwork.workspace.schedules import (
    Daily,
    Interval,
    Schedule,
    Weekly,
    latest_run,
    next_run,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 27, 7, 0, tzinfo=UTC)  # two days before summer time; 08:00 in Berlin
MORNING = Daily(8, 30)

schedules = st.one_of(
    st.integers(60, 604_800).map(Interval),
    st.builds(Daily, st.integers(0, 23), st.integers(0, 59)),
    st.builds(Weekly, st.integers(1, 7), st.integers(0, 23), st.integers(0, 59)),
)


def planned(schedule: Schedule = MORNING, now=START):
    return decide(None, schedule, now, BERLIN).plan


def at(hours):
    return START + timedelta(hours=hours)


@given(schedules, st.lists(st.integers(1, 400_000), max_size=30))
def test_each_moment_of_a_schedule_is_run_once_or_counted_as_missed(schedule, pauses_s):
    plan, now, seen = planned(schedule), START, 0
    first = plan.next
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        found = decide(plan, schedule, now, BERLIN)
        if found.due is not None:
            assert timedelta(0) <= now - found.due <= GRACE
            seen += 1
        if found.missed is not None:
            assert found.missed.first == plan.next
            assert found.missed.last < (found.due or now)
            seen += found.missed.count
        plan = found.plan
        assert plan.next > now
    if now >= first:
        assert seen == latest_run(schedule, first, now, BERLIN, plan.anchor)[1]
    else:
        assert seen == 0


def test_a_new_schedule_has_missed_nothing_and_its_interval_begins_now():
    assert decide(None, MORNING, START, BERLIN).plan.next == at(0.5)
    found = decide(None, Interval(7200), START, BERLIN)
    assert (found.due, found.missed, found.plan.next) == (None, None, at(2))


def test_a_changed_schedule_is_planned_anew_even_when_the_old_one_was_due():
    found = decide(planned(), Daily(20, 0), at(5), BERLIN)
    assert (found.due, found.missed, found.plan.next) == (None, None, at(12))


def test_what_is_a_little_late_runs_and_what_is_later_is_missed():
    plan = planned()
    assert decide(plan, MORNING, plan.next + GRACE, BERLIN).due == plan.next
    late = decide(plan, MORNING, plan.next + GRACE + timedelta(seconds=1), BERLIN)
    assert late.due is None
    assert late.missed is not None
    assert (late.missed.first, late.missed.last, late.missed.count) == (plan.next, plan.next, 1)


def test_a_long_absence_is_one_stretch_of_missed_runs():
    found = decide(planned(), MORNING, at(24 * 10), BERLIN)
    assert found.due is None
    assert found.missed is not None
    assert found.missed.count == 11  # ten days, and summer time brought the last one forward
    assert found.plan.next > at(24 * 10)


def test_after_an_absence_the_run_that_is_due_just_now_still_runs():
    every_minute = Interval(60)
    found = decide(planned(every_minute), every_minute, at(1), BERLIN)
    assert found.due == at(1)
    assert found.missed is not None
    assert found.missed.count == 59


def test_a_clock_set_back_a_little_runs_nothing_twice():
    plan = planned()
    after = decide(plan, MORNING, plan.next, BERLIN)
    assert after.due == plan.next
    back = decide(after.plan, MORNING, at(0), BERLIN)
    assert (back.due, back.plan) == (None, after.plan)


def test_a_clock_that_was_years_ahead_does_not_stop_the_schedule():
    ahead = decide(planned(), MORNING, at(24 * 365 * 4), BERLIN)
    back = decide(ahead.plan, MORNING, START, BERLIN)
    assert (back.due, back.missed, back.plan.next) == (None, None, at(0.5))


def test_a_machine_that_travels_keeps_the_time_of_its_new_zone():
    plan = planned()
    moved = decide(plan, MORNING, START, ZoneInfo("America/New_York"))
    assert moved.due is None
    assert moved.plan.next == datetime(2026, 3, 27, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead_s", "expected_s"), [(5, 5), (3600, LONGEST_WAIT_S), (-5, 0.01), (0, 0.01)]
)
def test_the_clock_is_read_again_at_most_thirty_seconds_later_and_never_in_a_busy_loop(
    ahead_s, expected_s
):
    plan = Plan(MORNING, "Europe/Berlin", START, START + timedelta(seconds=ahead_s))
    later = Plan(MORNING, "Europe/Berlin", START, next_run(MORNING, at(48), BERLIN, START))
    assert wait_s([later, plan], START) == expected_s
    assert wait_s([], START) == LONGEST_WAIT_S


async def test_the_hosts_clock_waits_for_time_or_for_news():
    clock, wake = SystemClock(), asyncio.Event()
    before = clock.now()
    await clock.wait(wake, 0.001)
    assert clock.now() > before
    wake.set()
    async with asyncio.timeout(10):
        await clock.wait(wake, 3600)


def test_the_hosts_zone_is_the_one_of_its_environment(monkeypatch, caplog):
    monkeypatch.setenv("TZ", "Australia/Lord_Howe")
    assert local_zone() == ZoneInfo("Australia/Lord_Howe")
    monkeypatch.setenv("TZ", "Nowhere/Atall")
    assert local_zone() is UTC
    assert "Nowhere/Atall" in caplog.text
