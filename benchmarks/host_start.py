"""How long ``openwork start`` takes until everything answers."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine_cache import cache_dir

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.processes import running, script
from benchmarks.servers import clean_environment, engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The engine must not look for news on the network while it is timed; --demo sets the same.
OFFLINE = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
}


def measure(effort: Effort) -> list[Comparison]:
    """With and without ``--demo``, beside the engine's binary alone; every start is a first one."""
    alone, demo, folder = alternate(
        effort.rounds,
        lambda: _timed(_engine_ms),
        lambda: _timed(lambda base: _start_ms(base, ["--demo"])),
        lambda: _timed(lambda base: _start_ms(base, ["--workspace", str(base / "workspace")])),
    )
    name = "the engine's binary alone"
    return [
        Comparison("host.demo", "`openwork start --demo` until ready", "ms", name, alone, demo),
        Comparison("host.folder", "`openwork start` until ready", "ms", name, alone, folder),
    ]


def _timed(measure_in: Callable[[Path], float]) -> float:
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as base:
        return measure_in(Path(base))


def _engine_ms(base: Path) -> float:
    started = time.perf_counter()
    with engine(base):
        return (time.perf_counter() - started) * 1000


def _start_ms(base: Path, arguments: Sequence[str]) -> float:
    env = clean_environment() | OFFLINE
    env |= {"OPENWORK_DATA_DIR": str(base / "data"), "OPENWORK_PORT": "0", "TMPDIR": str(base)}
    env |= {"HOME": str(base)}
    env = {key: value for key, value in env.items() if not key.startswith("XDG_")}
    command = [script("openwork"), "start", "--json", "--sidecar-dir", str(cache_dir()), *arguments]
    started = time.perf_counter()
    with running(command, env, cwd=base) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == b"}\n":  # the payload's end
                return (time.perf_counter() - started) * 1000
        process.wait()
        raise RuntimeError("it ended before it was ready")
