"""A TCP relay between the browser and the server, so that a test can cut the line."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CHUNK_BYTES = 65_536


class Relay:
    """Passes bytes on to ``port`` while the line is up; :meth:`cut` ends what is open.

    Attributes:
        base: Its own address, ``http://127.0.0.1:PORT``.
        refused: How many connections came while the line was down.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._up = True
        self._writers: set[asyncio.StreamWriter] = set()
        self.base = ""
        self.refused = 0
        self.tried_while_down = asyncio.Event()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._up = False
        self.tried_while_down.clear()
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._up = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        if not self._up:
            self.refused += 1
            self.tried_while_down.set()
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        pair = {writer, server_writer}
        self._writers |= pair
        try:
            await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def running_relay(port: int) -> AsyncGenerator[Relay]:
    """A relay to ``127.0.0.1:port``; ended with the block."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        relay.cut()
        server.close()
        await server.wait_closed()
