"""Token guessing is slowed down, and only that."""

from __future__ import annotations

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server.guesses import WINDOW_S, Guesses, network

GUESSER, OTHER = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def guesses(clock):
    return Guesses(3, clock)


def refusal(guesses, address, digest="unknown"):
    try:
        guesses.check(address, digest)
    except OpenWorkError as error:
        return error
    return None


def refused_for_s(guesses, address, digest="unknown"):
    error = refusal(guesses, address, digest)
    return error.details["retryAfterSeconds"] if error else 0


def fail(guesses, address, times):
    for _ in range(times):
        guesses.check(address, "wrong")
        guesses.wrong(address)


def test_an_address_that_keeps_failing_waits_and_may_try_again_later(guesses, clock):
    fail(guesses, GUESSER, 2)
    assert refused_for_s(guesses, GUESSER) == 0
    clock.now += 10
    fail(guesses, GUESSER, 1)
    assert refused_for_s(guesses, GUESSER) == WINDOW_S - 10
    assert refused_for_s(guesses, OTHER) == 0
    error = refusal(guesses, GUESSER)
    assert error is not None
    assert (error.code, error.status) == ("too_many_attempts", 429)
    clock.now += WINDOW_S - 10
    assert refused_for_s(guesses, GUESSER) == 0
    assert (guesses.failed, guesses.refused) == (3, 2)


def test_within_any_minute_no_more_than_the_limit_is_looked_at(guesses, clock):
    looked_at = []
    for _ in range(600):
        clock.now += 0.5
        if refused_for_s(guesses, GUESSER) == 0:
            looked_at.append(clock.now)
            guesses.wrong(GUESSER)
    assert len(looked_at) > 3, "it may try again"
    assert all(
        later - first >= WINDOW_S
        for first, later in zip(looked_at[:-3], looked_at[3:], strict=True)
    )


def test_who_was_right_before_never_waits_until_the_token_is_revoked(guesses):
    guesses.right(GUESSER, "good")
    fail(guesses, GUESSER, 3)
    assert refused_for_s(guesses, GUESSER, "good") == 0
    assert refused_for_s(guesses, GUESSER) > 0
    guesses.forget("good")
    assert refused_for_s(guesses, GUESSER, "good") > 0


def test_no_limit(clock):
    guesses = Guesses(0, clock)
    fail(guesses, GUESSER, 100)
    assert refused_for_s(guesses, GUESSER) == 0
    assert guesses.failed == 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "not an address", False),
    ],
)
def test_what_counts_as_one_address(one, other, same):
    assert (network(one) == network(other)) is same


def test_pages_of_other_origins_are_counted_apart_and_slowed_down_as_well(guesses):
    for _ in range(3):
        guesses.wrong(GUESSER, foreign_page=True)
    assert refused_for_s(guesses, GUESSER) == 0
    with pytest.raises(OpenWorkError):
        guesses.check(GUESSER, "unknown", foreign_page=True)
    guesses.check(OTHER, "unknown", foreign_page=True)
    fail(guesses, GUESSER, 3)
    assert refused_for_s(guesses, GUESSER) > 0
