"""Waiting for the window in which changes of one reason are told as one event."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from openwork.server.reload_events import DEBOUNCE_S
from tests.stack import CLIENT_TOKEN

if TYPE_CHECKING:
    from tests.stack import RunningServer

WINDOW_MS = 1000 * DEBOUNCE_S + 50
WAIT_S = 20.0


async def settled(server: RunningServer, reason: str | None = None) -> int:
    """Return once the next change, of ``reason`` or of any, is told at once.

    Returns:
        The number behind which the events of that change are.

    Raises:
        TimeoutError: It did not come to that within ``WAIT_S``.
    """
    path = f"/workspace/{server.workspace}/events"
    async with asyncio.timeout(WAIT_S):
        while True:
            _, listed = await server.call("GET", path, token=CLIENT_TOKEN)
            times = [
                each["timestamp"] for each in listed["items"] if reason in {None, each["reason"]}
            ]
            if time.time() * 1000 > max(times, default=0) + WINDOW_MS:
                return listed["cursor"]
            await asyncio.sleep(0.05)
