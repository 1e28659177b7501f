"""Schedules, moments and log lines as people write and read them at the command line."""

from __future__ import annotations

import time

import pytest

from openwork.cli import automation_words as words
from openwork.common.errors import UsageError
from openwork.workspace.schedules import Daily, Interval, Weekly


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("every", "daily", "weekly", "expected"),
    [
        ("2h", None, None, Interval(7200)),
        ("90m", None, None, Interval(5400)),
        ("90 min", None, None, Interval(5400)),
        ("60S", None, None, Interval(60)),
        ("1w", None, None, Interval(604_800)),
        (None, "08:30", None, Daily(8, 30)),
        (None, "8:30", None, Daily(8, 30)),
        (None, None, ("mon", "09:00"), Weekly(1, 9, 0)),
        (None, None, ("Sunday", "23:59"), Weekly(7, 23, 59)),
        (None, None, ("WEDNES", "0:00"), Weekly(3, 0, 0)),
    ],
)
def test_a_schedule_as_people_say_it(every, daily, weekly, expected):
    assert words.read_schedule(every, daily, weekly) == expected


@pytest.mark.parametrize(
    ("every", "daily", "weekly", "named"),
    [
        (None, None, None, "Say when"),
        ("2h", "08:30", None, "Say when"),
        ("30s", None, None, "--every 30s"),
        ("8d", None, None, "--every 8d"),
        ("2", None, None, "--every 2"),
        ("two hours", None, None, "--every two hours"),
        (None, "24:00", None, "--daily 24:00"),
        (None, "8", None, "--daily 8"),
        (None, None, ("mo", "09:00"), "--weekly mo"),
        (None, None, ("monday!", "09:00"), "--weekly monday!"),
        (None, None, ("mon", "9"), "--weekly 9"),
    ],
)
def test_what_says_no_schedule_is_a_usage_error_with_an_example(every, daily, weekly, named):
    with pytest.raises(UsageError) as caught:
        words.read_schedule(every, daily, weekly)
    assert named in caught.value.message
    assert caught.value.hint


def test_moments_are_shown_on_this_machines_clock(berlin):
    assert words.describe_moment(1_774_769_400_000) == "Sun 2026-03-29 09:30"
    assert words.describe_moment(None) == "never"


def test_a_log_line_for_people(berlin):
    entry = {"time": "2026-11-21T09:00:00+00:00", "outcome": "failed", "durationMs": 61_250,
             "sessionId": "ses_1", "message": "no\x1b[31m\nway"}  # fmt: skip
    shown = words.describe_entry(entry)
    assert shown.split() == [
        "2026-11-21",
        "10:00",
        "failed",
        "61.2",
        "s",
        "ses_1",
        "no",
        "[31m",
        "way",
    ]
    assert "\x1b" not in shown
    assert words.describe_entry({"time": 5, "outcome": None}).startswith("5")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Weekly report", "weekly-report"),
        ("  A/B & C ", "a-b-c"),
        ("Tägliche Grüße", "tagliche-grusse"),
        ("日報", None),
        ("x" * 99, "x" * 80),
    ],
)
def test_an_id_is_made_from_the_name(name, expected):
    assert words.slug(name) == expected


def test_a_schedule_of_a_newer_server_is_shown_as_it_is():
    assert words.describe_schedule({"kind": "monthly"}) == "{'kind': 'monthly'}"
    assert (
        words.describe_schedule({"kind": "daily", "hour": 8, "minute": 5}) == "every day at 08:05"
    )
