"""One proxied HTTP request and its answer, streamed both ways."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from openwork.server.access import body_too_large
from openwork.server.engine_call import returned_headers
from openwork.server.errors import NOT_FOUND
from openwork.server.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Send

    from openwork.server.engine_call import EngineCall, RawHeaders
    from openwork.server.streams import Stream
    from openwork.server.upstream import Connection, UpstreamPool

# A client that leaves earlier is noticed when this time is over: most answers need no watching, and
# a timer costs a fiftieth of a task.
WATCH_AFTER_S = 0.05

logger = logging.getLogger(__name__)


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

    async def run(self, body: bytes | None) -> int:
        """Make the request and answer the caller; returns the status answered, 0 for a broken one.

        Args:
            body: The body when it has been read already; None streams it.

        Raises:
            OpenWorkError: ``opencode_unreachable`` when the engine does not answer at all.
        """
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)
        call = self._call
        data = body if body is not None else (None if self._body_read else self._body())
        connection = await self._pool.request(call.method, call.target, call.headers, data)
        try:
            await self._answer(connection)
        except UpstreamError as error:
            # The head is out: only cutting the connection tells the client.
            logger.warning("the engine broke off its answer to %s: %s", call.path, error)
            return 0
        finally:
            self._pool.release(connection)
        return connection.status

    def close(self) -> None:
        """Stop watching the client."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def _answer(self, connection: Connection) -> None:
        if _is_page(connection.headers):
            # The engine answers unknown paths with its own web page; that is no API answer.
            raise NOT_FOUND
        send = self._send
        headers = returned_headers(connection.headers)
        self.answering = True
        await send({"type": "http.response.start", "status": connection.status, "headers": headers})
        async for chunk in connection.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _body(self) -> AsyncIterator[bytes]:
        while not self._body_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._stream.end("client")
                return
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


def _is_page(headers: RawHeaders) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/html")
        for name, value in headers
    )
