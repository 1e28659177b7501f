"""An answer given before the body was read closes the connection, so that the rest is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A small rest is cheaper to read and forget than a new connection.
SMALL_BODY_BYTES = 64 * 1024


class UnreadBodyMiddleware:
    """Adds ``Connection: close`` when a large or undeclared body has not been read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            if message["type"] == "http.response.start" and not finished:
                headers = [*message.get("headers", []), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, watched, closing)


def _may_be_large(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding"
        or (name == b"content-length" and (not value.isdigit() or int(value) > SMALL_BODY_BYTES))
        for name, value in headers
    )
