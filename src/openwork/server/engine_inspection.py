"""Look into a body before it is passed on, without keeping everybody else waiting."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.server.engine_bodies import Bounds, check_body
from openwork.server.engine_commands import check_command
from openwork.server.engine_ids import settle_ids
from openwork.server.engine_lookup import look_up
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall
    from openwork.server.upstream import UpstreamPool

# Prompts carry files as data: addresses, a third larger than the file. 16 MB is a file of 12 MB;
# the providers take requests of 20 to 32 MB with the whole conversation in it.
BODY_LIMIT_BYTES = 16_000_000
IN_THREAD_ABOVE_BYTES = 64 * 1024
# The parser holds the interpreter's lock, in a thread too: what it may have to build is bounded.
# Measured: 200,000 objects 0.04 s, a million numbers 0.06 s, 5,000,000 objects 0.7 s.
MOST_CONTAINERS = 200_000
MOST_COMMAS = 1_000_000


async def inspect(call: EngineCall, pool: UpstreamPool, body: bytes) -> bytes:
    """Refuse a body that the caller may not send; what is to be sent instead of it.

    Raises:
        OpenWorkError: ``invalid_json``, ``invalid_payload``, ``forbidden``;
            ``opencode_unreachable`` when a command or an id cannot be looked up.
    """
    if call.rule.inspect is None or not body:
        return body
    if len(body) > IN_THREAD_ABOVE_BYTES:
        fields = await asyncio.to_thread(_checked, call, body)
    else:
        fields = _checked(call, body)
    if call.rule.inspect == "command":
        await _inspect_command(call, pool, fields)
    if call.rule.prompts and await settle_ids(call, pool, fields):
        if len(body) > IN_THREAD_ABOVE_BYTES:
            return await asyncio.to_thread(_packed, fields)
        return _packed(fields)
    return body


def _checked(call: EngineCall, body: bytes) -> dict[str, object]:
    if call.rule.inspect is None:
        return {}
    containers = body.count(b"{") + body.count(b"[")
    if containers > MOST_CONTAINERS or body.count(b",") > MOST_COMMAS:
        raise OpenWorkError(
            "invalid_payload", "The body has too many parts to be looked through.", status=400
        )
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OpenWorkError("invalid_json", "The body is not valid JSON.", status=400) from error
    by_owner = call.actor.scope >= Scope.OWNER
    check_body(call.rule.inspect, parsed, Bounds(call.workspace.path), by_owner=by_owner)
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}


def _packed(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


async def _inspect_command(call: EngineCall, pool: UpstreamPool, fields: dict[str, object]) -> None:
    arguments = str(fields.get("arguments") or "")
    bounds = Bounds(call.workspace.path)
    for each in await look_up(pool, call, b"/command"):
        if each.get("name") == fields.get("command"):
            template = str(each.get("template") or "")
            if len(arguments) + len(template) > IN_THREAD_ABOVE_BYTES:
                await asyncio.to_thread(check_command, template, arguments, bounds)
            else:
                check_command(template, arguments, bounds)
