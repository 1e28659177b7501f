"""Whose session it is: the engine opens any session of its store, whatever folder is asked for."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.server.engine_bodies import allows_tools
from openwork.server.engine_lookup import ask
from openwork.server.scope import Scope
from openwork.server.upstream import unreachable

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall, RawHeaders
    from openwork.server.upstream import UpstreamPool

MOST_KNOWN_SESSIONS = 4096
_OK = 200
_NOT_FOUND = 404
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART = re.compile(r"/session/[^/]+/message/([^/]+)/part/([^/]+)", re.IGNORECASE)


class EngineRefusalError(Exception):
    """The engine cannot say where a session is, and why: its answer is for the caller.

    Attributes:
        status: HTTP status.
        headers: Of its answer.
        body: Its answer.
    """

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        super().__init__(f"the engine answered {status}")
        self.status = status
        self.headers = headers
        self.body = body


class SessionFolders:
    """Where the sessions of the engines are.

    A session keeps its folder (the engine's way to move one is refused), so a folder once learnt is
    kept; whether it lies in the workspace is asked anew each time, because links change.
    """

    def __init__(self) -> None:
        """None known."""
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def check(self, pool: UpstreamPool, call: EngineCall) -> None:
        """Refuse a call for a session that is not the workspace's, or not the caller's to prompt.

        Raises:
            OpenWorkError: ``session_not_found`` 404; ``part_not_found`` 404 for a change of a part
                that is not the session's; ``forbidden`` for a prompt below owner in a session
                whose permissions are lifted; ``opencode_unreachable``.
            EngineRefusalError: The engine does not tell.
        """
        session = call.session
        if session is None:
            return
        lifted = call.rule.prompts and call.actor.scope < Scope.OWNER
        key = (call.engine.base_url, session)
        folder = self._known.get(key)
        if folder is None or lifted:
            info = await _info(pool, call, session)
            folder = info.get("directory")
            if not isinstance(folder, str):
                raise _not_found(session)
            self._remember(key, folder)
        else:
            self._known.move_to_end(key)
            info = {}
        if not call.holds(folder):
            raise _not_found(session)
        if lifted and allows_tools(info.get("permission")):
            raise OpenWorkError(
                "forbidden",
                "This session's permission prompts were lifted by an owner: what is asked in it"
                " runs unasked, so only owners may prompt here.",
                hint="Start a new session.",
                status=403,
            )
        if call.rule.inspect == "part":
            await _require_own_part(pool, call, session)

    def _remember(self, key: tuple[str, str], folder: str) -> None:
        self._known[key] = folder
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN_SESSIONS:
            self._known.popitem(last=False)


async def _info(pool: UpstreamPool, call: EngineCall, session: str) -> dict[str, object]:
    return await object_at(pool, call, f"/session/{session}", (session,), _not_found(session))


async def _require_own_part(pool: UpstreamPool, call: EngineCall, session: str) -> None:
    """Refuse a change of a part that is not in the session's own message.

    OpenCode 1.18.33 holds the body's ids against the path's, but not the path's against each other:
    under a session of one's own it writes into a message of any session, or over any part. What is
    to be deleted it looks for in the session alone.

    Raises:
        OpenWorkError: ``part_not_found`` 404; ``opencode_unreachable``.
        EngineRefusalError: The engine does not tell.
    """
    found = _PART.fullmatch(call.path)
    if found is None or call.method == b"DELETE":
        return
    message, part = found.groups()
    missing = OpenWorkError(
        "part_not_found",
        f"There is no part {part[:128]} in the message {message[:128]} of this session.",
        status=404,
    )
    path = f"/session/{session}/message/{message}"
    answer = await object_at(pool, call, path, (session, message, part), missing)
    parts = answer.get("parts")
    listed = cast("list[object]", parts) if isinstance(parts, list) else []
    known = [cast("dict[str, object]", each) for each in listed if isinstance(each, dict)]
    if part not in (each.get("id") for each in known):
        raise missing


async def object_at(
    pool: UpstreamPool, call: EngineCall, path: str, ids: tuple[str, ...], missing: OpenWorkError
) -> dict[str, object]:
    """What ``GET path`` answers; ``missing`` is raised when an id is none or is not there."""
    if not all(map(_ID.fullmatch, ids)):
        raise missing
    status, headers, body = await ask(pool, call, path.encode())
    if status == _NOT_FOUND:
        raise missing
    if status != _OK:
        raise EngineRefusalError(status, headers, body)
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unreachable("it does not say where that is") from error
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _not_found(session: str) -> OpenWorkError:
    return OpenWorkError(
        "session_not_found", f"There is no session {session[:128]} in this workspace.", status=404
    )
