"""Files as answers: streamed from an open descriptor, always for saving, never for showing.

``HEAD`` and one range of bytes are understood as RFC 9110 has them (9.3.2, 13.1.5, 14); a request
for several ranges is answered with the whole file, which it allows.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response

from openwork.common.errors import OpenWorkError
from openwork.server.any_json import AnyJson

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.types import Receive, Scope, Send

    from openwork.server.streams import Stream

BLOCK_BYTES = 256 * 1024
MEDIA_TYPE = "application/octet-stream"
LONGEST_NAME = 200
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*", re.IGNORECASE)
_MOST_DIGITS = 19  # any number of more is behind the end of every file

_BYTES: dict[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file's bytes.", "content": _BYTES},
    206: {"description": "The bytes that the Range header asked for.", "content": _BYTES},
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


def byte_range(header: str, size: int) -> range | None:
    """The bytes that a ``Range`` header asks for; None for all of them.

    Args:
        header: Its value; what is not one range of bytes is ignored.
        size: Of the file.

    Raises:
        OpenWorkError: ``range_not_satisfiable`` 416 when none of the bytes is there.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = (_number(text) if text else None for text in found.groups())
    if first is None:
        wanted = range(max(0, size - (last or 0)), size)
    elif last is None or last >= first:
        wanted = range(first, min(size, size if last is None else last + 1))
    else:
        return None
    if not wanted:
        raise OpenWorkError(
            "range_not_satisfiable",
            f"The file has {size:,} bytes, none of which is in {header[:LONGEST_NAME]!r}.",
            hint="Ask without a Range header.",
            status=416,
        )
    return wanted


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:_MOST_DIGITS] or "0")


class Download(Response):
    """The bytes of one file, or some of them.

    The file is opened once. Whoever replaces or deletes it meanwhile does not disturb it: the open
    one is sent, as long as it was when it was opened. A file cut short in place breaks the
    connection off, and so does what ends ``following``.

    Args:
        opening: Opens it; left when the answer has been sent. What it raises is the answer.
        name: What a browser saves it as.
        following: Counts the answer among its token's and its workspace's while it runs.
    """

    def __init__(
        self,
        opening: AbstractContextManager[BinaryIO],
        name: str,
        following: AbstractContextManager[Stream],
    ) -> None:
        self._opening = opening
        self._following = following
        self._begun = False
        super().__init__(
            media_type=MEDIA_TYPE,
            headers={
                "accept-ranges": "bytes",
                "content-disposition": content_disposition(name),
                "x-content-type-options": "nosniff",
                "cache-control": "no-store",
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close the file however that ends."""
        with self._following as stream, ExitStack() as opened:
            file = await asyncio.to_thread(opened.enter_context, self._opening)
            await self._answer(file, scope, receive, send)
        if self._begun:
            return
        if stream.ended_by == "revoked":
            raise OpenWorkError("unauthorized", "The token was revoked.", status=401)
        raise OpenWorkError("workspace_not_found", "The workspace was removed.", status=404)

    async def _answer(self, file: BinaryIO, scope: Scope, receive: Receive, send: Send) -> None:
        state = os.fstat(file.fileno())
        size = state.st_size
        tag = f'"{state.st_ino:x}.{state.st_mtime_ns:x}.{state.st_ctime_ns:x}.{size:x}"'
        self.headers["etag"] = tag
        try:
            wanted = _wanted(scope, tag, size)
        except OpenWorkError as error:
            self._begun = True
            headers = {"content-range": f"bytes */{size}", "cache-control": "no-store"}
            refusal = AnyJson(error.to_json(), status_code=error.status, headers=headers)
            await refusal(scope, receive, send)
            return
        if wanted is None:
            wanted = range(size)
        else:
            self.status_code = 206
            self.headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
        self.headers["content-length"] = str(len(wanted))
        self._begun = True
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if scope["method"] != "HEAD":
            await self._send_bytes(file, wanted, send)
        await send({"type": "http.response.body", "body": b""})

    async def _send_bytes(self, file: BinaryIO, wanted: range, send: Send) -> None:
        file.seek(wanted.start)
        left = len(wanted)
        while left:
            block = await asyncio.to_thread(file.read, min(left, BLOCK_BYTES))
            if not block:
                raise OSError(f"the file was cut short: {left} of {len(wanted)} bytes missing")
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": True})


def _wanted(scope: Scope, tag: str, size: int) -> range | None:
    headers = Headers(scope=scope)
    header = headers.get("range")
    # Whoever holds a part of another version gets this one whole. We give no dates to compare.
    if header is None or scope["method"] != "GET" or headers.get("if-range", tag) != tag:
        return None
    return byte_range(header, size)
