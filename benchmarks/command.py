"""How long a command that only prints takes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.processes import script

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS_A_ROUND = 3


def measure(effort: Effort) -> list[Comparison]:
    """``openwork --version`` beside an empty Python program."""
    empty, version = alternate(
        effort.rounds * RUNS_A_ROUND,
        lambda: run_ms([sys.executable, "-c", "pass"]),
        lambda: run_ms([script("openwork"), "--version"]),
    )
    title = "`openwork --version`"
    return [Comparison("command.version", title, "ms", "`python -c pass`", empty, version)]


def run_ms(command: Sequence[str]) -> float:
    """How long ``command`` takes from start to end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000
