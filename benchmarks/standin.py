"""Stands in for the engine where the engine itself would be what is measured.

``GET /global/health`` answers at once, ``/event`` streams the time of sending every few
milliseconds, ``/global/event`` streams one event and then nothing, ``/open`` tells how many streams
are open. Run as ``python -m benchmarks.standin PORT``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

EVENT_EVERY_S = 0.005
HEALTH = b'{"healthy":true,"version":"1.18.33"}'
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
FIRST_EVENT = b'data: {"type":"server.connected","properties":{}}\n\n'


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


HEALTH_ANSWER = _answer(HEALTH)


class StandIn(asyncio.Protocol):
    """One connection."""

    streams: set[StandIn] = set()  # noqa: RUF012  # of all connections, which is the point
    ticking: set[StandIn] = set()  # noqa: RUF012

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's shape
        """Forget the stream."""
        self.streams.discard(self)
        self.ticking.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request; none has a body."""
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            self.write(self._respond(head.split(b" ", 2)[1].partition(b"?")[0]))

    def write(self, data: bytes) -> None:
        """Send ``data`` to the caller."""
        if self._transport is not None:
            self._transport.write(data)

    def _respond(self, path: bytes) -> bytes:
        if path == b"/global/health":
            return HEALTH_ANSWER
        if path == b"/open":
            return _answer(b"%d" % len(self.streams))
        self.streams.add(self)
        if path == b"/event":
            self.ticking.add(self)
        return STREAM_HEAD + _chunk(FIRST_EVENT)


async def serve(port: int) -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(StandIn, "127.0.0.1", port, backlog=2048):
        while True:
            await asyncio.sleep(EVENT_EVERY_S)
            for stream in list(StandIn.ticking):
                stream.write(_chunk(b"data: %d\n\n" % time.monotonic_ns()))


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
