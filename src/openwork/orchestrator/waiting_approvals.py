"""The changes that wait for the host, followed as they come and go, across lost connections.

Source of the events: ``GET /approvals/stream``, ``Approvals.follow`` in :mod:`openwork.server`.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from openwork.engine.sse import ServerSentEvent
    from openwork.orchestrator.server_api import ServerApi

STREAM = "/approvals/stream"
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 10.0
# The token does not let us in, or the server knows no such route: trying again changes nothing.
_REFUSALS = frozenset({401, 403, 404})
# What became of a change that was settled while nobody listened.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Connected:
    """A connection stands; ``waiting`` changes wait. The news of those that are new follow."""

    waiting: int


@dataclass(frozen=True)
class Lost:
    """The connection is gone, and is tried again."""

    reason: str


@dataclass(frozen=True)
class Added:
    """A change waits."""

    item: dict[str, Any]


@dataclass(frozen=True)
class Settled:
    """A change waits no more.

    Attributes:
        item: The change.
        outcome: ``allowed``, ``denied``, ``timeout``, ``withdrawn``,
            ``revoked``, ``restart``, or ``unknown``
            when it was settled while the connection was lost.
        waited_s: How long it had waited.
    """

    item: dict[str, Any]
    outcome: str
    waited_s: float


News: TypeAlias = Connected | Lost | Added | Settled


@dataclass
class Waiting:
    """What is known to wait.

    Attributes:
        clock: Monotonic seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[dict[str, Any], float]] = field(
        default_factory=dict[str, tuple[dict[str, Any], float]]
    )

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._known)

    def take(self, event: ServerSentEvent) -> list[Added | Settled]:
        """What an event of the stream tells that was not known.

        Raises:
            OpenWorkError: ``server_unknown``: no OpenWork server says that.
        """
        try:
            return list(self._take(event.event, json.loads(event.data)))
        except (ValueError, KeyError, TypeError) as error:
            raise OpenWorkError(
                "server_unknown",
                f"{STREAM} does not answer as an OpenWork server does.",
                hint="Check the address.",
            ) from error

    def _take(self, name: str, data: dict[str, Any]) -> Iterator[Added | Settled]:
        if name == "list":
            items = {each["id"]: each for each in data["items"]}
            for gone in [each for each in self._known if each not in items]:
                yield self._settle(gone, UNKNOWN)
            for item in items.values():
                yield from self._add(item)
        elif name == "added":
            yield from self._add(data)
        elif name == "resolved" and data["id"] in self._known:
            yield self._settle(data["id"], str(data["outcome"]))

    def _add(self, item: dict[str, Any]) -> Iterator[Added]:
        if item["id"] not in self._known:
            began = self.clock() - item["waitingMs"] / 1000
            self._known[item["id"]] = (item, began)
            yield Added(item)

    def _settle(self, request_id: str, outcome: str) -> Settled:
        item, began = self._known.pop(request_id)
        return Settled(item, outcome, max(0.0, self.clock() - began))


async def follow(api: ServerApi) -> AsyncGenerator[News]:
    """What waits, as it comes and goes; never ends by itself.

    After an interruption the stream is opened again (backoff 0.25 s to 10 s).

    Args:
        api: An open client with the host token.

    Raises:
        OpenWorkError: The first connection cannot be made, or the server refuses the token.
    """
    waiting = Waiting()
    backoff_s = FIRST_BACKOFF_S
    was_connected = told_lost = False
    while True:
        connected = False
        try:
            async with aclosing(api.events(STREAM)) as events:
                async for event in events:
                    found = waiting.take(event)
                    if not connected:
                        connected = was_connected = True
                        told_lost, backoff_s = False, FIRST_BACKOFF_S
                        yield Connected(waiting.count)
                    for news in found:
                        yield news
            reason = "the server ended it"
        except OpenWorkError as error:
            if not was_connected or error.status in _REFUSALS:
                raise
            reason = error.message
        if not told_lost:
            told_lost = True
            yield Lost(reason)
        await asyncio.sleep(backoff_s)
        backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
