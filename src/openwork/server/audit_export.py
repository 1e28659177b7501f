"""The audit log as a file to take away: its own lines, or a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from openwork.server.audit_pages import AuditFilter

ExportFormat = Literal["jsonl", "csv"]
MEDIA_TYPES: dict[ExportFormat, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}
COLUMNS = (
    "time", "id", "action", "outcome", "reason", "actorType", "actorScope", "clientId", "tokenHash",
    "target", "summary", "previous", "hash",
)  # fmt: skip
PIECE_BYTES = 64 * 1024
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP: CSV injection).
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(
    entries: Iterable[tuple[bytes, dict[str, Any]]], wanted: AuditFilter, form: ExportFormat
) -> Generator[bytes]:
    """The wanted entries, oldest first, in pieces of about ``PIECE_BYTES``.

    Args:
        entries: Each with its line as it stands in the log: JSON lines are those, byte for byte,
            so that a whole log can be checked elsewhere.
        wanted: Which.
        form: JSON lines or CSV.
    """
    chosen = (each for each in entries if wanted.matches(each[1]))
    pieces = _csv(entry for _, entry in chosen) if form == "csv" else (line for line, _ in chosen)
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece if piece.endswith(b"\n") else piece + b"\n")
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def as_cell(value: object) -> str:
    """``value`` for a spreadsheet: what would be taken for a formula is quoted with ``'``."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_BEGINS) else text


def _csv(entries: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in entries:
        yield _taken(buffer)
        writer.writerow([as_cell(value) for value in _row(entry)])
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return data


def _row(entry: dict[str, Any]) -> list[object]:
    raw: object = entry.get("actor")
    actor = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    return [
        _iso(entry.get("timestamp")),
        *(entry.get(key) for key in ("id", "action", "outcome", "reason")),
        *(actor.get(key) for key in ("type", "scope", "clientId", "tokenHash")),
        *(entry.get(key) for key in ("target", "summary", "previous", "hash")),
    ]


def _iso(timestamp: object) -> str:
    try:
        moment = datetime.fromtimestamp(int(str(timestamp)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
