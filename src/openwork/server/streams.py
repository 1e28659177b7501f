"""Proxied requests in flight, by token, so that a revoked token's streams end at once."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Generator


class Stream:
    """One request in flight: ending it cancels the task that serves it.

    Attributes:
        ended_by: Who ended it early: the client by leaving, or a revoked token; None while it runs.
    """

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._over = False
        self.ended_by: Literal["client", "revoked"] | None = None

    def end(self, by: Literal["client", "revoked"]) -> None:
        """End it now. Does nothing once it is over."""
        if not self._over and self.ended_by is None:
            self.ended_by = by
            self._task.cancel()

    def close(self) -> None:
        """It is over; nobody may cancel its task any more."""
        self._over = True


class OpenStreams:
    """The streams of each token."""

    def __init__(self) -> None:
        """None."""
        self._by_token: dict[str, set[Stream]] = {}

    @contextmanager
    def opened(self, token_hash: str) -> Generator[Stream]:
        """Count the current task among the streams of a token while the block runs.

        A cancellation that came from :meth:`Stream.end` ends the block quietly.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream runs in a task")
        stream = Stream(task)
        streams = self._by_token.setdefault(token_hash, set())
        streams.add(stream)
        try:
            yield stream
        except asyncio.CancelledError:
            if stream.ended_by is None:
                raise
            task.uncancel()
        finally:
            stream.close()
            streams.discard(stream)
            if not streams:
                self._by_token.pop(token_hash, None)

    def cut(self, token_hash: str) -> None:
        """End every stream of a token now."""
        for stream in list(self._by_token.get(token_hash, ())):
            stream.end("revoked")
