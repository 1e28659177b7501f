"""What our own code costs, and whether uvicorn is still the right ASGI server for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.idle import idle_streams
from benchmarks.processes import memory_bytes
from benchmarks.servers import Target, bare_server, granian_server, openwork_server, standin

CONNECTIONS = 16
MB = 1 << 20


def measure(effort: Effort) -> list[Comparison]:
    """The product on uvicorn and on granian in front of a fast stand-in, and a bare application."""
    with (
        tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base,
        standin() as upstream,
        bare_server() as bare,
        granian_server(Path(base), upstream.port) as granian,
        openwork_server(Path(base), upstream.port) as ours,
    ):
        resting = [(memory_bytes(granian.processes) / MB,), (memory_bytes(ours.processes) / MB,)]
        found = _under_load(effort, bare, granian, ours)
        idle = [
            (idle_streams(server, upstream, effort.streams).kb_each,) for server in (granian, ours)
        ]
    name = granian.name
    return [
        *found,
        Comparison("asgi.memory", "resident memory after one request", "MB", name, *resting),
        Comparison("asgi.stream", "memory of an idle event stream", "KB", name, *idle),
    ]


def _under_load(effort: Effort, bare: Target, granian: Target, ours: Target) -> list[Comparison]:
    sides = alternate(
        effort.rounds,
        *(
            lambda server=server: server.load(CONNECTIONS, effort.seconds)
            for server in (bare, granian, ours)
        ),
    )
    rates = [tuple(result.rate for result, _ in side) for side in sides]
    p50s = [tuple(result.p50_ms for result, _ in side) for side in sides]
    cpus = [tuple(cpu for _, cpu in side) for side in sides]
    what = f"proxied request to a stand-in, {CONNECTIONS} in flight"
    cpu_title = f"{what}: CPU time"
    return [
        Comparison("asgi.cpu.bare", cpu_title, "µs", f"{bare.name}, no proxy", cpus[0], cpus[2]),
        Comparison("asgi.cpu.granian", cpu_title, "µs", granian.name, cpus[1], cpus[2]),
        Comparison("asgi.rate.granian", what, "req/s", granian.name, rates[1], rates[2]),
        Comparison("asgi.p50.granian", f"{what}: median", "ms", granian.name, p50s[1], p50s[2]),
    ]
