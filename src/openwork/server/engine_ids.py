"""The ids a prompt brings with it: below owner, they name nothing of another conversation.

The engine keeps a message under the id it is given, and writes over the message or part of that id
wherever it is (``INSERT … ON CONFLICT DO UPDATE``, OpenCode 1.18). Its clients make fresh ids, from
the time, so that they can show a message before it is stored. A part's id cannot be looked up: one
that is not in the prompt's own message is taken out, and the engine makes another.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError
from openwork.server.engine_lookup import ask
from openwork.server.engine_sessions import EngineRefusalError, object_at
from openwork.server.upstream import unreachable

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall
    from openwork.server.upstream import UpstreamPool

# A client whose clock is further off gets its messages into the wrong order anyway.
FRESH_MS = 10 * 60 * 1000
# A conversation is touched by each prompt and each step of the agent; no step takes longer.
TOUCHED_WITHIN_MS = 60 * 60 * 1000
# Each is asked for the message; a host has a few within an hour.
MOST_SESSIONS = 500
QUESTIONS_AT_ONCE = 8
_OK = 200
# The engine's ids: 48 bits of (milliseconds * 4096 + count), then random letters.
_MESSAGE = re.compile(r"msg_([0-9a-f]{12})[0-9A-Za-z]{1,64}")
_TIME_BITS = 36


async def settle_ids(call: EngineCall, pool: UpstreamPool, fields: dict[str, object]) -> bool:
    """Refuse a message's id that is not this session's or new; take out parts' ids likewise.

    Args:
        call: A prompt or a command.
        pool: The engine.
        fields: Its body; parts lose their ``id``.

    Returns:
        Whether ``fields`` was changed.

    Raises:
        OpenWorkError: ``invalid_payload`` for an id that is not fresh, ``forbidden`` for one that
            is taken; ``opencode_unreachable``.
    """
    parts = _parts(fields.get("parts"))
    message = fields.get("messageID")
    own: frozenset[str] = frozenset()
    if message is not None:
        if not isinstance(message, str) or not _MESSAGE.fullmatch(message):
            raise _not_fresh()
        stored = await _stored(call, pool, call.session or "", message)
        if stored is None:
            await _refuse_taken(call, pool, message)
        else:
            own = frozenset(
                str(each.get("id"))
                for each in _parts(stored.get("parts"))
                if each.get("sessionID") == call.session
            )
    changed = False
    for part in parts:
        given = part.get("id")
        if "id" in part and not (isinstance(given, str) and given in own):
            del part["id"]
            changed = True
    return changed


async def _refuse_taken(call: EngineCall, pool: UpstreamPool, message: str) -> None:
    now_ms = int(time.time() * 1000)
    if abs(_age_ms(message, now_ms)) > FRESH_MS:
        raise _not_fresh()
    since_ms = now_ms - FRESH_MS - TOUCHED_WITHIN_MS
    target = f"/experimental/session?archived=true&limit={MOST_SESSIONS}&start={since_ms}"
    status, _, raw = await ask(pool, call, target.encode())
    sessions = _parsed(raw)
    if status != _OK or not isinstance(sessions, list):
        raise unreachable("it does not say which sessions there are")
    listed = _parts(cast("list[object]", sessions))
    if len(listed) >= MOST_SESSIONS:
        raise OpenWorkError(
            "forbidden",
            "Too many conversations changed within the hour to tell whether 'messageID' is new.",
            hint="Leave 'messageID' out: the engine makes one.",
            status=403,
        )
    at_once = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def is_taken(session: str) -> bool:
        async with at_once:
            return await _stored(call, pool, session, message) is not None

    others = [str(each.get("id")) for each in listed if each.get("id") != call.session]
    if any(await asyncio.gather(*map(is_taken, others))):
        raise OpenWorkError(
            "forbidden",
            "The request was refused: 'messageID' is a message of another session.",
            status=403,
        )


async def _stored(
    call: EngineCall, pool: UpstreamPool, session: str, message: str
) -> dict[str, object] | None:
    missing = OpenWorkError("message_not_found", f"There is no message {message}.", status=404)
    path = f"/session/{session}/message/{message}"
    try:
        return await object_at(pool, call, path, (session, message), missing)
    except OpenWorkError as error:
        if error is not missing:
            raise
        return None
    except EngineRefusalError as refusal:
        raise unreachable(f"it answered {refusal.status} for a message") from refusal


def _age_ms(message: str, now_ms: int) -> int:
    """How long ago the id was made; negative in the future. Its time begins anew every 2 years."""
    found = _MESSAGE.fullmatch(message)
    made = int(found.group(1), 16) >> 12 if found else 0
    whole, half = 1 << _TIME_BITS, 1 << (_TIME_BITS - 1)
    return (now_ms - made + half) % whole - half


def _parts(value: object) -> list[dict[str, Any]]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise unreachable("it answered something that is no JSON") from error


def _not_fresh() -> OpenWorkError:
    return OpenWorkError(
        "invalid_payload",
        "'messageID' is neither a message of this session nor a fresh id.",
        hint="Leave it out: the engine makes one. Is this device's clock right?",
        status=400,
    )
