"""Reading the audit log a page at a time, from its end, whatever its length."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from openwork.common.errors import OpenWorkError
from openwork.server.audit_chain import LONGEST_LINE_BYTES, parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_BYTES = 64 * 1024
# A page looks at this many entries at most, however few of them match; ``nextBefore`` goes on.
MOST_EXAMINED = 5_000
# An entry named by its id is looked for among this many of the newest.
MOST_SEARCHED = 100_000
SHORTEST_HASH_PREFIX = 6
LARGEST_TIMESTAMP_DIGITS = 16


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted.

    Attributes:
        action: One action, or the beginning of several with ``*`` behind it; "" for all.
        actor: What a client calls itself, a scope, or the beginning (6 digits or more) of a token's
            hash; "" for all.
        before_ms: Only entries from before this time.
    """

    action: str = ""
    actor: str = ""
    before_ms: int | None = None

    def matches(self, entry: dict[str, Any]) -> bool:
        """Whether ``entry`` is wanted."""
        if self.before_ms is not None and not _time_of(entry) < self.before_ms:
            return False
        if self.action and not _fits(self.action, str(entry.get("action", ""))):
            return False
        return not self.actor or _is_actor(self.actor, entry.get("actor"))


EVERYTHING = AuditFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """Matching entries, newest first.

    Attributes:
        items: The entries.
        next_before: The ``before`` of the next page; None at the log's beginning.
    """

    items: tuple[dict[str, Any], ...]
    next_before: str | None

    def to_json(self) -> dict[str, Any]:
        """``{items, nextBefore?}``."""
        more = {} if self.next_before is None else {"nextBefore": self.next_before}
        return {"items": list(self.items), **more}


def read_page(path: Path, limit: int, wanted: AuditFilter, before: str = "") -> Page:
    """At most ``limit`` matching entries before a place in the log, newest first.

    At most ``MOST_EXAMINED`` entries are looked at: a page may hold fewer than ``limit``, even
    none, and still name a next one.

    Args:
        path: The log; a missing one is empty.
        limit: 1 or more.
        wanted: Which entries.
        before: An entry's id, a time in milliseconds, or a page's ``nextBefore``; "" for the end.

    Raises:
        OpenWorkError: ``invalid_payload`` 400: ``before`` names no place in this log.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return Page((), None)
    items: list[dict[str, Any]] = []
    with stream:
        end = _place(stream, before)
        if _is_time(before):
            wanted = AuditFilter(wanted.action, wanted.actor, int(before))
        for examined, (at, line) in enumerate(read_backwards(stream, end), start=1):
            entry = parse_entry(line)
            if entry is not None and wanted.matches(entry):
                items.append(entry)
            if len(items) == limit or examined == MOST_EXAMINED:
                return Page(tuple(items), f"@{at}" if at > 0 else None)
    return Page(tuple(items), None)


def read_forwards(path: Path, size_bytes: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The entries in the first ``size_bytes`` of a log, oldest first, each with its line."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        left = size_bytes
        while left > 0:
            line = stream.readline(min(left, LONGEST_LINE_BYTES))
            if not line:
                return
            left -= len(line)
            entry = parse_entry(line)
            if entry is not None:
                yield line, entry


def read_backwards(stream: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Where each line before ``end`` begins, and the line, from the last to the first.

    Empty lines are left out. A line longer than any entry comes as one that is cut.
    """
    position, rest = end, b""
    while position > 0:
        size = min(BLOCK_BYTES, position)
        position -= size
        stream.seek(position)
        block = stream.read(size)
        lines = (block + rest).split(b"\n")
        begins = position + len(block) + len(rest)
        for line in reversed(lines[1:]):
            begins -= len(line)
            if line:
                yield begins, line
            begins -= 1
        rest = lines[0][: LONGEST_LINE_BYTES + 1]
    if rest:
        yield 0, rest


def _place(stream: BinaryIO, before: str) -> int:
    """The end of the lines to read."""
    size = stream.seek(0, os.SEEK_END)
    if not before:
        return size
    if before.startswith("@"):
        return _line_end(stream, before, size)
    if _is_time(before):
        return _first_at(stream, int(before), size)
    named = f'{{"id": "{before}"'.encode(errors="replace")
    for number, (at, line) in enumerate(read_backwards(stream, size)):
        if line.startswith(named):
            return at
        if number == MOST_SEARCHED:
            break
    raise _nowhere(before)


def _line_end(stream: BinaryIO, before: str, size: int) -> int:
    digits = before.removeprefix("@")
    at = int(digits) if _is_time(digits) else size + 1
    if 0 < at <= size:
        stream.seek(at - 1)
        if stream.read(1) == b"\n":
            return at
    raise _nowhere(before)


def _first_at(stream: BinaryIO, timestamp: int, size: int) -> int:
    """Where the first entry of ``timestamp`` or later begins, by halving; ``size`` when none is.

    Where the clock was set back, later entries of an earlier time may be left out.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        entry = _entry_behind(stream, middle)
        if entry is None or _time_of(entry) >= timestamp:
            high = middle
        else:
            low = middle + 1
    return _line_begin(stream, low, size)


def _entry_behind(stream: BinaryIO, at: int) -> dict[str, Any] | None:
    """The first entry that begins at ``at`` or behind it."""
    if at > 0:
        stream.seek(at - 1)
        stream.readline()  # the rest of the line that began before
    else:
        stream.seek(0)
    while line := stream.readline(LONGEST_LINE_BYTES):
        entry = parse_entry(line)
        if entry is not None:
            return entry
    return None


def _line_begin(stream: BinaryIO, at: int, size: int) -> int:
    """The first place at ``at`` or behind it where a line begins."""
    if at in {0, size}:
        return at
    stream.seek(at - 1)
    stream.readline()
    return min(stream.tell(), size)


def _nowhere(before: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_payload",
        f"before: {before[:80]!r} is no place in this log.",
        hint="Give a time in milliseconds, the id of a recent entry, or a page's nextBefore.",
        status=400,
    )


def _is_time(before: str) -> bool:
    return before.isascii() and before.isdigit() and len(before) <= LARGEST_TIMESTAMP_DIGITS


def _time_of(entry: dict[str, Any]) -> int:
    value = entry.get("timestamp")
    return value if isinstance(value, int) else 0


def _fits(pattern: str, action: str) -> bool:
    return action.startswith(pattern[:-1]) if pattern.endswith("*") else action == pattern


def _is_actor(wanted: str, actor: object) -> bool:
    if not isinstance(actor, dict):
        return False
    hashed = str(actor.get("tokenHash", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if len(wanted) >= SHORTEST_HASH_PREFIX and hashed.startswith(wanted.lower()):
        return True
    return wanted in (actor.get("clientId"), actor.get("scope"))  # pyright: ignore[reportUnknownMemberType]
