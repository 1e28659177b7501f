"""What a benchmark returns, and the little statistics it needs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: Baseline and ours take turns this often.
        seconds: Length of one run of the load generator.
        streams: Idle event streams opened at once.
    """

    rounds: int
    seconds: float
    streams: int


FULL = Effort(rounds=7, seconds=1.2, streams=1000)
QUICK = Effort(rounds=2, seconds=0.4, streams=100)


@dataclass(frozen=True)
class Comparison:
    """One figure, measured in pairs: the n-th of ``ours`` right beside the n-th of ``baseline``.

    Attributes:
        id: Stable name; :mod:`benchmarks.bars` refers to it.
        title: What is measured.
        unit: Of both sides.
        baseline_name: What ours stands beside.
        baseline: One value a round.
        ours: One value a round.
    """

    id: str
    title: str
    unit: str
    baseline_name: str
    baseline: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours as a multiple of the baseline, a round each; empty when a baseline is 0."""
        pairs = list(zip(self.ours, self.baseline, strict=True))
        return [ours / base for ours, base in pairs] if all(base for _, base in pairs) else []

    def margin(self, times: float, plus: float) -> float:
        """The median over the rounds of ours less (``times`` x baseline + ``plus``)."""
        pairs = zip(self.ours, self.baseline, strict=True)
        return median(ours - (times * base + plus) for ours, base in pairs)


def alternate(rounds: int, *measures: Callable[[], T]) -> list[tuple[T, ...]]:
    """Run ``measures`` in turn, ``rounds`` times; one tuple of results per measure.

    Every second round runs backwards, so that what drifts on a shared machine meets all alike.
    """
    results: list[list[T]] = [[] for _ in measures]
    for number in range(rounds):
        turn = list(enumerate(measures))
        for index, measure in turn if number % 2 == 0 else reversed(turn):
            results[index].append(measure())
    return [tuple(each) for each in results]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which ``percent`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
