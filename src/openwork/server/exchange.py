"""One proxied HTTP request and its answer, streamed both ways."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.server.access import body_too_large
from openwork.server.engine_answers import error_without_secrets
from openwork.server.engine_call import returned_headers
from openwork.server.errors import NOT_FOUND
from openwork.server.upstream import unreachable
from openwork.server.upstream_connection import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Send

    from openwork.server.engine_call import EngineCall, RawHeaders
    from openwork.server.event_filter import EventFilter
    from openwork.server.streams import Stream
    from openwork.server.upstream import UpstreamPool
    from openwork.server.upstream_connection import Connection

# A client that leaves earlier is noticed when this time is over: most answers need no watching, and
# a timer costs a fiftieth of a task.
WATCH_AFTER_S = 0.05
# The engine's own command (`opencode run --attach`) ends when the answer to its prompt is there and
# prints what its event stream brought until then: the events get this much of a lead.
EVENTS_LEAD_S = 0.5
# The engine's list of all models is 6.5 MB.
LARGEST_KEPT_ANSWER_BYTES = 64 << 20
LARGEST_KEPT_ERROR_BYTES = 1 << 20
FIRST_ERROR_STATUS = 400

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WholeAnswer:
    """An answer of the engine that was read to its end before the caller gets it.

    Attributes:
        status: HTTP status.
        headers: Those to be returned, without a content-length.
        body: Its body.
    """

    status: int
    headers: RawHeaders
    body: bytes


class Exchange:
    """Passes a request on and its answer back.

    A client that leaves ends the engine's side at once, also while nothing is being sent: only
    ``http.disconnect`` tells.
    """

    def __init__(
        self,
        pool: UpstreamPool,
        call: EngineCall,
        receive: Receive,
        send: Send,
        stream: Stream,
    ) -> None:
        self._pool = pool
        self._call = call
        self._receive = receive
        self._send = send
        self._stream = stream
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._body_read = not call.has_body
        self.answering = False

    async def read_body(self, limit_bytes: int) -> bytes:
        """The caller's whole body.

        Raises:
            OpenWorkError: ``body_too_large``.
        """
        chunks: list[bytes] = []
        size = 0
        async for chunk in self._body():
            size += len(chunk)
            if size > limit_bytes:
                raise body_too_large(limit_bytes)
            chunks.append(chunk)
        return b"".join(chunks)

    async def run(
        self,
        body: bytes | None,
        *,
        before: Callable[[int], Awaitable[None]] | None = None,
        events: EventFilter | None = None,
    ) -> None:
        """Make the request and answer the caller.

        Args:
            body: The body when it has been read already; None streams it.
            before: Called with the status before the caller is told anything.
            events: What a stream of events is cut down with.

        Raises:
            OpenWorkError: ``opencode_unreachable`` when the engine does not answer at all.
        """
        connection = await self._request(body)
        try:
            if before is not None:
                await before(connection.status)
            if connection.status >= FIRST_ERROR_STATUS and self._call.hides_errors:
                await self._answer_error(connection)
            else:
                await self._answer(connection, events)
        except UpstreamError as error:
            # The head is out: only cutting the connection tells the client.
            logger.warning("the engine broke off its answer to %s: %s", self._call.path, error)
        finally:
            self._pool.release(connection)

    async def fetch(self, body: bytes | None) -> WholeAnswer:
        """Make the request and read the answer to its end; :meth:`reply` gives it to the caller.

        Raises:
            OpenWorkError: ``opencode_unreachable``, also for an answer that breaks off or is larger
                than ``LARGEST_KEPT_ANSWER_BYTES``.
        """
        connection = await self._request(body)
        chunks: list[bytes] = []
        size = 0
        try:
            _refuse_page(connection.headers)
            async for chunk in connection.chunks():
                size += len(chunk)
                if size > LARGEST_KEPT_ANSWER_BYTES:
                    raise unreachable("its answer is too large")
                chunks.append(chunk)
        except UpstreamError as error:
            raise unreachable(str(error)) from error
        finally:
            self._pool.release(connection)
        headers = returned_headers(connection.headers)
        kept = [pair for pair in headers if pair[0] != b"content-length"]
        return WholeAnswer(connection.status, kept, b"".join(chunks))

    async def reply(self, answer: WholeAnswer) -> None:
        """Give the caller an answer that was read before."""
        self.answering = True
        start = {"type": "http.response.start", "status": answer.status}
        length = (b"content-length", b"%d" % len(answer.body))
        headers = answer.headers if self._call.method == b"HEAD" else [*answer.headers, length]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": answer.body})

    async def _request(self, body: bytes | None) -> Connection:
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)
        call = self._call
        data = body if body is not None else (None if self._body_read else self._body())
        return await self._pool.request(call.method, call.target, call.headers, data)

    def close(self) -> None:
        """Stop watching the client."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def reply_error(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Give the caller an error of the engine: it may quote a configuration file, keys and all.

        Args:
            status: HTTP status.
            headers: As the engine sent them.
            body: As the engine sent it.
        """
        _refuse_page(headers)
        kept = returned_headers(headers)
        if self._call.hides_errors and body:
            coding = next((value for name, value in kept if name == b"content-encoding"), b"")
            body = error_without_secrets(body, coding.decode("latin-1"))
            kept = [pair for pair in kept if pair[0] != b"content-encoding"]
        kept = [pair for pair in kept if pair[0] != b"content-length"]
        await self.reply(WholeAnswer(status, kept, body))

    async def _answer_error(self, connection: Connection) -> None:
        raw = b""
        async for chunk in connection.chunks():
            raw += chunk
            if len(raw) > LARGEST_KEPT_ERROR_BYTES:
                break  # what is cut off is not JSON any more, and is not shown
        await self.reply_error(connection.status, connection.headers, raw)

    async def _answer(self, connection: Connection, events: EventFilter | None) -> None:
        _refuse_page(connection.headers)
        send = self._send
        headers = returned_headers(connection.headers)
        self.answering = True
        await send({"type": "http.response.start", "status": connection.status, "headers": headers})
        if events is not None:
            async for chunk in connection.chunks():
                passed = events.feed(chunk)
                if passed:
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        if self._call.rule.prompts:
            await asyncio.sleep(EVENTS_LEAD_S)
        whole = connection.take_whole()
        if whole is not None:
            await send({"type": "http.response.body", "body": whole})
            return
        async for chunk in connection.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _body(self) -> AsyncIterator[bytes]:
        while not self._body_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._stream.end("client")
                # What came so far must not pass for the whole body: wait to be cancelled.
                await asyncio.get_running_loop().create_future()
            self._body_read = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    def _watch(self) -> None:
        if self._body_read:
            self._watcher = asyncio.create_task(self._wait_for_disconnect())
        else:  # the upload itself sees the client leave
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)

    async def _wait_for_disconnect(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._stream.end("client")
                return


def _refuse_page(headers: RawHeaders) -> None:
    """The engine answers unknown paths with its own web page; that is no API answer."""
    for name, value in headers:
        if name.lower() == b"content-type" and value.lower().startswith(b"text/html"):
            raise NOT_FOUND
