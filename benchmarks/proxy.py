"""A request to the engine through a host as people run it, beside the same one made directly."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.host import host
from benchmarks.servers import HEALTH_PATH, Target

CONNECTIONS = (1, 16, 64)


def measure(effort: Effort) -> list[Comparison]:
    """``GET /global/health`` of the real engine with 1, 16 and 64 requests in flight."""
    found: list[Comparison] = []
    with (
        tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base,
        host(Path(base), ["--workspace", f"{base}/workspace"]) as running,
    ):
        for connections in CONNECTIONS:
            found += _at(connections, effort, running.direct, running.proxied)
    return found


def _at(connections: int, effort: Effort, direct: Target, proxied: Target) -> list[Comparison]:
    pairs = alternate(
        effort.rounds,
        lambda: direct.load(connections, effort.seconds),
        lambda: proxied.load(connections, effort.seconds),
    )
    (directly, through), name = pairs, direct.name
    what = f"proxied `GET {HEALTH_PATH}`, {connections} in flight"

    def compare(kind: str, title: str, unit: str, attribute: str) -> Comparison:
        values = [tuple(getattr(result, attribute) for result, _ in side) for side in pairs]
        return Comparison(f"proxy.{kind}.{connections}", title, unit, name, values[0], values[1])

    return [
        compare("rate", what, "req/s", "rate"),
        compare("p50", f"{what}: median time", "ms", "p50_ms"),
        compare("p99", f"{what}: 99th percentile", "ms", "p99_ms"),
        Comparison(
            f"proxy.cpu.{connections}",
            f"{what}: CPU time of all but the engine (beside the engine's)",
            "µs",
            name,
            tuple(cpu for _, cpu in directly),
            tuple(cpu for _, cpu in through),
        ),
    ]
