"""Requests in flight, so that those of a revoked token or a removed workspace end at once."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Generator

Ending = Literal["client", "revoked", "removed"]


class Stream:
    """One request in flight: ending it cancels the task that serves it.

    Attributes:
        ended_by: What ended it early: the client by leaving, a revoked token, a removed workspace;
            None while it runs.
    """

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._over = False
        self.ended_by: Ending | None = None

    def end(self, by: Ending) -> None:
        """End it now. Does nothing once it is over."""
        if not self._over and self.ended_by is None:
            self.ended_by = by
            self._task.cancel()

    def close(self) -> None:
        """It is over; nobody may cancel its task any more."""
        self._over = True


class OpenStreams:
    """The streams of each token and each workspace."""

    def __init__(self) -> None:
        """None."""
        self._by_owner: dict[str, set[Stream]] = {}

    @contextmanager
    def opened(self, token_hash: str, workspace_id: str) -> Generator[Stream]:
        """Count the current task among a token's and a workspace's streams while the block runs.

        A cancellation that came from :meth:`Stream.end` ends the block quietly.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream runs in a task")
        stream = Stream(task)
        owners = (token_hash, workspace_id)
        for owner in owners:
            self._by_owner.setdefault(owner, set()).add(stream)
        try:
            yield stream
        except asyncio.CancelledError:
            if stream.ended_by is None:
                raise
            task.uncancel()
        finally:
            stream.close()
            for owner in owners:
                self._by_owner[owner].discard(stream)
                if not self._by_owner[owner]:
                    del self._by_owner[owner]

    def cut(self, token_hash: str) -> None:
        """End every stream of a token now."""
        self._end(token_hash, "revoked")

    def cut_workspace(self, workspace_id: str) -> None:
        """End every stream of a workspace now."""
        self._end(workspace_id, "removed")

    def _end(self, owner: str, by: Ending) -> None:
        for stream in list(self._by_owner.get(owner, ())):
            stream.end(by)
