"""End in order on SIGINT, SIGTERM and SIGHUP, from the very first moment."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from openwork.cli.lasting_output import outlast_readers
from openwork.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALLED = 128


def say_stopping() -> None:
    """One line for people; on a terminal the cursor stands behind ``^C``."""
    if sys.stderr.isatty():
        say(err=True)
    say("Stopping …", err=True)


async def until_stopped(
    work: Coroutine[Any, Any, int],
    *,
    stopped_status: int | None = 0,
    tell: Callable[[], None] = say_stopping,
) -> int:
    """Run ``work``; a stop signal cancels it, and its own clean-up runs to its end.

    Args:
        work: What to do.
        stopped_status: The result when a signal stopped it; None is the shell's 128 + signal.
        tell: Says that it is being stopped.

    Returns:
        What ``work`` returns, or the status of being stopped.
    """
    outlast_readers(output=False)  # nothing that is said here may keep the work from ending
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    stopped_by = 0

    def stop(number: int) -> None:
        nonlocal stopped_by
        if not stopped_by:
            stopped_by = number
            task.cancel()
            tell()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        return SIGNALLED + stopped_by if stopped_status is None else stopped_status
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
