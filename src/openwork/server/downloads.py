"""Files as answers: streamed from an open descriptor, always for saving, never for showing."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from starlette.responses import Response

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.types import Receive, Scope, Send

BLOCK_BYTES = 256 * 1024
MEDIA_TYPE = "application/octet-stream"
LONGEST_NAME = 200

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file's bytes.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def content_disposition(name: str) -> str:
    """``attachment`` with ``name`` as RFC 6266 has it.

    The plain form is for everybody; where it had to be changed, the encoded one (RFC 8187) follows.
    """
    shown = name[:LONGEST_NAME]
    plain = "".join(each if _is_plain(each) else "_" for each in shown) or "file"
    header = f'attachment; filename="{plain}"'
    if plain == shown:
        return header
    encoded = quote(shown.encode("utf-8", "replace"), safe="")
    return f"{header}; filename*=UTF-8''{encoded}"


def _is_plain(character: str) -> bool:
    return " " <= character <= "~" and character not in '"\\/%'


class Download(Response):
    """The bytes of one open file.

    Whoever replaces or deletes the file meanwhile does not disturb it: the open one is sent, as
    long as it was when it was opened. A file cut shorter in place breaks the connection off.
    """

    def __init__(self, opened: ExitStack, stream: BinaryIO, name: str) -> None:
        self._opened = opened
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size
        super().__init__(
            status_code=200,
            media_type=MEDIA_TYPE,
            headers={
                "content-length": str(self._size),
                "content-disposition": content_disposition(name),
                "x-content-type-options": "nosniff",
                "cache-control": "no-store",
            },
        )

    @staticmethod
    async def of(opening: AbstractContextManager[BinaryIO], name: str) -> Download:
        """Open a file and make its answer.

        Args:
            opening: Opens it; left when the answer has been sent.
            name: What a browser saves it as.

        Raises:
            OpenWorkError: What ``opening`` raises.
        """
        stack = ExitStack()
        stream = await asyncio.to_thread(stack.enter_context, opening)
        return Download(stack, stream, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close the file however that ends."""
        del scope, receive
        with self._opened:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            left = self._size
            while left:
                block = await asyncio.to_thread(self._stream.read, min(left, BLOCK_BYTES))
                if not block:
                    raise OSError(f"the file was cut short: {left} of {self._size} bytes missing")
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
