"""Notice that a caller has left while its change waits for approval."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from starlette.types import Message, Receive

    from openwork.server.approvals import Approvals


class Departure:
    """Withdraws what the current task asks approval for once its caller has left.

    The framework reads the body and then listens no more; without this a change whose caller is
    long gone could still be allowed and made.

    Attributes:
        left: The caller is known to have left.
    """

    def __init__(self, approvals: Approvals, receive: Receive) -> None:
        self._approvals = approvals
        self._receive = receive
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self.left = False

    async def receive(self) -> Message:
        """The caller's next message; behind the last one of the body, the watch begins."""
        message = await self._receive()
        if not message.get("more_body", False):
            self.watch()
        return message

    def watch(self) -> None:
        """Watch from now on, if not yet; what is left of the caller's body is of no interest."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._wait_for_departure())

    def close(self) -> None:
        """The request is answered."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _wait_for_departure(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except OpenWorkError:  # a body over the limit that nobody wants
            return
        self.left = True
        self._approvals.withdraw(self._task)
