"""One proxied HTTP request and its answer, streamed both ways."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import aiohttp

from openwork.common.errors import OpenWorkError
from openwork.server.access import body_too_large
from openwork.server.engine_call import returned_headers
from openwork.server.errors import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Send

    from openwork.server.engine_call import EngineCall
    from openwork.server.streams import Stream

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
        http: aiohttp.ClientSession,
        call: EngineCall,
        receive: Receive,
        send: Send,
        stream: Stream,
    ) -> None:
        self._http = http
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

    async def run(self, method: str, body: bytes | None) -> int:
        """Make the request and answer the caller; returns the status answered.

        Args:
            method: The HTTP method.
            body: The body when it has been read already; None streams it.

        Raises:
            OpenWorkError: ``opencode_unreachable`` when the engine does not answer at all.
        """
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)
        data = body if body is not None else (None if self._body_read else self._body())
        call = self._call
        try:
            async with self._http.request(
                method, call.url, headers=call.headers, data=data, allow_redirects=False
            ) as response:
                return await self._answer(response)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            if self.answering:  # the headers are out: only cutting the connection tells the client
                logger.warning("the engine broke off its answer to %s: %s", call.path, error)
                return 0
            raise OpenWorkError(
                "opencode_unreachable",
                f"The engine does not answer: {error or type(error).__name__}",
                hint="It may be restarting: try again in a moment.",
                status=502,
            ) from error

    def close(self) -> None:
        """Stop watching the client."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def _answer(self, response: aiohttp.ClientResponse) -> int:
        if response.content_type == "text/html":
            # The engine answers unknown paths with its own web page; that is no API answer.
            raise NOT_FOUND
        send = self._send
        headers = returned_headers(response.raw_headers)
        self.answering = True
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send(start)
        async for chunk in response.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return response.status

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
