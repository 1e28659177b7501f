"""Ask the engine something on behalf of a call that is being looked at."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

from openwork.server.upstream import unreachable

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall, RawHeaders
    from openwork.server.upstream import UpstreamPool

# The first question about a folder makes the engine load its configuration, plugins and tools:
# seconds on a slow machine. Whoever made the call that is looked at waits meanwhile.
LOOKUP_TIMEOUT_S = 10.0
LARGEST_ANSWER_BYTES = 16 << 20
_WANTED = frozenset({b"authorization", b"x-opencode-directory"})


async def ask(pool: UpstreamPool, call: EngineCall, target: bytes) -> tuple[int, RawHeaders, bytes]:
    """Status, headers and body of ``GET target``, in the folder of ``call``.

    Raises:
        OpenWorkError: ``opencode_unreachable``: no answer in time, or too large a one.
    """
    headers = [pair for pair in call.headers if pair[0] in _WANTED]
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            connection = await pool.request(b"GET", target, headers)
            try:
                async for chunk in connection.chunks():
                    size += len(chunk)
                    if size > LARGEST_ANSWER_BYTES:
                        raise unreachable("its answer is too large")
                    chunks.append(chunk)
            finally:
                pool.release(connection)
    except TimeoutError as error:
        raise unreachable(f"nothing within {LOOKUP_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise unreachable(str(error) or type(error).__name__) from error
    return connection.status, connection.headers, b"".join(chunks)


async def look_up(pool: UpstreamPool, call: EngineCall, path: bytes) -> list[dict[str, Any]]:
    """The objects of the list that ``GET path`` answers, in the folder of ``call``.

    Raises:
        OpenWorkError: ``opencode_unreachable``: no answer in time, or one that is no JSON.
    """
    query = call.target.partition(b"?")[2]  # it may choose another folder
    _, _, raw = await ask(pool, call, path + (b"?" + query if query else b""))
    try:
        value: object = json.loads(raw)
    except ValueError as error:
        raise unreachable(str(error)) from error
    # The engine answers an error with one object instead of a list.
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]
