"""How long ``openwork start`` takes until everything answers."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.host import host
from benchmarks.servers import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def measure(effort: Effort) -> list[Comparison]:
    """With and without ``--demo``, beside the engine's binary alone; every start is a first one."""
    alone, demo, folder = alternate(
        effort.rounds,
        lambda: _below_new_folder(_engine_ms),
        lambda: _below_new_folder(lambda base: _host_ms(base, ["--demo"])),
        lambda: _below_new_folder(lambda base: _host_ms(base, ["--workspace", f"{base}/work"])),
    )
    name = "the engine's binary alone"
    return [
        Comparison("host.demo", "`openwork start --demo` until ready", "ms", name, alone, demo),
        Comparison("host.folder", "`openwork start` until ready", "ms", name, alone, folder),
    ]


def _below_new_folder(measured: Callable[[Path], float]) -> float:
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base:
        return measured(Path(base))


def _engine_ms(base: Path) -> float:
    started = time.perf_counter()
    with engine(base):
        return (time.perf_counter() - started) * 1000


def _host_ms(base: Path, arguments: Sequence[str]) -> float:
    with host(base, arguments) as ready:
        return ready.ready_ms
