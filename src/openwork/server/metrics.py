"""What the server counts, in plain numbers: a request costs a microsecond here.

``exposition`` turns them into Prometheus' text when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# Upper bounds in seconds; a proxied stream ends in the last one.
BUCKETS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0)
UNKNOWN_ROUTE = "unknown"


@dataclass
class Durations:
    """How long requests took: how many fell under each bound, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0


@dataclass
class Metrics:
    """The counts of one server.

    Attributes:
        requests: By (method, route, status); the route is a template, never a made-up path.
        durations: By (method, route).
        in_flight: Requests being served now, streams included.
    """

    requests: dict[tuple[str, str, int], int] = field(
        default_factory=dict[tuple[str, str, int], int]
    )
    durations: dict[tuple[str, str], Durations] = field(
        default_factory=dict[tuple[str, str], Durations]
    )
    in_flight: int = 0

    def served(self, method: str, route: str, status: int, duration_s: float) -> None:
        """One request is over; ``status`` 0 when it was cut off before an answer."""
        key = (method, route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        durations = self.durations.get(key[:2])
        if durations is None:
            durations = self.durations[key[:2]] = Durations()
        durations.counts[bisect_left(BUCKETS_S, duration_s)] += 1
        durations.sum_s += duration_s
