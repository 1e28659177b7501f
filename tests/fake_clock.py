"""A clock that a test moves."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

WAIT_S = 20.0


class FakeClock:
    """Time for what waits with ``Clock.wait`` (``openwork.server.automation_clock``).

    Attributes:
        time: What it shows; setting it alone wakes nobody, as a clock that is set does not.
        waits: The seconds of each wait so far.
    """

    def __init__(self, time: datetime, zone: str = "Europe/Berlin") -> None:
        """Stand at ``time`` in ``zone``."""
        self.time = time
        self.waits: list[float] = []
        self._zone = ZoneInfo(zone)
        self._passed_s = 0.0
        self._until_s = 0.0
        self._moved = asyncio.Event()
        self._waiting = asyncio.Event()

    def now(self) -> datetime:
        """What it shows."""
        return self.time.astimezone(UTC)

    def zone(self) -> ZoneInfo:
        """Its zone."""
        return self._zone

    async def wait(self, wake: asyncio.Event, seconds: float) -> None:
        """Return when the clock is moved on by ``seconds``, or when ``wake`` is set."""
        self.waits.append(seconds)
        self._until_s = self._passed_s + seconds
        news = asyncio.create_task(wake.wait())
        try:
            while self._passed_s < self._until_s and not wake.is_set():
                self._moved.clear()
                self._waiting.set()
                moved = asyncio.create_task(self._moved.wait())
                await asyncio.wait({news, moved}, return_when=asyncio.FIRST_COMPLETED)
                moved.cancel()
        finally:
            self._waiting.clear()
            news.cancel()
            with suppress(asyncio.CancelledError):
                await news

    async def settled(self) -> None:
        """Return once somebody waits: all that is due has been begun."""
        async with asyncio.timeout(WAIT_S):
            await self._waiting.wait()

    async def advance(self, **span: float) -> None:
        """Let time pass as it does while a machine is awake."""
        left_s = timedelta(**span).total_seconds()
        while left_s > 0:
            await self.settled()
            step_s = min(left_s, self._until_s - self._passed_s)
            await self.jump(self.time + timedelta(seconds=step_s))
            left_s -= step_s

    async def jump(self, to: datetime) -> None:
        """Let time pass at once, as while the machine sleeps."""
        await self.settled()
        self._passed_s += (to - self.time).total_seconds()
        self.time = to
        self._waiting.clear()
        self._moved.set()
        await self.settled()
