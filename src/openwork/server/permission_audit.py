"""Who let the agent do what: answers to the engine's permission prompts, for the audit log."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.engine.describe import describe_permission
from openwork.server.audit import AuditRecord
from openwork.server.engine_lookup import look_up

if TYPE_CHECKING:
    from openwork.server.audit import AuditLog
    from openwork.server.engine_call import EngineCall
    from openwork.server.upstream import UpstreamPool

_VERBS = {"once": "Allowed once", "always": "Allowed from now on", "reject": "Refused"}

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
            return describe_permission(kind, patterns, str(call.workspace.path))
    return request_id


async def record_reply(audit: AuditLog, call: EngineCall, described: str, body: bytes) -> None:
    """Record the answer that the engine has taken."""
    reply = _reply(body)
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


def _reply(body: bytes) -> str:
    try:
        parsed: object = json.loads(body)
    except ValueError:
        return "unreadable"
    if not isinstance(parsed, dict):
        return "unreadable"
    fields = cast("dict[str, object]", parsed)
    return str(fields.get("reply") or fields.get("response") or "unreadable")
