"""The audit log: append-only, one file a workspace, ``<data dir>/audit/<workspace id>.jsonl``.

Its lines are those of :mod:`openwork.server.audit_chain`. An entry is on disk before the change it
reports is answered.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.errors import OpenWorkError
from openwork.common.files import PRIVATE_FILE_MODE, ensure_private_dir
from openwork.common.ids import new_id
from openwork.server import audit_chain, audit_pages
from openwork.server.threads import for_a_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openwork.server.audit_pages import AuditFilter, Page
    from openwork.server.auth import Actor

AuditOutcome = Literal["done", "denied", "timeout", "withdrawn", "failed"]
LONGEST_TEXT_CHARS = 4_000
# The longest entry there can be, several times.
LEAST_ROOM_BYTES = 1_000_000


@dataclass(frozen=True)
class AuditRecord:
    """What is to be recorded; the log adds id, time and chain.

    Attributes:
        reason: Why it came out so, where the outcome alone does not say it: ``restart``.
        decided_by: Who allowed or denied it, when somebody was asked.
    """

    workspace_id: str
    actor: Actor
    action: str
    target: str
    summary: str
    outcome: AuditOutcome = "done"
    reason: str = ""
    decided_by: Actor | None = None


# The log of what concerns no workspace.
SERVER_LOG = "server"


class AuditLog:
    """The audit logs of one server. One process owns the folder."""

    def __init__(self, data_dir: Path) -> None:
        """Logs live in ``data_dir/audit``."""
        self._folder = data_dir / "audit"
        self._locks: dict[str, asyncio.Lock] = {}
        self._checks: dict[str, asyncio.Lock] = {}
        self._last_hash: dict[str, str] = {}

    async def append(self, record: AuditRecord) -> int:
        """Record it durably; returns its time in milliseconds since the epoch.

        Raises:
            OSError: The log cannot be written. The caller must then fail the change.
        """
        async with self._lock(record.workspace_id):
            with for_a_change():
                return await asyncio.to_thread(self._append, record)

    async def require_writable(self, workspace_id: str) -> None:
        """See that an entry can be added now, before what it will tell of is done.

        Raises:
            OpenWorkError: ``audit_unavailable`` 503.
        """
        async with self._lock(workspace_id):
            with for_a_change():
                await asyncio.to_thread(self._try_out, self._path(workspace_id))

    async def tail(self, workspace_id: str, limit: int) -> list[dict[str, Any]]:
        """The newest ``limit`` entries, newest first, without loading the whole file."""
        page = await self.page(workspace_id, limit, audit_pages.EVERYTHING)
        return list(page.items)

    async def page(
        self, workspace_id: str, limit: int, wanted: AuditFilter, before: str = ""
    ) -> Page:
        """At most ``limit`` matching entries, newest first; see :func:`audit_pages.read_page`.

        Raises:
            OpenWorkError: ``invalid_payload`` 400: ``before`` names no place in this log.
        """
        path = self._path(workspace_id)
        return await asyncio.to_thread(audit_pages.read_page, path, limit, wanted, before)

    async def verify(self, workspace_id: str) -> audit_chain.Verdict:
        """Whether every entry is as it was written. One check of a workspace at a time."""
        async with self._checks.setdefault(workspace_id, asyncio.Lock()):
            size_bytes = await self.size(workspace_id)
            head = self._last_hash.get(workspace_id)
            return await asyncio.to_thread(_check, self._path(workspace_id), size_bytes, head)

    async def size(self, workspace_id: str) -> int:
        """How many bytes of whole entries there are now; entries added later lie behind them."""
        async with self._lock(workspace_id):
            path = self._path(workspace_id)
            return path.stat().st_size if path.exists() else 0

    def entries(self, workspace_id: str, size_bytes: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """The entries in the first ``size_bytes``, oldest first, each with its line. Blocking."""
        return audit_pages.read_forwards(self._path(workspace_id), size_bytes)

    def _lock(self, workspace_id: str) -> asyncio.Lock:
        return self._locks.setdefault(workspace_id, asyncio.Lock())

    def _path(self, workspace_id: str) -> Path:
        return self._folder / f"{workspace_id}.jsonl"

    def _try_out(self, path: Path) -> None:
        try:
            ensure_private_dir(self._folder)
            descriptor = _open(path)
            try:
                disk = os.fstatvfs(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unavailable(path, str(error)) from error
        free_bytes = disk.f_bavail * disk.f_frsize
        # Some file systems say that they have no blocks at all.
        if disk.f_blocks and free_bytes < LEAST_ROOM_BYTES:
            raise _unavailable(path, f"only {free_bytes:,} bytes are free on its disk")

    def _append(self, record: AuditRecord) -> int:
        path = self._path(record.workspace_id)
        timestamp = time.time_ns() // 1_000_000
        end = _ChainEnd(self._last_hash.get(record.workspace_id, ""))
        if not end.hash:
            ensure_private_dir(self._folder)
            end = _chain_end(path)
        line, digest = audit_chain.seal(_entry(record, timestamp, end))
        descriptor = _open(path)
        try:
            # A line cut short by a crash is kept on a line of its own: nothing is rewritten.
            _write_all(descriptor, (b"\n" if end.unended else b"") + line + b"\n")
            os.fsync(descriptor)
        except OSError:
            # Part of the line may be there: the next entry looks at the file again.
            self._last_hash.pop(record.workspace_id, None)
            raise
        finally:
            os.close(descriptor)
        self._last_hash[record.workspace_id] = digest
        return timestamp


@dataclass(frozen=True)
class _ChainEnd:
    """What the next entry follows.

    Attributes:
        hash: Of the last whole entry.
        torn: The hash of the lines behind it that a crash cut short, "" for none.
        unended: The file's last line has no line end.
    """

    hash: str
    torn: str = ""
    unended: bool = False


def _chain_end(path: Path) -> _ChainEnd:
    if not path.exists() or path.stat().st_size == 0:
        return _ChainEnd(audit_chain.GENESIS)
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        unended = stream.read(1) != b"\n"
        rest: list[bytes] = []
        begun = True
        previous = ""
        size_bytes = stream.seek(0, os.SEEK_END)
        for _, line in audit_pages.read_backwards(stream, size_bytes):
            digest = audit_chain.sealed_hash(line)
            if digest is not None:
                previous = digest
                break
            # What is neither sealed nor torn was edited, or is of a server before ours: the next
            # entry does not vouch for it here.
            begun = begun and audit_chain.could_be_torn(line)
            if begun:
                rest = [line, *rest]
        if not previous:
            stream.seek(0)
            previous = audit_chain.legacy_hash(stream, size_bytes)
    return _ChainEnd(previous, audit_chain.torn_hash(rest) if rest else "", unended)


def _entry(record: AuditRecord, timestamp: int, end: _ChainEnd) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": new_id(),
        "workspaceId": record.workspace_id,
        "actor": _actor(record.actor),
        "action": record.action,
        "target": _text(record.target),
        "summary": _text(record.summary),
        "timestamp": timestamp,
        "outcome": record.outcome,
    }
    if record.decided_by is not None:
        entry["decidedBy"] = _actor(record.decided_by)
    if record.reason:
        entry["reason"] = record.reason
    if end.torn:
        entry["torn"] = end.torn
    return entry | {"previous": end.hash}


def _actor(actor: Actor) -> dict[str, str]:
    return {key: _text(str(value)) for key, value in actor.to_json().items()}


def _text(value: str) -> str:
    """``value`` as it can be written: valid UTF-8, and not without end."""
    if len(value) > LONGEST_TEXT_CHARS:
        value = value[:LONGEST_TEXT_CHARS] + "…"
    return value.encode(errors="replace").decode()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE)


def _unavailable(path: Path, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "audit_unavailable",
        f"The change was not made, because it could not be recorded in {path}: {reason}.",
        hint="Let the server write its audit log, then try again.",
        status=503,
    )


def _write_all(descriptor: int, data: bytes) -> None:
    """A full disk may take a part first and refuse the rest only when asked again."""
    while data:
        data = data[os.write(descriptor, data) :]


def _check(path: Path, size_bytes: int, head: str | None) -> audit_chain.Verdict:
    if not path.exists():
        gone = "the log is gone" if head else ""
        return audit_chain.Verdict(0, 0, audit_chain.GENESIS, 1 if head else None, gone)
    with path.open("rb") as stream:
        return audit_chain.check(stream, size_bytes, head)
