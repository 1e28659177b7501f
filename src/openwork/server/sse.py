"""Server-sent events to our own clients: headers at once, a sign of life, an end when it is due.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from openwork.server.streams import OpenStreams

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from openwork.server.auth import Actor

    Serve = Callable[[AsyncGenerator["ServerEvent"], Receive, Send], Awaitable[None]]

# Proxies cut a connection that is silent for a minute or so.
KEEPALIVE_S = 15.0
# A client that takes nothing any more is not waited for.
LAST_WORD_S = 1.0
MEDIA_TYPE = "text/event-stream"
# For the OpenAPI document: such an answer has no end.
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events, without end.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event.

    Attributes:
        data: JSON. None sends the id alone: clients remember it and see no event.
        event: Its name; "" for the unnamed ones (``onmessage``).
        id: What a client sends as ``Last-Event-ID`` to go on behind this one.
    """

    data: object = None
    event: str = ""
    id: int | None = None

    def encode(self) -> bytes:
        """As it goes over the wire."""
        lines = [f"id: {self.id}"] if self.id is not None else []
        if self.event:
            lines.append(f"event: {self.event}")
        if self.data is not None:
            lines.append(f"data: {json.dumps(self.data, ensure_ascii=False)}")
        return ("\n".join(lines) + "\n\n").encode(errors="replace")


class EventStreams:
    """The event streams of one server, by token and workspace."""

    def __init__(self) -> None:
        """None are open."""
        self._open = OpenStreams()
        self._tokens: Counter[str] = Counter()

    def response(
        self, events: AsyncGenerator[ServerEvent], actor: Actor, workspace_id: str = ""
    ) -> EventStream:
        """``events`` (of a workspace) as an answer to ``actor``."""
        return EventStream(events, partial(self._serve, actor.token_hash, workspace_id))

    def cut(self, token_hash: str) -> None:
        """End the streams of a token: it was revoked."""
        self._open.cut(token_hash)

    def cut_workspace(self, workspace_id: str) -> None:
        """End the streams of a workspace: it is served no more."""
        self._open.cut_workspace(workspace_id)

    def stop(self) -> None:
        """End all: the server stops, and should not have to wait for them."""
        for token_hash in list(self._tokens):
            self._open.cut(token_hash)

    async def _serve(
        self,
        token_hash: str,
        workspace_id: str,
        events: AsyncGenerator[ServerEvent],
        receive: Receive,
        send: Send,
    ) -> None:
        self._tokens[token_hash] += 1
        try:
            with self._open.opened(token_hash, workspace_id):
                await _send_all(events, receive, send)
        finally:
            self._tokens[token_hash] -= 1
            if not self._tokens[token_hash]:
                del self._tokens[token_hash]


class EventStream(Response):
    """An answer of server-sent events. Nothing is queued: a slow client slows its source."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[ServerEvent], serve: Serve) -> None:
        self._events = events
        self._serve = serve
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Answer."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": list(self.raw_headers)}
        )
        async with aclosing(self._events):
            await self._serve(self._events, receive, send)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_all(events: AsyncGenerator[ServerEvent], receive: Receive, send: Send) -> None:
    gone = asyncio.create_task(_departure(receive))
    following: asyncio.Task[ServerEvent | None] | None = None
    try:
        await _send(send, b": open\n\n")
        while True:
            following = following or asyncio.create_task(_next(events))
            done, _ = await asyncio.wait(
                {gone, following}, timeout=KEEPALIVE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if gone in done:
                return
            if following not in done:
                await _send(send, b": alive\n\n")
                continue
            event, following = following.result(), None
            if event is None:
                return
            await _send(send, event.encode())
    finally:
        for task in (gone, following):
            if task is not None:
                task.cancel()
        await asyncio.gather(gone, *([following] if following else []), return_exceptions=True)


async def _send(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _next(events: AsyncGenerator[ServerEvent]) -> ServerEvent | None:
    return await anext(events, None)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
