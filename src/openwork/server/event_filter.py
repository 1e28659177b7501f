"""The engine's streams of all folders' events, cut down to one workspace's. No I/O.

Only the streams of every folder pass here; ``/event`` is of one folder and is not looked at.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from openwork.server.upstream_connection import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_EVENT_BYTES = 16 << 20
# What is of no folder and tells of none.
_OF_ALL = ("server.", "global.", "installation.")
_NOWHERE = frozenset({"", "global"})


class EventFilter:
    """Lets a workspace's events through, and what is about the engine itself.

    Args:
        holds: Whether a folder lies in the workspace.
    """

    def __init__(self, holds: Callable[[str], bool]) -> None:
        self._holds = holds
        self._rest = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> bytes:
        """The part of the stream that may pass, up to the last whole event.

        Raises:
            UpstreamError: An event has no end within ``LARGEST_EVENT_BYTES``.
        """
        rest = self._rest
        rest += chunk
        end = rest.rfind(b"\n\n", max(self._searched - 1, 0))
        if end < 0:
            self._searched = len(rest)
            if self._searched > LARGEST_EVENT_BYTES:
                raise UpstreamError("an event is too large")
            return b""
        blocks = bytes(rest[:end]).split(b"\n\n")
        del rest[: end + 2]
        self._searched = len(rest)
        return b"".join(block + b"\n\n" for block in blocks if self._passes(block))

    def _passes(self, block: bytes) -> bool:
        data: list[bytes] = []
        for line in block.split(b"\n"):
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value)
        if not data:
            return b"\r" not in block  # a comment; a lone CR would be a line's end as well
        try:
            event: object = json.loads(b"\n".join(data))
        except (ValueError, RecursionError):
            return False
        return (
            b"\r" not in block
            and isinstance(event, dict)
            and self._is_ours(cast("dict[str, object]", event))
        )

    def _is_ours(self, event: dict[str, object]) -> bool:
        location = _fields(event.get("location"))
        folder = event.get("directory", location.get("directory", ""))
        if isinstance(folder, str) and folder not in _NOWHERE:
            return self._holds(folder)
        kind = _fields(event.get("payload")).get("type", event.get("type"))
        return isinstance(kind, str) and kind.startswith(_OF_ALL)


def _fields(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
