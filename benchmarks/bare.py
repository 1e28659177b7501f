"""The least an ASGI server can do: the baseline for what serving costs without OpenWork."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.standin import FIRST_EVENT, HEALTH

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The stand-in's answers: its health, and one event and then nothing for ``/global/event``."""
    if scope["type"] != "http":
        return
    streams = scope["path"] == "/global/event"
    kind = b"text/event-stream" if streams else b"application/json"
    headers = [(b"content-type", kind)]
    if not streams:
        headers.append((b"content-length", b"%d" % len(HEALTH)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = FIRST_EVENT if streams else HEALTH
    await send({"type": "http.response.body", "body": body, "more_body": streams})
    if streams:
        await receive()  # the empty body
        await receive()  # the client leaves
