"""Processes under measurement: start, know when they answer, read what they cost, end."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

READY_TIMEOUT_S = 45.0
PROBE_TIMEOUT_S = 0.5  # a probe right after the engine's spawn may never be answered
PROBE_PAUSE_S = 0.005
STOP_TIMEOUT_S = 15.0
WANTED_DESCRIPTORS = 8192


def script(name: str) -> str:
    """The path of an installed command of this Python: ``openwork``, ``granian``."""
    return str(Path(sys.executable).with_name(name))


def allow_many_descriptors() -> None:
    """Raise the soft limit on open files for this process and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, WANTED_DESCRIPTORS)), hard))
    elif soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, WANTED_DESCRIPTORS), hard))


@contextlib.contextmanager
def running(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
    read_output: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """``command`` while the block runs.

    Args:
        command: Program and arguments.
        env: Its whole environment.
        cwd: Its working folder.
        read_output: The caller reads its standard output; else that is kept with its errors, which
            are shown if it fails.

    Raises:
        RuntimeError: The block failed after the process had ended: with what it printed.
    """
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read_output else printed,
            stderr=printed,
            start_new_session=True,
        )
        try:
            yield process
        except Exception as error:
            if process.poll() is None:
                raise
            printed.seek(0)
            tail = printed.read()[-2000:].decode("utf-8", "replace")
            raise RuntimeError(f"{command[0]} ended ({process.returncode}): {tail}") from error
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The request's bytes: ``GET path`` on 127.0.0.1."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def wait_until_ok(
    process: subprocess.Popen[bytes], port: int, path: str, headers: Mapping[str, str]
) -> None:
    """Return once ``GET path`` answers 200.

    Raises:
        RuntimeError: The process ended, or did not answer within ``READY_TIMEOUT_S``.
    """
    request = get(port, path, headers)
    deadline = time.monotonic() + READY_TIMEOUT_S
    answer = b""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended before it answered at port {port}")
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", port), PROBE_TIMEOUT_S) as connection:
                connection.sendall(request)
                answer = connection.recv(200)
            if answer.startswith(b"HTTP/1.1 200"):
                return
        time.sleep(PROBE_PAUSE_S)
    raise RuntimeError(f"port {port} does not answer {path} with 200 but with {answer!r}")


def tree(pid: int) -> list[psutil.Process]:
    """A process and what it has started by now."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Their resident memory."""
    return sum(each.memory_info().rss for each in processes)


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """Processor time they have used, user and system."""
    return sum(times.user + times.system for times in (each.cpu_times() for each in processes))
