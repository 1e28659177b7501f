"""Large answers are shaped once, and nobody gets what was made for another."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from openwork.server.answer_cache import LEAST_KEPT_BYTES, ShapedAnswers
from openwork.server.engine_answers import without_secrets

FILLER = ["m"] * (LEAST_KEPT_BYTES // 4)


def answer(**fields):
    return json.dumps({**fields, "models": FILLER}).encode()


class Counted:
    def __init__(self, kept_bytes=1 << 30):
        self.made = []
        self.answers = ShapedAnswers(self._shape, kept_bytes=kept_bytes)

    def _shape(self, raw):
        self.made.append(raw)
        return without_secrets(raw)


def test_the_same_answer_is_shaped_once_also_for_many_at_a_time():
    each = Counted()
    raw = answer(apiKey="CANARY")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(each.answers.shaped, [bytes(raw) for _ in range(16)]))
    assert len(each.made) == 1
    assert set(found) == {without_secrets(raw)}
    assert b"CANARY" not in found[0]


def test_two_engines_answers_are_two_however_alike():
    each = Counted()
    one, other = answer(id="a", apiKey="k1"), answer(id="b", apiKey="k1")
    same_when_shaped = answer(id="a", apiKey="k2")
    for raw in (one, other, same_when_shaped, one, other):
        assert each.answers.shaped(raw) == without_secrets(raw)
    assert each.made == [one, other, same_when_shaped]


def test_what_is_kept_is_bounded_and_the_least_lately_used_goes():
    raws = [answer(id=n) for n in range(3)]
    size = len(without_secrets(raws[0]))
    each = Counted(kept_bytes=2 * size)
    for number in (0, 1, 0, 2, 0, 1):
        each.answers.shaped(raws[number])
    assert each.made == [raws[0], raws[1], raws[2], raws[1]]
    nothing = Counted(kept_bytes=size - 1)
    for _ in range(2):
        nothing.answers.shaped(raws[0])
    assert len(nothing.made) == 2


def test_small_answers_and_those_that_cannot_be_shaped_are_not_kept():
    each = Counted()
    for _ in range(2):
        assert each.answers.shaped(b'{"apiKey":"k"}') == b'{"apiKey":"***"}'
        with pytest.raises(ValueError, match="Expecting"):
            each.answers.shaped(b"x" * LEAST_KEPT_BYTES)
    assert len(each.made) == 4
