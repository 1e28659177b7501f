"""The audit log: append-only JSON lines, each chained to the one before by a hash.

One file a workspace: ``<data dir>/audit/<workspace id>.jsonl``. An entry is ``{id, workspaceId,
actor, action, target, summary, timestamp, outcome, previous, hash}``; ``hash`` is the SHA-256 of
``previous`` followed by the entry's canonical JSON without ``hash``. An entry is on disk before the
change it reports is answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.files import PRIVATE_FILE_MODE, ensure_private_dir
from openwork.common.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openwork.server.auth import Actor

AuditOutcome = Literal["done", "denied", "timeout", "withdrawn", "failed"]
GENESIS = "0" * 64
TAIL_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True)
class AuditRecord:
    """What is to be recorded; the log adds id, time and chain."""

    workspace_id: str
    actor: Actor
    action: str
    target: str
    summary: str
    outcome: AuditOutcome = "done"


class AuditLog:
    """The audit logs of one server. One process owns the folder."""

    def __init__(self, data_dir: Path) -> None:
        """Logs live in ``data_dir/audit``."""
        self._folder = data_dir / "audit"
        self._locks: dict[str, asyncio.Lock] = {}
        self._last_hash: dict[str, str] = {}

    async def append(self, record: AuditRecord) -> int:
        """Record it durably; returns its time in milliseconds since the epoch.

        Raises:
            OSError: The log cannot be written. The caller must then fail the change.
        """
        lock = self._locks.setdefault(record.workspace_id, asyncio.Lock())
        async with lock:
            return await asyncio.to_thread(self._append, record)

    async def tail(self, workspace_id: str, limit: int) -> list[dict[str, Any]]:
        """The newest ``limit`` entries, newest first, without loading the whole file."""
        return await asyncio.to_thread(self._tail, workspace_id, limit)

    def _path(self, workspace_id: str) -> Path:
        return self._folder / f"{workspace_id}.jsonl"

    def _append(self, record: AuditRecord) -> int:
        path = self._path(record.workspace_id)
        timestamp = time.time_ns() // 1_000_000
        previous = self._last_hash.get(record.workspace_id)
        torn = False
        if previous is None:
            ensure_private_dir(self._folder)
            previous, torn = _chain_end(path)
        entry: dict[str, Any] = {
            "id": new_id(),
            "workspaceId": record.workspace_id,
            "actor": record.actor.to_json(),
            "action": record.action,
            "target": record.target,
            "summary": record.summary,
            "timestamp": timestamp,
            "outcome": record.outcome,
            "previous": previous,
        }
        entry["hash"] = chain_hash(entry)
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE)
        try:
            # A line cut short by a crash is kept on a line of its own: nothing is rewritten.
            _write_all(descriptor, b"\n" + line if torn else line)
            os.fsync(descriptor)
        except OSError:
            # Part of the line may be there: the next entry looks at the file again.
            self._last_hash.pop(record.workspace_id, None)
            raise
        finally:
            os.close(descriptor)
        self._last_hash[record.workspace_id] = entry["hash"]
        return timestamp

    def _tail(self, workspace_id: str, limit: int) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        for line in _lines_backwards(self._path(workspace_id)):
            entry = _parse(line)
            if entry is not None:
                entries.append(entry)
                if len(entries) == limit:
                    break
        return entries


def _write_all(descriptor: int, data: bytes) -> None:
    """A full disk may take a part first and refuse the rest only when asked again."""
    while data:
        data = data[os.write(descriptor, data) :]


def chain_hash(entry: dict[str, Any]) -> str:
    """The hash that ``entry`` must carry, from its ``previous`` and its own fields."""
    body = {key: value for key, value in entry.items() if key != "hash"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((entry["previous"] + canonical).encode()).hexdigest()


def _chain_end(path: Path) -> tuple[str, bool]:
    """The hash of the last whole entry, and whether a torn line follows it."""
    if not path.exists() or path.stat().st_size == 0:
        return GENESIS, False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        torn = stream.read(1) != b"\n"
    for line in _lines_backwards(path):
        entry = _parse(line)
        if entry is not None:
            return str(entry.get("hash", GENESIS)), torn
    return GENESIS, torn


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """The file's non-empty lines from the last to the first, read block by block."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        position = stream.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            size = min(TAIL_BLOCK_BYTES, position)
            position -= size
            stream.seek(position)
            lines = (stream.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from (line for line in reversed(lines[1:]) if line)
        if rest:
            yield rest
