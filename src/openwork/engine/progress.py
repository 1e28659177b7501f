"""Showing how far a download or a thread's work is, and ending it when nobody waits any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

T = TypeVar("T")

PROGRESS_PAUSE_S = 0.2


@dataclass(frozen=True)
class Progress:
    """Something to show while an engine is looked for or installed.

    Attributes:
        step: ``downloading``, ``checking`` and ``unpacking`` come many times and make a bar;
            ``waiting`` (for another installation), ``note`` and ``warning`` are single lines.
        message: For people.
        done_bytes: How far the step is.
        total_bytes: Its whole size, about; 0 when not known.
    """

    step: Literal["waiting", "downloading", "checking", "unpacking", "note", "warning"]
    message: str
    done_bytes: int = 0
    total_bytes: int = 0


Report = Callable[[Progress], None]


@contextlib.asynccontextmanager
async def reporting(
    report: Report,
    step: Literal["downloading", "checking", "unpacking"],
    message: str,
    total_bytes: int,
    measure: Callable[[], int],
) -> AsyncGenerator[None]:
    """Report how far something is while the body runs; ``measure`` is called in a thread."""

    def show(done: int) -> None:
        report(
            Progress(step, message, min(done, total_bytes) if total_bytes else done, total_bytes)
        )

    async def poll() -> None:
        while True:
            show(await asyncio.to_thread(measure))
            await asyncio.sleep(PROGRESS_PAUSE_S)

    poller = asyncio.create_task(poll())
    try:
        yield
    finally:
        poller.cancel()
        await asyncio.wait([poller])
        if not poller.cancelled():
            poller.result()
    show(total_bytes or measure())


class _StoppedError(Exception):
    """The task that wanted the thread's work is gone."""


class Ticker:
    """Counts a thread's bytes, and stops it: give it to the thread's work as ``tick``."""

    def __init__(self) -> None:
        self._done = 0
        self._stop = threading.Event()

    def __call__(self, done: int) -> None:
        """The work has done ``done`` bytes; raises when it shall end."""
        self._done = done
        if self._stop.is_set():
            raise _StoppedError

    def read(self) -> int:
        """How many bytes so far."""
        return self._done

    def stop(self) -> None:
        """Let the thread's next tick raise, which ends its work."""
        self._stop.set()


async def in_thread(work: Callable[[], T], ticker: Ticker) -> T:
    """Run blocking ``work`` in a thread; when cancelled, stop it and wait until it has let go."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        ticker.stop()
        await asyncio.wait([task])
        task.exception()  # retrieved: the cancellation says it all
        raise
