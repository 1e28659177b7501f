"""Server-sent events: bytes in, events out. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT_BYTES = 64 << 20


@dataclass(frozen=True)
class ServerSentEvent:
    """One dispatched event (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Attributes:
        data: The joined ``data`` lines.
        event: The ``event`` field, ``message`` when absent.
        id: The ``id`` field, or None.
    """

    data: str
    event: str = "message"
    id: str | None = None


class SseParser:
    """Turns the bytes of a stream into events, however they are cut."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self._rest: list[bytes] = []
        self._size = 0
        self._data: list[str] = []
        self._event = ""
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events completed by ``chunk``.

        Raises:
            ValueError: A single event is larger than ``MAX_EVENT_BYTES``.
        """
        self._rest.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_EVENT_BYTES:
            raise ValueError(f"an event is larger than {MAX_EVENT_BYTES} bytes")
        if b"\n" not in chunk:  # a large event arrives in many parts: join them once
            return []
        lines = b"".join(self._rest).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = [lines.pop()]
        events: list[ServerSentEvent] = []
        for line in lines:
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
        return events

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data, event = self._data, self._event or "message"
        self._data, self._event = [], ""
        self._size = len(self._rest[0])
        return ServerSentEvent("\n".join(data), event, self._id) if data else None
