"""Keep one service running: start it, wait for its end, start it again with a growing pause."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from openwork.common import log
from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openwork.common.process import Child

State = Literal["starting", "healthy", "restarting", "failed", "stopped"]
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
# Calm for this long, and the next end counts as the first again.
CALM_AFTER_S = 60.0
MOST_RESTARTS = 6
SHOWN_LINES = 8

logger = logging.getLogger(__name__)


class Service(Protocol):
    """Something that runs as one child process."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def child(self) -> Child | None:
        """Its process: running, ended, or None before the first start."""
        ...

    async def start(self) -> None:
        """Start it and return once it answers.

        Raises:
            OpenWorkError: It did not come up.
        """
        ...

    async def stop(self) -> None:
        """End it. Does nothing when it does not run."""
        ...


@dataclass(frozen=True)
class Backoff:
    """When to start again, from when it ended before. Pure.

    Attributes:
        ends: Monotonic seconds of the recent ends, oldest first.
    """

    ends: tuple[float, ...] = ()

    def after_end(self, now: float, *, ran_for_s: float) -> Backoff:
        """Count an end at ``now`` of a run that had been healthy for ``ran_for_s``."""
        earlier = () if ran_for_s >= CALM_AFTER_S else self.ends
        return Backoff((*earlier, now)[-MOST_RESTARTS - 1 :])

    @property
    def exhausted(self) -> bool:
        """Whether it ends again and again."""
        return len(self.ends) > MOST_RESTARTS

    @property
    def pause_s(self) -> float:
        """How long to wait before the next start."""
        return min(FIRST_PAUSE_S * 2 ** (len(self.ends) - 1), LONGEST_PAUSE_S)


class Supervisor:
    """Watches one service.

    Attributes:
        state: What it is doing.
        restarts: How often it was started again.
    """

    def __init__(
        self,
        service: Service,
        *,
        on_change: Callable[[], None],
        on_restart: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing runs yet.

        Args:
            service: What to watch.
            on_change: Called whenever the state or the process changes.
            on_restart: Called each time it runs again after it had ended by itself.
        """
        self.service = service
        self.state: State = "starting"
        self.restarts = 0
        self._on_change = on_change
        self._on_restart = on_restart
        self._healthy_since = 0.0

    async def start(self) -> None:
        """The first start; a failure is the caller's.

        Raises:
            OpenWorkError: It did not come up.
        """
        await self.service.start()
        self._healthy()

    async def watch(self) -> None:
        """Start it again whenever it ends, until cancelled.

        Raises:
            OpenWorkError: ``crash_loop`` when it keeps ending, with its last lines.
        """
        backoff = Backoff()
        last = "it ended"
        while True:
            child = self.service.child
            if child is not None and self.state == "healthy":
                status = await child.wait()
                last = f"it ended with exit status {status}"
                logger.warning("%s: %s; starting it again", self.service.name, last)
            now = time.monotonic()
            ran_for_s = now - self._healthy_since if self.state == "healthy" else 0.0
            backoff = backoff.after_end(now, ran_for_s=ran_for_s)
            if backoff.exhausted:
                self._become("failed")
                raise self._crash_loop(last)
            self._become("restarting")
            await asyncio.sleep(backoff.pause_s)
            try:
                await self.service.start()
            except OpenWorkError as error:
                last = error.message
                logger.warning("%s did not start: %s", self.service.name, error.message)
                continue
            self.restarts += 1
            self._healthy()
            logger.info("%s runs again", self.service.name)
            if self._on_restart is not None:
                await self._on_restart()

    async def stop(self) -> None:
        """End the service."""
        await self.service.stop()
        self._become("stopped")

    def _healthy(self) -> None:
        self._healthy_since = time.monotonic()
        self._become("healthy")

    def _become(self, state: State) -> None:
        self.state = state
        self._on_change()

    def _crash_loop(self, last: str) -> OpenWorkError:
        tail: deque[str] = deque(maxlen=SHOWN_LINES)
        if self.service.child is not None:
            tail.extend(log.scrub(line) for line in self.service.child.tail)
        lines = "\n".join(tail) or "(it printed nothing)"
        return OpenWorkError(
            "crash_loop",
            f"{self.service.name} does not stay up ({last}). Its last lines:\n{lines}",
            hint="Find the cause with: openwork doctor",
        )
