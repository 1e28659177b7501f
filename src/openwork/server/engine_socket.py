"""WebSockets to the engine (terminals): opened upstream first, then relayed both ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    import aiohttp
    from starlette.types import Receive, Scope, Send

    from openwork.server.engine_call import EngineCall

LARGEST_MESSAGE_BYTES = 16 << 20


def require_same_origin(scope: Scope, allowed_origins: tuple[str, ...]) -> None:
    """Refuse a WebSocket opened by a page of another origin that is not allowed by name.

    A browser sends ``Origin`` with every WebSocket and asks nobody first, so ``*`` does not count.

    Raises:
        OpenWorkError: ``forbidden``.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or origin in allowed_origins:
        return
    if origin.partition("://")[2] != headers.get("host", ""):
        raise OpenWorkError(
            "forbidden", "WebSockets are not open to pages of another origin.", status=403
        )


async def relay_websocket(call: EngineCall, scope: Scope, receive: Receive, send: Send) -> None:
    """Relay one WebSocket until either side closes it.

    Raises:
        OpenWorkError: ``opencode_unreachable`` when the engine refuses or does not answer; the
            client's handshake is then refused too.
    """
    import aiohttp  # noqa: PLC0415  # 15 MB that a server without terminals never needs
    from yarl import URL  # noqa: PLC0415

    await receive()  # websocket.connect
    address = call.engine.base_url.replace("http", "ws", 1) + call.target.decode("latin-1")
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in call.headers
        if not name.startswith(b"sec-websocket-")
    ]
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(
                URL(address, encoded=True),
                headers=headers,
                protocols=scope.get("subprotocols", []),
                max_msg_size=LARGEST_MESSAGE_BYTES,
                autoping=True,
            ) as upstream,
        ):
            await send({"type": "websocket.accept", "subprotocol": upstream.protocol})
            down = asyncio.create_task(_down(upstream, send))
            up = asyncio.create_task(_up(upstream, receive))
            try:
                await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (down, up):
                    task.cancel()
                await asyncio.gather(down, up, return_exceptions=True)
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise OpenWorkError(
            "opencode_unreachable",
            f"The engine refused the WebSocket: {error}",
            status=502,
        ) from error


async def _down(upstream: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    """Engine to client; ends with the engine's close."""
    async for message in upstream:
        # aiohttp gives text as str and binary as bytes; pings and pongs it answers itself.
        if isinstance(message.data, str):
            await send({"type": "websocket.send", "text": message.data})
        elif isinstance(message.data, bytes):
            await send({"type": "websocket.send", "bytes": message.data})
    await send({"type": "websocket.close", "code": upstream.close_code or 1000})


async def _up(upstream: aiohttp.ClientWebSocketResponse, receive: Receive) -> None:
    """Client to engine; ends when the client leaves."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await upstream.send_str(message["text"])
        elif message.get("bytes") is not None:
            await upstream.send_bytes(message["bytes"])
