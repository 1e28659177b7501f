"""uvicorn's HTTP protocol with bounds on a request's head: uvicorn itself sets none.

Without them somebody with no token could fill the memory with header lines, or keep connections
open with heads that never end.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 20.0
TOO_LARGE = OpenWorkError(
    "headers_too_large",
    f"The request's head has more than {MAX_HEAD_BYTES:,} bytes.",
    hint="Send large values in the body.",
    status=431,
)


class HeadLimitedProtocol(HttpToolsProtocol):
    """Closes a connection that sends too much, or waits too long, between two steps of a request.

    A step is a complete head, a piece of a body, or a body's end: trailers and chunk extensions are
    bounded with the head.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # uvicorn's
        """As uvicorn's."""
        super().__init__(*args, **options)
        self._stepped = False
        self._bytes_without_step = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first head."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and see whether that came to anything."""
        self._stepped = False
        super().data_received(data)
        if self._stepped:
            self._bytes_without_step = 0
            self._cancel_timer()
            return
        self._bytes_without_step += len(data)
        if self._bytes_without_step > MAX_HEAD_BYTES:
            self._refuse()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._close)

    def on_headers_complete(self) -> None:
        """A step."""
        self._stepped = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A step."""
        self._stepped = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A step."""
        self._stepped = True
        super().on_message_complete()

    def _refuse(self) -> None:
        if not self.cycle or self.cycle.response_complete:
            body = json.dumps(TOO_LARGE.to_json()).encode()
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                b"content-type: application/json\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
        self._close()

    def _close(self) -> None:
        self._cancel_timer()
        self.transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
