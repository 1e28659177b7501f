"""What happened to each automation: JSON lines in ``.opencode/openwork/agentlab/logs/ID.jsonl``.

A run has one line when it is over (``done``, ``failed``, ``timeout``, ``interrupted``), and one
more (``permission_needed``) when it began to wait for a person; ``missed`` stands for a whole
stretch in which nothing could run, ``skipped`` for a run that was due while the one before went on.
Times are ISO 8601 with the host's offset, so that the text can be read as it is. A file keeps its
newest lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from openwork.common.errors import OpenWorkError
from openwork.common.log import scrub
from openwork.workspace.automations import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from openwork.workspace.paths import Entry, SafePath, WorkspaceRoot

Outcome = Literal[
    "done", "failed", "timeout", "interrupted", "permission_needed", "missed", "skipped"
]
Trigger = Literal["schedule", "manual"]
SUFFIX = ".jsonl"
MAX_LOG_BYTES = 200_000
KEPT_LOG_BYTES = 150_000  # after a cut, so that not every line cuts again
MAX_LOGS = 200
LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line.

    Attributes:
        run: What it is about: a run's id, or one made of the moment that was missed.
        outcome: What became of it.
        time: When this was written.
        trigger: What asked for the run.
        planned: The moment it was due, None for a manual run.
        session_id: The engine's session, None when it came to none.
        duration_ms: From the start of the run until now, None when there was no run.
        message: Why, in words.
        count: How many runs a ``missed`` line stands for.
    """

    run: str
    outcome: Outcome
    time: datetime
    trigger: Trigger = "schedule"
    planned: datetime | None = None
    session_id: str | None = None
    duration_ms: int | None = None
    message: str | None = None
    count: int | None = None

    def to_line(self) -> bytes:
        """One JSON object: each field under its wire name, those that are None left out."""
        message = None if self.message is None else scrub(self.message)[:LONGEST_MESSAGE]
        fields = {
            "time": self.time.isoformat(timespec="seconds"),
            "outcome": self.outcome,
            "trigger": self.trigger,
            "run": self.run,
            "plannedAt": None if self.planned is None else self.planned.isoformat(),
            "sessionId": self.session_id,
            "durationMs": self.duration_ms,
            "count": self.count,
            "message": message,
        }
        known = {key: value for key, value in fields.items() if value is not None}
        text = json.dumps(known, ensure_ascii=False)
        return text.encode(errors="replace") + b"\n"  # an engine's error may hold half a character


def log_path(root: WorkspaceRoot, automation_id: str) -> SafePath:
    """The log of one automation."""
    return root.top.child(*FOLDER, "logs", automation_id + SUFFIX)


def append(root: WorkspaceRoot, automation_id: str, entry: LogEntry) -> None:
    """Add a line, durably; a run that has a line of its end gets no second one.

    Raises:
        OpenWorkError: As ``SafePath.read`` and ``SafePath.write_bytes``.
    """
    path = log_path(root, automation_id)
    found = path.stat()
    lines = [] if found is None else path.read_bytes().splitlines(keepends=True)
    if entry.outcome != "permission_needed" and _has_end(lines, entry.run):
        return
    if lines and not lines[-1].endswith(b"\n"):  # cut short by hand
        lines[-1] += b"\n"
    lines.append(entry.to_line())
    if sum(map(len, lines)) > MAX_LOG_BYTES:
        lines = _newest(lines)
    path.write_bytes(b"".join(lines))
    if found is None:
        _prune(root, keep=path.name)


def list_logs(root: WorkspaceRoot) -> list[dict[str, Any]]:
    """``[{id, path, size, updatedAt}]``, newest first; ``path`` is relative to the workspace."""
    return [
        {
            "id": each.path.name.removesuffix(SUFFIX),
            "path": each.path.relative,
            "size": each.stat.size,
            "updatedAt": each.stat.mtime_ns // 1_000_000,
        }
        for each in _logs(root)
    ]


def read_log(root: WorkspaceRoot, automation_id: str) -> str:
    """One automation's log, oldest line first; bytes that are no UTF-8 are shown as ``�``.

    Raises:
        OpenWorkError: ``log_not_found`` 404; as ``SafePath.read``.
    """
    for each in _logs(root):
        if each.path.name == automation_id + SUFFIX:
            content = each.path.read_bytes(max_bytes=16 * MAX_LOG_BYTES)
            return content.decode(errors="replace")
    raise OpenWorkError(
        "log_not_found",
        f"There is no log of an automation {automation_id!r}.",
        hint="An automation has a log once it has run.",
        status=404,
    )


def parse_lines(content: str) -> Iterator[dict[str, Any]]:
    """The entries of a log's text; lines that are none are left out."""
    for line in content.split("\n"):  # splitlines() would split inside a text, at U+2028
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield cast("dict[str, Any]", value)


def _has_end(lines: list[bytes], run: str) -> bool:
    named = [line.decode(errors="replace") for line in lines if run.encode() in line]
    return any(
        entry.get("run") == run and entry.get("outcome") != "permission_needed"
        for entry in parse_lines("\n".join(named))
    )


def _newest(lines: list[bytes]) -> list[bytes]:
    size, kept = 0, 0
    for line in reversed(lines):
        size += len(line)
        if size > KEPT_LOG_BYTES and kept:
            break
        kept += 1
    return lines[-kept:]


def _logs(root: WorkspaceRoot) -> list[Entry]:
    folder = root.top.child(*FOLDER, "logs")
    if not folder.is_dir():
        return []
    found = [
        each
        for each in folder.entries()
        if each.stat.kind == "file" and each.path.name.endswith(SUFFIX)
    ]
    return sorted(found, key=lambda each: each.stat.mtime_ns, reverse=True)


def _prune(root: WorkspaceRoot, keep: str) -> None:
    """Logs of automations that are long gone make room."""
    for each in _logs(root)[MAX_LOGS:]:
        if each.path.name != keep:
            each.path.delete()
