"""One connection to the engine: a request out, its answer in, as it arrives.

It parses with httptools (the parser uvicorn uses) and hands bytes through without building
header objects: a quarter of aiohttp's time a request (figures in ``benchmarks/``).
Bodies are streamed with back-pressure in both directions.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Body = bytes | AsyncIterator[bytes] | None

PAUSE_READING_ABOVE_BYTES = 256 * 1024
LARGEST_HEAD_BYTES = 128 * 1024

RawHeaders = list[tuple[bytes, bytes]]


class UpstreamError(ConnectionError):
    """The engine closed the connection, or sent what is not HTTP."""


class Connection(asyncio.Protocol):
    """One connection to the engine; at most one request at a time.

    Attributes:
        status: Of the answer, once its head is there.
        headers: Of the answer; names as sent.
        complete: The answer has been received to its end.
        last_used: Monotonic seconds.
        answered: A byte of the current answer has arrived.
        on_lost: Called when the connection has ended while idle.
    """

    def __init__(self) -> None:
        """Not connected yet."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._can_write: asyncio.Future[None] | None = None
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._head_bytes = 0
        self._reading_paused = False
        self._failure: UpstreamError | None = None
        self._headers_done = False
        self._keep_alive = False
        self._sent = False
        self.status = 0
        self.headers: RawHeaders = []
        self.complete = False
        self.answered = False
        self.last_used = time.monotonic()
        self.on_lost: Callable[[Connection], None] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse; the callbacks below fill this object."""
        self.answered = True
        if self._parser is None or self.complete:
            self._fail("the engine sent bytes nobody asked for")
            return
        if not self._headers_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the engine's answer is not HTTP: {error}")
            return
        if not self._headers_done and self._head_bytes > LARGEST_HEAD_BYTES:
            self._fail("the head of the engine's answer is too large")
            return
        self._wake()

    def eof_received(self) -> bool:
        """An answer without a length ends with the connection."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the current answer: well, when its end is the connection's end."""
        whole = self._headers_done and exc is None and self._failure is None
        if whole and not self.complete and self._ends_with_connection():
            self.complete = True
        elif self._failure is None:
            self._failure = UpstreamError(str(exc) if exc else "the engine closed the connection")
        self._wake()
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        """The send buffer is full."""
        self._can_write = self._loop.create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        self._can_write = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A second answer where one was asked for must not be mixed up with the first."""
        if self.complete:
            raise UpstreamError("the engine sent an answer nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._parser is None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # informational: the real answer follows
            self.headers = []
            return
        self.status = status
        self._headers_done = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._chunks.append(body)
        self._buffered += len(body)
        over = self._buffered > PAUSE_READING_ABOVE_BYTES
        if over and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self._headers_done and self._parser is not None:
            self.complete = True
            self._keep_alive = self._parser.should_keep_alive()  # reset once this returns

    # What the pool calls.

    @property
    def usable(self) -> bool:
        """Whether it can take another request."""
        transport = self._transport
        return self._failure is None and transport is not None and not transport.is_closing()

    @property
    def broken(self) -> bool:
        """Whether the other side ended it, or sent what is no answer."""
        return self._failure is not None

    @property
    def reusable(self) -> bool:
        """Whether the answer ended so that another may follow."""
        ended = self.complete and self._sent and not self._chunks
        return ended and self._keep_alive and self.usable

    def abort(self) -> None:
        """Close at once: the engine sees its client leave."""
        if self._transport is not None:
            self._transport.abort()

    async def request(self, head: bytes, body: Body, *, chunked: bool, without_body: bool) -> None:
        """Send a request and wait for the head of its answer.

        Args:
            head: Request line and headers, the empty line included.
            body: Sent after it.
            chunked: Whether a streamed body has no declared length.
            without_body: The answer has no body whatever it declares (HEAD).

        Raises:
            UpstreamError: The engine closed the connection or sent no HTTP.
        """
        self._parser = httptools.HttpResponseParser(self)
        self._chunks.clear()
        self._buffered = self._head_bytes = self.status = 0
        self._headers_done = self.complete = self.answered = self._keep_alive = False
        self._sent = False
        self.headers = []
        transport = self._transport
        if transport is None:
            raise UpstreamError("not connected")
        if body is None or isinstance(body, bytes):
            transport.write(head + body if body else head)
            self._sent = True
            await self._wait_for_head()
        else:
            transport.write(head)
            await self._upload(transport, body, chunked=chunked)
        if without_body:
            self.complete = True

    async def _upload(
        self, transport: asyncio.Transport, body: AsyncIterator[bytes], *, chunked: bool
    ) -> None:
        """Send the body until it ends, or until the engine answers: then the rest is not wanted."""
        sender = asyncio.create_task(self._send_body(transport, body, chunked=chunked))
        head = asyncio.create_task(self._wait_for_head())
        try:
            await asyncio.wait({sender, head}, return_when=asyncio.FIRST_COMPLETED)
            if not head.done():
                await sender  # the caller's failure is ours
            await head
        finally:
            for task in (sender, head):
                task.cancel()
            await asyncio.gather(sender, head, return_exceptions=True)

    async def _send_body(
        self, transport: asyncio.Transport, body: AsyncIterator[bytes], *, chunked: bool
    ) -> None:
        async for chunk in body:
            transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if self._can_write is not None:
                await self._can_write
        if chunked:
            transport.write(b"0\r\n\r\n")
        self._sent = True

    async def _wait_for_head(self) -> None:
        while not self._headers_done:
            await self._wait()

    def take_whole(self) -> bytes | None:
        """The body when all of it is here already, else None."""
        if not self.complete or self._reading_paused:
            return None
        body = b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it arrives.

        Raises:
            UpstreamError: The connection broke before the end.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._buffered -= len(chunk)
                yield chunk
            if self._reading_paused and self._transport is not None and self.usable:
                self._reading_paused = False
                self._transport.resume_reading()
            if self.complete:
                return
            await self._wait()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        self._failure = UpstreamError(reason)
        self.abort()
        self._wake()

    def _ends_with_connection(self) -> bool:
        names = {name.lower() for name, _ in self.headers}
        return not names & {b"content-length", b"transfer-encoding"}
