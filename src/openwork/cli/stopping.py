"""End in order on SIGINT, SIGTERM and SIGHUP, from the very first moment."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(work: Coroutine[Any, Any, int], *, stopped_status: int = 0) -> int:
    """Run ``work``; a stop signal cancels it, and its own clean-up runs to its end.

    Returns:
        What ``work`` returns, or ``stopped_status`` when a signal stopped it.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            click.echo("Stopping …", err=True)
            task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return stopped_status
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
