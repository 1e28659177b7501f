"""What the provider remembers of its requests: a log of their outcomes, and who is retrying."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from openwork.demo.wire import ChatRequest

REQUESTS_KEPT = 1000

Outcome = Literal["streaming", "finished", "failed", "aborted"]


@dataclass
class RequestRecord:
    """One completion request.

    Attributes:
        scenario: The script that answered it.
        session_id: The engine's session, when it named one.
        received: When it came.
        outcome: ``failed`` is a scripted error; ``aborted`` means the client went away first.
        words_sent: How many words it was sent so far.
    """

    scenario: str
    session_id: str | None
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    outcome: Outcome = "streaming"
    words_sent: int = 0
    _ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def aborted(self) -> bool:
        """Whether the client went away before the answer was complete."""
        return self.outcome == "aborted"

    async def ended(self) -> Outcome:
        """Its outcome, once it is no longer streaming."""
        await self._ended.wait()
        return self.outcome

    def end(self, outcome: Outcome) -> None:
        """Settle the outcome."""
        self.outcome = outcome
        self._ended.set()


class Retries:
    """Counts how often the same request failed; a retry is known by its equal conversation."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, int] = OrderedDict()

    def fails_again(self, chat: ChatRequest, session_id: str | None, times: int | None) -> bool:
        """Whether a request that must fail ``times`` times (None: always) fails now."""
        if times is None:
            return True
        conversation = "\n".join(each.model_dump_json() for each in chat.messages)
        key = f"{session_id} {hashlib.sha256(conversation.encode()).hexdigest()}"
        failed = self._failed.pop(key, 0)
        if failed >= times:
            return False
        self._failed[key] = failed + 1
        if len(self._failed) > REQUESTS_KEPT:
            self._failed.popitem(last=False)
        return True
