"""Who let the agent do what: answers to the engine's permission prompts, for the audit log."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.engine.describe import permission_text
from openwork.server.audit import AuditRecord
from openwork.server.engine_lookup import look_up

if TYPE_CHECKING:
    from openwork.server.audit import AuditLog
    from openwork.server.engine_call import EngineCall
    from openwork.server.upstream import UpstreamPool

_VERBS = {"once": "Allowed once", "always": "Allowed from now on", "reject": "Refused"}
# The audit log cuts at 4,000 characters; this leaves room for the words around the text.
LONGEST_RECORDED_BYTES = 3_700

logger = logging.getLogger(__name__)


async def look_up_permission(pool: UpstreamPool, call: EngineCall) -> str:
    """What the request on ``call``'s path asks for, such as ``edit summary.md``.

    Read from the engine before the answer is passed on, because it is gone afterwards; the id alone
    when the engine does not tell.
    """
    request_id = _request_id(call.path)
    try:
        waiting = await look_up(pool, call, b"/permission")
    except OpenWorkError as error:
        logger.warning("cannot look up permission %s: %s", request_id, error)
        return request_id
    for each in waiting:
        if each.get("id") == request_id:
            patterns = [str(pattern) for pattern in each.get("patterns", [])]
            kind = str(each.get("permission", "tool"))
            return bounded(permission_text(kind, patterns, str(call.workspace.path)))
    return request_id


async def record_reply(audit: AuditLog, call: EngineCall, described: str, body: bytes) -> None:
    """Record the answer that the engine has taken."""
    reply = reply_in(call, body)
    await audit.append(
        AuditRecord(
            call.workspace.id,
            call.actor,
            "permission.reply",
            described,
            f"{_VERBS.get(reply, reply)}: {described}",
            "denied" if reply == "reject" else "done",
        )
    )


def _request_id(path: str) -> str:
    """The permission's id in each of the engine's three reply routes."""
    found = re.search(r"(?i)/permissions?/([^/]+)", path)
    return found.group(1) if found else path


def reply_in(call: EngineCall, body: bytes) -> str:
    """What a reply says, read as the engine reads it: ``once``, ``always``, ``reject``."""
    try:
        parsed: object = json.loads(body.decode())
    except (ValueError, RecursionError):
        return "unreadable"
    if not isinstance(parsed, dict):
        return "unreadable"
    fields = cast("dict[str, object]", parsed)
    # The older route has a field of its own name.
    older = re.match(r"(?i)/session/", call.path)
    return str(fields.get("response" if older else "reply") or "unreadable")


def bounded(text: str) -> str:
    """``text``, or its beginning and the SHA-256 of the whole, so that nothing hides behind a cut.

    Without line ends and other control characters: an entry is a line.
    """
    plain = "".join(each if each.isprintable() else " " for each in text)
    raw = plain.encode(errors="replace")
    if len(raw) <= LONGEST_RECORDED_BYTES:
        return plain
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    beginning = raw[:LONGEST_RECORDED_BYTES].decode(errors="ignore")
    return f"{beginning}… (SHA-256 of the whole: {digest})"
