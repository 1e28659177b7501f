"""Wait for a state that nothing announces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 20.0


async def until(reached: Callable[[], object], *, pause_s: float = 0.0) -> None:
    """Return once ``reached()`` is true.

    Raises:
        TimeoutError: It did not become true within ``WAIT_S``.
    """
    async with asyncio.timeout(WAIT_S):
        while not reached():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(pause_s)
