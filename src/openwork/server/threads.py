"""The threads that blocking work runs in: changes have their own, so that readers starve no change.

``asyncio.to_thread`` gives its work to the loop's default executor. Ours looks at whether a change
is under way where it was called: the body of a gate's change, or an entry for the audit log.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

    P = ParamSpec("P")
    T = TypeVar("T")

# A workspace has one change at a time; entries of its log follow one another too.
MOST_CHANGING = 8

_changing: ContextVar[bool] = ContextVar("changing", default=False)


@contextmanager
def for_a_change() -> Generator[None]:
    """What the block gives to threads belongs to a change."""
    before = _changing.get()
    _changing.set(True)
    try:
        yield
    finally:
        _changing.set(before)


class Threads(ThreadPoolExecutor):
    """A loop's default executor, with threads of their own for changes."""

    def __init__(self) -> None:
        """Threads are started as they are needed."""
        super().__init__(thread_name_prefix="reading")
        self._changes = ThreadPoolExecutor(MOST_CHANGING, thread_name_prefix="changing")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in a thread."""
        if _changing.get():
            return self._changes.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all threads once they are done."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._changes.shutdown(wait, cancel_futures=cancel_futures)
