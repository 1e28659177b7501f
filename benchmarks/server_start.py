"""How long ``openwork-server`` takes to answer, and what it keeps in memory at rest."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.command import run_ms
from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.processes import cpu_s, memory_bytes, running, script, tree, wait_until_ok
from benchmarks.servers import bare_server, server_environment
from openwork.common.net import free_port

if TYPE_CHECKING:
    import psutil

UNUSED_PORT = 9
MB = 1 << 20


@dataclass(frozen=True)
class _Start:
    ms: float
    cpu_ms: float = 0
    memory_mb: float = 0


def measure(effort: Effort) -> list[Comparison]:
    """Beside an empty Python program and a bare uvicorn application."""
    empty, bare, ours = alternate(
        effort.rounds, lambda: _Start(run_ms([sys.executable, "-c", "pass"])), _bare, _ours
    )
    empty_ms, bare_ms, ours_ms = (tuple(each.ms for each in side) for side in (empty, bare, ours))
    cpu_ms = [tuple(each.cpu_ms for each in side) for side in (bare, ours)]
    memory_mb = [tuple(each.memory_mb for each in side) for side in (bare, ours)]
    title, name = "`openwork-server` until `/health` answers", "a bare uvicorn application"
    return [
        Comparison("server.start", title, "ms", name, bare_ms, ours_ms),
        Comparison("server.start.empty", title, "ms", "`python -c pass`", empty_ms, ours_ms),
        Comparison("server.start.cpu", f"{title}: CPU time", "ms", name, *cpu_ms),
        Comparison("server.memory", "its resident memory at rest", "MB", name, *memory_mb),
    ]


def _bare() -> _Start:
    started = time.perf_counter()
    with bare_server() as server:
        return _seen(server.processes, started)


def _ours() -> _Start:
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base:
        env = server_environment(Path(base), UNUSED_PORT)
        port = free_port()
        started = time.perf_counter()
        with running([script("openwork-server"), "--port", str(port)], env) as process:
            wait_until_ok(process, port, "/health", {})
            return _seen(tuple(tree(process.pid)), started)


def _seen(processes: tuple[psutil.Process, ...], started: float) -> _Start:
    took_ms = (time.perf_counter() - started) * 1000
    return _Start(took_ms, cpu_s(processes) * 1000, memory_bytes(processes) / MB)
