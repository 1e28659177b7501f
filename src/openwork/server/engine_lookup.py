"""Ask the engine something on behalf of a call that is being looked at."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

from openwork.server.upstream import unreachable

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall
    from openwork.server.upstream import UpstreamPool

LOOKUP_TIMEOUT_S = 2.0


async def look_up(pool: UpstreamPool, call: EngineCall, path: bytes) -> list[dict[str, Any]]:
    """The objects of the list that ``GET path`` answers, in the folder of ``call``.

    Raises:
        OpenWorkError: ``opencode_unreachable``: no answer in time, or one that is no JSON.
    """
    wanted = {b"authorization", b"x-opencode-directory"}
    headers = [pair for pair in call.headers if pair[0] in wanted]
    query = call.target.partition(b"?")[2]  # it may choose another folder
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            connection = await pool.request(
                b"GET", path + (b"?" + query if query else b""), headers
            )
            try:
                raw = b"".join([chunk async for chunk in connection.chunks()])
            finally:
                pool.release(connection)
        value: object = json.loads(raw)
    except (TimeoutError, OSError, ValueError) as error:
        raise unreachable(str(error) or type(error).__name__) from error
    # The engine answers an error with one object instead of a list.
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]
