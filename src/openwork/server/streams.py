"""Requests in flight, so that those of a revoked token or a removed workspace end at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

Ending = Literal["client", "revoked", "removed"]


class Stream:
    """One request in flight, counted while the ``with`` block runs.

    Ending it cancels the task that serves it; such a cancellation ends the block quietly. (A class
    and no generator: each proxied request makes one.)

    Attributes:
        ended_by: What ended it early: the client by leaving, a revoked token, a removed workspace;
            None while it runs.
    """

    def __init__(self, counted: dict[str, set[Stream]], owners: tuple[str, str]) -> None:
        """Serve it in the current task.

        Raises:
            RuntimeError: There is none.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream runs in a task")
        self._task = task
        self._counted = counted
        self._owners = owners
        self._over = False
        self.ended_by: Ending | None = None

    def __enter__(self) -> Self:
        """Count it."""
        for owner in self._owners:
            self._counted.setdefault(owner, set()).add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """It is over; nobody may cancel its task any more."""
        self._over = True
        for owner in self._owners:
            streams = self._counted[owner]
            streams.discard(self)
            if not streams:
                del self._counted[owner]
        if self.ended_by is None or not isinstance(error, asyncio.CancelledError):
            return False
        self._task.uncancel()
        return True

    def end(self, by: Ending) -> None:
        """End it now. Does nothing once it is over."""
        if not self._over and self.ended_by is None:
            self.ended_by = by
            self._task.cancel()


class OpenStreams:
    """The streams of each token and each workspace."""

    def __init__(self) -> None:
        """None."""
        self._by_owner: dict[str, set[Stream]] = {}

    def opened(self, token_hash: str, workspace_id: str) -> Stream:
        """The current task, for a ``with``: a stream of a token and of a workspace."""
        return Stream(self._by_owner, (token_hash, workspace_id))

    def cut(self, token_hash: str) -> None:
        """End every stream of a token now."""
        self._end(token_hash, "revoked")

    def cut_workspace(self, workspace_id: str) -> None:
        """End every stream of a workspace now."""
        self._end(workspace_id, "removed")

    def _end(self, owner: str, by: Ending) -> None:
        for stream in list(self._by_owner.get(owner, ())):
            stream.end(by)
