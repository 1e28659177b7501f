"""Work that takes a processor for seconds: one at a time, in order, without holding a thread."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openwork.server.departure import Departure

MOST_WAITING = 16
RETRY_AFTER_S = 5


class Turns:
    """Turns at one kind of work in one workspace."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def take(self, caller: Departure) -> AsyncGenerator[None]:
        """The block runs when all who came before are done.

        A caller that has left meanwhile gets no turn: nobody would read the answer.

        Raises:
            OpenWorkError: ``too_many_requests`` 429 with ``details {retryAfterSeconds}`` when
                ``MOST_WAITING`` wait already; ``caller_left`` 499.
        """
        if self._waiting >= MOST_WAITING:
            raise OpenWorkError(
                "too_many_requests",
                f"{MOST_WAITING} requests of this kind wait for the same workspace already.",
                hint="Try again when they are answered.",
                status=429,
                details={"retryAfterSeconds": RETRY_AFTER_S},
            )
        caller.watch()
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            if caller.left:
                raise OpenWorkError("caller_left", "The caller has left.", status=499)
            yield
        finally:
            self._lock.release()
