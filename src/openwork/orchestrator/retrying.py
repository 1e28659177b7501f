"""How long a task waits for a model that cannot be reached.

The engine tries again for ever, with growing pauses, and tells it as the session's status:
``{type: retry, attempt, message, next}`` (``session.status`` of OpenCode 1.18).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ATTEMPTS = 4
LONGEST_RETRYING_S = 60.0
UNREACHABLE_HINT = (
    "Check the network, the provider's entry in opencode.jsonc and its sign-in "
    "(openwork engine auth list), then give the task again."
)


@dataclass(frozen=True)
class Retry:
    """The model did not answer; the engine will try again.

    Attributes:
        attempt: How often it has tried, from 1.
        reason: What went wrong, as the engine says it.
    """

    attempt: int
    reason: str


@dataclass
class Patience:
    """Counts attempts and time until a model answers.

    Attributes:
        most_attempts: How often the engine may fail.
        longest_s: For how many seconds it may, from the first failure on.
        clock: Monotonic seconds.
    """

    most_attempts: int = MOST_ATTEMPTS
    longest_s: float = LONGEST_RETRYING_S
    clock: Callable[[], float] = time.monotonic
    _last: Retry | None = None
    _since: float = field(default=0.0)

    def note(self, status: dict[str, Any]) -> Retry | None:
        """Read a session's status: the failure it tells, None when that is nothing new."""
        if status.get("type") != "retry":
            return None
        retry = Retry(int(status.get("attempt") or 1), str(status.get("message") or "no answer"))
        if self._last is None:
            self._since = self.clock()
        elif retry == self._last:
            return None
        self._last = retry
        return retry

    def answered(self) -> None:
        """The model answers: what failed before does not count any more."""
        self._last = None

    @property
    def exhausted(self) -> bool:
        """Whether it is time to give up."""
        if self._last is None:
            return False
        waited_s = self.clock() - self._since
        return self._last.attempt >= self.most_attempts or waited_s >= self.longest_s

    def explain(self, model: str) -> str:
        """Why the task is given up."""
        attempts, reason = (self._last.attempt, self._last.reason) if self._last else (0, "")
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return f"the model {model} cannot be reached ({tried}): {reason}"
