"""Child processes that end with us: started under a guard, in their own group, watched by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GUARD = Path(__file__).with_name("guard.py")
STOP_GRACE_S = 3.0
LINE_LIMIT_BYTES = 1 << 20


@dataclass
class Child:
    """A running guarded child.

    Attributes:
        name: What it is, for messages: ``engine``, ``openwork-server``.
        pid: The guard's process id. Ending the guard ends the child and all below it.
        process: The guard as asyncio sees it.
        lifeline: Our end of the pipe whose closing ends the child; -1 once it is closed.
        tail: The last lines the child printed, newest last, at most ``TAIL_LINES``.
        readers: The tasks that read what it prints.
    """

    TAIL_LINES = 40

    name: str
    process: asyncio.subprocess.Process
    lifeline: int
    tail: list[str] = field(default_factory=list[str])
    readers: list[asyncio.Task[None]] = field(default_factory=list["asyncio.Task[None]"])

    @property
    def pid(self) -> int:
        """The guard's process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def wait(self) -> int:
        """Its exit status, once it has ended and everything it printed has been read."""
        status = await self.process.wait()
        await asyncio.gather(*self.readers)
        self._close_lifeline()
        return status

    async def stop(self, grace_s: float = STOP_GRACE_S) -> int:
        """End it in order (SIGTERM), then by force; returns its exit status.

        The guard itself kills what is left after its own grace time; ``grace_s`` bounds that too.
        """
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(grace_s + 3):
                    return await self.wait()
            except TimeoutError:
                self.process.kill()
        return await self.wait()

    def _close_lifeline(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1


async def start(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    on_line: Callable[[str, str, int], None] | None = None,
    pass_fds: Sequence[int] = (),
    grace_s: float = STOP_GRACE_S,
) -> Child:
    """Start ``command`` so that it and all it starts end with this process.

    Args:
        name: What it is, for messages.
        command: Program and arguments; no shell. Never put a secret here: others can read it.
        env: Its whole environment.
        cwd: Its working folder.
        on_line: Called with (line, ``stdout`` or ``stderr``, pid) for each line it prints.
        pass_fds: Descriptors it inherits under the same numbers.
        grace_s: How long it may take to end after SIGTERM before it is killed.

    Raises:
        OSError: Python itself could not be started. A missing ``command`` is the child's exit
            status 127 with a line on its standard error.
    """
    read_end, write_end = os.pipe()
    guard = [sys.executable, "-I", "-S", str(GUARD), str(read_end), str(int(grace_s * 1000))]
    try:
        process = await asyncio.create_subprocess_exec(
            *guard,
            ",".join(str(descriptor) for descriptor in pass_fds),
            "--",
            *command,
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(read_end, *pass_fds),
            start_new_session=True,
            limit=LINE_LIMIT_BYTES,
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    child = Child(name, process, write_end)
    for stream_name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
        if stream is not None:
            reader = _read_lines(child, stream, stream_name, on_line)
            child.readers.append(asyncio.create_task(reader))
    return child


async def _read_lines(
    child: Child,
    stream: asyncio.StreamReader,
    stream_name: str,
    on_line: Callable[[str, str, int], None] | None,
) -> None:
    while True:
        try:
            raw = await stream.readline()
        except ValueError:  # a line over the limit: asyncio dropped it
            continue
        if not raw:
            return
        line = raw.decode("utf-8", "replace").rstrip()
        if line:
            child.tail.append(line)
            del child.tail[: -Child.TAIL_LINES]
            if on_line is not None:
                on_line(line, stream_name, child.pid)


def end_tree(pid: int) -> None:
    """SIGKILL a process that is not our child, and everything below it. Missing is fine."""
    from openwork.common import guard  # noqa: PLC0415

    below = guard.descendants(pid)
    for each in (*reversed(below), pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)
