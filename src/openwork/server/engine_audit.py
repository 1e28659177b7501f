"""What a client makes the engine do outside a conversation, for the audit log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from openwork.server.audit import AuditRecord
from openwork.server.engine_policy import is_act
from openwork.server.json_body import LARGE_BODY_BYTES
from openwork.server.permission_audit import bounded
from openwork.server.scope import Scope
from openwork.workspace.secrets import redact_text

if TYPE_CHECKING:
    from openwork.server.audit import AuditLog
    from openwork.server.engine_call import EngineCall

ACTION = "engine.change"
FIRST_ERROR_STATUS = 300
MOST_KEYS = 20


def is_recorded(call: EngineCall) -> bool:
    """Whether this act gets an entry: what needs an owner, and what a session cannot take back."""
    if not is_act(call.method.decode(), call.rule):
        return False
    return bool(call.rule.records) or call.rule.least is Scope.OWNER


def describe_act(call: EngineCall, body: bytes | None) -> str:
    """One line on an act: method and path, and of the body what is no secret.

    The command of a shell, keys blotted out; of a configuration the names of what is set.
    """
    said = f"{call.method.decode()} {call.path}"
    if call.rule.tells is None or not body:
        return bounded(said)
    if len(body) > LARGE_BODY_BYTES:  # reading it would make everybody wait
        return bounded(f"{said}: a body of {len(body):,} bytes")
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return bounded(f"{said}: unreadable")
    fields = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
    if call.rule.tells == "command":
        return bounded(f"{said}: {redact_text(str(fields.get('command', '')))}")
    names = [redact_text(key) for key in list(fields)[:MOST_KEYS]]
    more = ", …" if len(fields) > MOST_KEYS else ""
    return bounded(f"{said}: {', '.join(names)}{more}")


class ActRecord:
    """The entry of one act; written once, whatever becomes of the act.

    Attributes:
        written: Whether it is being written or has been.
    """

    def __init__(self, audit: AuditLog, call: EngineCall, described: str) -> None:
        """Nothing written yet."""
        self._audit = audit
        self._call = call
        self._described = described
        self.written = False

    async def answered(self, status: int) -> None:
        """The engine has answered with ``status``; the caller has not been told yet."""
        failed = status >= FIRST_ERROR_STATUS
        note = f" (the engine answered {status})" if failed else ""
        await self._write("failed" if failed else "done", note)

    async def unanswered(self) -> None:
        """There is no answer: the engine ended, or the caller left. It may have been done."""
        await self._write("failed", " (no answer: it may have been done)")

    async def _write(self, outcome: str, note: str) -> None:
        self.written = True
        call = self._call
        record = AuditRecord(
            call.workspace.id,
            call.actor,
            call.rule.records or ACTION,
            call.path,
            self._described + note,
            "done" if outcome == "done" else "failed",
        )
        await self._audit.append(record)
