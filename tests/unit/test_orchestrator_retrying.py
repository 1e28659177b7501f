"""How long a task waits for a model that does not answer."""

from __future__ import annotations

from openwork.orchestrator.retrying import Patience, Retry


def retrying(attempt):
    return {"type": "retry", "attempt": attempt, "message": "no network", "next": 0}


def test_each_failure_is_told_once():
    patience = Patience()
    assert patience.note({"type": "busy"}) is None
    assert patience.note(retrying(1)) == Retry(1, "no network")
    assert patience.note(retrying(1)) is None
    assert patience.note(retrying(2)) == Retry(2, "no network")


def test_it_ends_after_some_attempts():
    patience = Patience(most_attempts=2)
    patience.note(retrying(1))
    assert not patience.exhausted
    patience.note(retrying(2))
    assert patience.exhausted
    told = patience.explain("dead/model")
    assert told == "the model dead/model cannot be reached (2 attempts): no network"


def test_it_ends_after_some_time_however_long_the_pause_is():
    now = [100.0]
    patience = Patience(longest_s=60, clock=lambda: now[0])
    assert not patience.exhausted
    patience.note(retrying(1))
    now[0] += 59
    assert not patience.exhausted
    now[0] += 1
    assert patience.exhausted


def test_an_answer_starts_the_count_anew():
    now = [0.0]
    patience = Patience(longest_s=60, clock=lambda: now[0])
    patience.note(retrying(1))
    now[0] += 50
    patience.answered()
    patience.note(retrying(1))
    now[0] += 50
    assert not patience.exhausted
