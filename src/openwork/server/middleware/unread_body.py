"""An answer given before the body was read closes the connection, so that the rest is not taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A small rest is cheaper to read and forget than a new connection.
SMALL_BODY_BYTES = 64 * 1024
# A connection closed at once is reset, and a client still sending would never see the answer.
LINGER_BYTES = 32 << 20
LINGER_S = 2.0


class UnreadBodyMiddleware:
    """Closes the connection, after a moment, when a large body has not been read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _may_be_large(scope["headers"]):
            await self._app(scope, receive, send)
            return
        finished = False

        async def watched() -> Message:
            nonlocal finished
            message = await receive()
            finished = finished or not message.get("more_body", False)
            return message

        async def closing(message: Message) -> None:
            if finished:
                await send(message)
            elif message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"connection", b"close")]
                await send({**message, "headers": headers})
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await _linger(receive)
                await send({"type": "http.response.body", "body": b""})

        await self._app(scope, watched, closing)


async def _linger(receive: Receive) -> None:
    """Take a little more of the body, so that the client comes to read the answer."""
    taken = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while taken < LINGER_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _may_be_large(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:  # a loop: a generator would cost each request three times as much
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return not value.isdigit() or int(value) > SMALL_BODY_BYTES
    return False
