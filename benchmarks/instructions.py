"""Instructions a request, counted by callgrind: a figure that a busy machine cannot blur."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Comparison, Effort
from benchmarks.idle import TIMEOUT_S
from benchmarks.load import first_answer
from benchmarks.servers import HEALTH_PATH, bare_server, openwork_server, standin

if TYPE_CHECKING:
    from benchmarks.servers import Target

WARM_UP_REQUESTS = 200
COUNTED_REQUESTS = 300
DUMP_TIMEOUT_S = 20.0
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def measure(effort: Effort) -> list[Comparison]:  # noqa: ARG001  # counting needs no rounds
    """A proxied request to the stand-in, beside a bare application; nothing without valgrind."""
    if shutil.which("callgrind_control") is None:
        print("(left out: valgrind is not installed)", end=" ", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as folder, standin() as upstream:
        base = Path(folder)
        with bare_server(under=_callgrind(base / "bare")) as bare:
            baseline = _thousands(bare, base / "bare")
        with openwork_server(base, upstream.port, under=_callgrind(base / "ours")) as server:
            ours = _thousands(server, base / "ours")
    title = "instructions for a proxied request, in thousands"
    return [Comparison("instructions.proxy", title, "k", bare.name, (baseline,), (ours,))]


def _callgrind(output: Path) -> list[str]:
    return ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]


def _thousands(server: Target, output: Path) -> float:
    request = server.request(HEALTH_PATH)
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as connection:
        for _ in range(WARM_UP_REQUESTS):
            first_answer(connection, request)
        _control(server, "--instr=on")
        first_answer(connection, request)
        _control(server, "--zero")
        for _ in range(COUNTED_REQUESTS):
            first_answer(connection, request)
        _control(server, "--dump")
    return _dumped(output.with_name(f"{output.name}.1")) / COUNTED_REQUESTS / 1000


def _control(server: Target, what: str) -> None:
    command = ["callgrind_control", what, str(server.processes[0].pid)]
    subprocess.run(command, check=True, capture_output=True)


def _dumped(path: Path) -> int:
    deadline = time.monotonic() + DUMP_TIMEOUT_S
    while time.monotonic() < deadline:
        found = _TOTAL.search(path.read_text()) if path.exists() else None
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"callgrind wrote no totals to {path}")
