"""How fast is fast enough: each bar with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from benchmarks.figures import Comparison


@dataclass(frozen=True)
class Bar:
    """Ours must be at most (or at least) ``times`` x the baseline ``plus`` a constant.

    Attributes:
        figure: Id of the comparison it judges.
        limit: Which way.
        times: Factor on the baseline; 0 makes the bar absolute.
        plus: In the comparison's unit.
        reason: Why there.
    """

    figure: str
    limit: Literal["at most", "at least"]
    times: float
    plus: float
    reason: str

    def holds(self, comparison: Comparison) -> bool:
        """Whether the median round keeps it."""
        margin = comparison.margin(self.times, self.plus)
        return margin <= 0 if self.limit == "at most" else margin >= 0

    def text(self, unit: str) -> str:
        """``≤ 2.5 x + 100 ms``."""
        sign = "≤" if self.limit == "at most" else "≥"
        factor = "" if self.times == 0 else "1 x" if self.times == 1 else f"{self.times:g} x"
        constant = f"{self.plus:g} {unit}" if self.plus or not factor else ""
        return f"{sign} " + " + ".join(part for part in (factor, constant) if part)


BARS = (
    Bar(
        "command.version",
        "at most",
        2.5,
        100,
        "A command that only prints must feel immediate: people and scripts call it often.",
    ),
    Bar(
        "host.demo",
        "at most",
        1,
        1000,
        "The first impression. The engine needs its second; all else starts beside it.",
    ),
    Bar("host.folder", "at most", 1, 1000, "The same on a folder of one's own."),
    Bar(
        "proxy.rate.16",
        "at least",
        0.8,
        0,
        "A team on one host must not notice that a server stands before the engine.",
    ),
    Bar(
        "proxy.p50.1",
        "at most",
        1,
        0.4,
        "A page load makes some twenty calls one after another: 0.4 ms each stay unnoticed.",
    ),
    Bar(
        "streams.event.p50",
        "at most",
        1,
        0.3,
        "Words arrive every few milliseconds; the way through must not bunch them.",
    ),
    Bar(
        "streams.memory",
        "at most",
        0,
        60,
        "1,000 open pages then cost 60 MB: less than a small server has to spare.",
    ),
    Bar(
        "streams.left_open",
        "at most",
        0,
        5,
        "The engine keeps state for each listener: one that left must not stay connected.",
    ),
    Bar(
        "server.start",
        "at most",
        0,
        800,
        "A restart after a crash must be over before a client's second attempt.",
    ),
    Bar(
        "server.memory",
        "at most",
        0,
        70,
        "It runs beside an engine all day, also on small machines.",
    ),
    Bar(
        "catalog.flat",
        "at most",
        1.25,
        5,
        "A page costs its entries, not the folder: scrolling stays the same in a large one.",
    ),
    Bar(
        "catalog.first.100000",
        "at most",
        0.5,
        0,
        "It sees every change, made by whomever, yet must not walk the folder.",
    ),
    Bar(
        "catalog.build.100000",
        "at most",
        2,
        0,
        "Once a session: sorting and remembering may cost as much again as the walk.",
    ),
    Bar(
        "files.read.4000",
        "at most",
        3,
        15,
        "A client that syncs a folder sends many of these one after another.",
    ),
    Bar(
        "audit.tail",
        "at most",
        1,
        5,
        "Who looks at the last changes must not notice how many there have been.",
    ),
    Bar("audit.middle", "at most", 1, 10, "The same for who looks at a day a year ago."),
    Bar(
        "watcher.event",
        "at most",
        1,
        50,
        "Who saves a file looks at the page within a blink: no more than a step behind the system.",
    ),
)


def bar_for(comparison: Comparison) -> Bar | None:
    """The bar that judges ``comparison``, if any."""
    return next((bar for bar in BARS if bar.figure == comparison.id), None)
