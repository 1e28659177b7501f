"""The ``openwork`` command as a user runs it: real processes, in a home of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import psutil

from tests.engine_cache import SHORT_LIST_OF_MODELS, cache_dir, cached_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

WAIT_S = 40.0
PAUSE_S = 0.02
COMMAND = (sys.executable, "-m", "openwork")


def home_of(base: Path, **more: str) -> dict[str, str]:
    """An environment whose home, data and temporary folders lie below ``base``."""
    cached_engine()
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OPENWORK_", "OPENCODE_", "XDG_"))
    }
    for name in ("home", "tmp"):
        (base / name).mkdir(exist_ok=True)
    return {
        **inherited,
        **SHORT_LIST_OF_MODELS,
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "tmp"),
        "OPENWORK_DATA_DIR": str(base / "data"),
        "OPENWORK_SIDECAR_DIR": str(cache_dir()),
        "OPENWORK_PORT": "0",
        **more,
    }


def openwork(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; no terminal, nothing on standard input. Never a traceback."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def wait_until(reached: Callable[[], object], what: str) -> None:
    """Return once ``reached()`` is true."""
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(PAUSE_S)


def still_there(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended within a bounded wait."""
    return psutil.wait_procs(processes, timeout=WAIT_S)[1]


def below(pid: int) -> list[psutil.Process]:
    """Every process below ``pid``."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def command_line(process: psutil.Process) -> str:
    """Its program and arguments; "" when it has ended."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


@dataclass
class RunningHost:
    """An ``openwork start`` that runs.

    Attributes:
        process: The orchestrator.
        env: Its environment.
        log: What it wrote on standard error goes here.
        ready: Its ready payload, once read.
        rest: What it wrote on standard output after that.
    """

    process: subprocess.Popen[bytes]
    env: dict[str, str]
    log: Path
    ready: dict[str, Any] = field(default_factory=dict[str, Any])
    rest: bytes = b""

    @property
    def url(self) -> str:
        """The server's address."""
        return self.ready["openwork"]["baseUrl"]

    @property
    def workspace(self) -> str:
        """Its folder."""
        return self.ready["workspace"]

    @property
    def stderr(self) -> str:
        """What it wrote on standard error so far."""
        return self.log.read_text()

    def descendants(self) -> list[psutil.Process]:
        """All it started that runs."""
        return below(self.process.pid)

    def find(self, *words: str) -> psutil.Process:
        """The one process below it with all ``words`` on its command line, guards aside."""
        for each in self.descendants():
            line = command_line(each)
            if all(word in line for word in words) and "guard.py" not in line:
                return each
        raise AssertionError([command_line(each) for each in self.descendants()])

    def wait_ready(self) -> None:
        """Read the ready payload."""
        pipe = self.process.stdout
        assert pipe is not None
        text = b""
        while not self.ready:
            chunk = os.read(pipe.fileno(), 65_536)
            assert chunk, self.stderr
            text += chunk
            with contextlib.suppress(ValueError):
                self.ready = json.loads(text)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status, once it and all below it have ended."""
        assert self.process.stdout is not None
        started = self.descendants()
        self.process.send_signal(number)
        with self.process.stdout:
            self.rest = self.process.stdout.read()
        status = self.process.wait(WAIT_S)
        assert still_there(started) == []
        return status


def start(env: Mapping[str, str], log: Path, *arguments: str) -> RunningHost:
    """Begin ``openwork start --json``; the caller ends it."""
    with log.open("wb") as stderr:
        process = _popen(env, stderr, "start", "--json", *arguments)
    return RunningHost(process, dict(env), log)


def _popen(env: Mapping[str, str], stderr: IO[bytes], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


@contextlib.contextmanager
def running_host(
    base: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[RunningHost]:
    """A ready host; whatever is left of it is ended with the block."""
    host = start(env or home_of(base), base / "host.log", *arguments)
    try:
        host.wait_ready()
        yield host
    finally:
        if host.process.poll() is None:
            host.end()
        if host.process.stdout is not None:
            host.process.stdout.close()
