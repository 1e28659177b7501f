"""Writes of one turn of the event loop sent together: one system call instead of two an answer.

uvicorn writes the head of an answer and its body apart, though most answers of ours have both at
once. Nothing waits longer than until the turn ends, so that a stream's head still goes out at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openwork.server.head_limit import HeadLimitedProtocol

if TYPE_CHECKING:
    import asyncio


class CorkedTransport:
    """A transport that keeps what is written until the turn of the event loop ends.

    Everything else is the wrapped transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send ``data`` after all that was written before, at the latest when this turn ends."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def writelines(self, list_of_data: list[bytes]) -> None:
        """As :meth:`write`, for several."""
        for data in list_of_data:
            self.write(data)

    def write_eof(self) -> None:
        """Send what is kept, and that nothing follows."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what is kept and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))


class CorkedProtocol(HeadLimitedProtocol):
    """The server's HTTP protocol: bounded heads, corked writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the cork between uvicorn and the transport."""
        corked: Any = CorkedTransport(transport, self.loop)
        super().connection_made(corked)
