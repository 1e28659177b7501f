"""Events through the server: how much later they arrive, and what an open stream costs."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Comparison, Effort, alternate, percentile
from benchmarks.idle import idle_streams, open_stream
from benchmarks.servers import Target, bare_server, openwork_server, standin

HEADS_A_ROUND = 40
_EVENT = re.compile(rb"data: (\d+)\n\n")


def measure(effort: Effort) -> list[Comparison]:
    """In front of a stand-in that stamps every event with the time it was sent."""
    with (
        tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base,
        standin() as upstream,
        openwork_server(Path(base), upstream.port) as server,
        bare_server() as bare,
    ):
        heads = alternate(effort.rounds, lambda: _head_ms(upstream), lambda: _head_ms(server))
        delays = alternate(
            effort.rounds,
            lambda: _delays_ms(upstream, effort.seconds),
            lambda: _delays_ms(server, effort.seconds),
        )
        bare_cost = idle_streams(bare, None, effort.streams)
        cost = idle_streams(server, upstream, effort.streams)
    name = upstream.name
    p50, p99 = (
        [tuple(percentile(each, percent) for each in side) for side in delays]
        for percent in (50, 99)
    )
    left = (float(cost.open_upstream),), (float(cost.left_upstream),)
    what = f"memory of an idle event stream ({effort.streams} open)"
    return [
        Comparison("streams.event.p50", "a proxied event's delay: median", "ms", name, *p50),
        Comparison("streams.event.p99", "a proxied event's delay: 99th pct.", "ms", name, *p99),
        Comparison("streams.head", "connect until a stream's first event", "ms", name, *heads),
        Comparison("streams.memory", what, "KB", bare.name, (bare_cost.kb_each,), (cost.kb_each,)),
        Comparison(
            "streams.left_open", "streams open at the engine after all left", "", "before", *left
        ),
    ]


def _delays_ms(server: Target, seconds: float) -> list[float]:
    """From an event's sending to its arrival here; both clocks are this machine's monotonic one."""
    delays: list[float] = []
    end = time.monotonic() + seconds
    rest = b""
    with open_stream(server, "/event") as stream:
        while time.monotonic() < end:
            data = stream.recv(65_536)
            now = time.monotonic_ns()
            if not data:
                raise ConnectionError(f"{server.name} closed the stream")
            rest += data
            delays += [(now - int(found[1])) / 1e6 for found in _EVENT.finditer(rest)]
            rest = rest[rest.rfind(b"\n\n") + 2 :] if b"\n\n" in rest else rest
    return delays


def _head_ms(server: Target) -> float:
    def once() -> float:
        started = time.perf_counter()
        with open_stream(server, "/global/event"):
            return (time.perf_counter() - started) * 1000

    return percentile([once() for _ in range(HEADS_A_ROUND)], 50)
