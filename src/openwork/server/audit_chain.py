"""The audit log's lines: how an entry is sealed, and how a log of sealed lines is checked.

A line is one JSON object on one line, its fields in this order: ``{id, workspaceId, actor {type,
clientId?, tokenHash, scope}, action, target, summary, timestamp, outcome, reason?, torn?, previous,
hash}``. ``hash`` is the SHA-256 of the line's bytes before ``, "hash"``, so that no byte of it can
change unseen; ``previous`` is the hash of the entry before. A line that a crash cut short stays
where it is, and the next entry vouches for it: ``torn`` is the SHA-256 of its bytes. That tells it
from a line that somebody edited. A log may begin with entries of the OpenWork servers before ours,
which are not sealed: the first entry of ours vouches for them, its ``previous`` is the SHA-256 of
their lines. Whoever may write the file can still forge a whole new log, or cut
the newest entries off while no server runs: note ``head`` elsewhere to notice that.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

GENESIS = "0" * 64
# Longer than any entry that is written: a longer line is not ours, and is not held in memory.
LONGEST_LINE_BYTES = 256 * 1024
_HASH_HEX = 64
_HASH_KEY = ', "hash": "'
_TAIL_BYTES = len(_HASH_KEY) + _HASH_HEX + len('"}')
_PREVIOUS_KEY = b', "previous": "'
# Of an entry of the servers before ours: no other, and of these at least three.
_LEGACY_KEYS = frozenset({"id", "workspaceId", "actor", "action", "target", "summary", "timestamp"})
_LEAST_LEGACY_KEYS = frozenset({"id", "action", "timestamp"})

_TEXT, _TEXT_BEGUN = re.compile(r'"(?:[^"\\]|\\.)*"'), re.compile(r'(?:"(?:[^"\\]|\\.)*\\?)?')
_NUMBER, _NUMBER_BEGUN = re.compile(r"\d+"), re.compile(r"\d*")
_HASH, _HASH_BEGUN = re.compile(r'"[0-9a-f]{64}"'), re.compile(r'(?:"[0-9a-f]{0,64})?')
_NOTHING = re.compile("")
# What stands before a value, the value, the value cut short, and whether it may be missing.
_FIELDS = (
    ('{"id": ', _TEXT, _TEXT_BEGUN, False),
    (', "workspaceId": ', _TEXT, _TEXT_BEGUN, False),
    (', "actor": {"type": ', _TEXT, _TEXT_BEGUN, False),
    (', "clientId": ', _TEXT, _TEXT_BEGUN, True),
    (', "tokenHash": ', _TEXT, _TEXT_BEGUN, False),
    (', "scope": ', _TEXT, _TEXT_BEGUN, False),
    ('}, "action": ', _TEXT, _TEXT_BEGUN, False),
    (', "target": ', _TEXT, _TEXT_BEGUN, False),
    (', "summary": ', _TEXT, _TEXT_BEGUN, False),
    (', "timestamp": ', _NUMBER, _NUMBER_BEGUN, False),
    (', "outcome": ', _TEXT, _TEXT_BEGUN, False),
    (', "decidedBy": {"type": ', _TEXT, _TEXT_BEGUN, True),
    (', "clientId": ', _TEXT, _TEXT_BEGUN, True),
    (', "tokenHash": ', _TEXT, _TEXT_BEGUN, True),
    (', "scope": ', _TEXT, _TEXT_BEGUN, True),
    ("}", _NOTHING, _NOTHING, True),
    (', "reason": ', _TEXT, _TEXT_BEGUN, True),
    (', "torn": ', _HASH, _HASH_BEGUN, True),
    (', "previous": ', _HASH, _HASH_BEGUN, False),
    (_HASH_KEY[:-1], _HASH, _HASH_BEGUN, False),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a log found.

    Attributes:
        entries: Whole entries up to the first bad line.
        torn: Lines cut short by a crash; their changes were never answered.
        legacy: Entries before the first sealed one, which a server before ours wrote.
        head: The hash of the last whole entry.
        bad_line: The first line that is not as it was written, counted from 1; None when all are.
        reason: What is wrong with it.
    """

    entries: int
    torn: int
    head: str
    bad_line: int | None = None
    reason: str = ""
    legacy: int = 0

    def to_json(self) -> dict[str, Any]:
        """``{ok, entries, legacy, torn, head, firstBad?: {line, reason}}``."""
        body: dict[str, Any] = {
            "ok": self.bad_line is None,
            "entries": self.entries,
            "legacy": self.legacy,
            "torn": self.torn,
            "head": self.head,
        }
        if self.bad_line is not None:
            body["firstBad"] = {"line": self.bad_line, "reason": self.reason}
        return body


def seal(entry: dict[str, Any]) -> tuple[bytes, str]:
    """The line of ``entry`` (its last field ``previous``) without a line end, and its hash."""
    body = json.dumps(entry, ensure_ascii=False)[:-1]
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body}{_HASH_KEY}{digest}"}}'.encode(), digest


def sealed_hash(line: bytes) -> str | None:
    """The hash of a whole, unchanged entry; None for anything else."""
    if len(line) > LONGEST_LINE_BYTES:
        return None
    body, tail = line[:-_TAIL_BYTES], line[-_TAIL_BYTES:]
    digest = hashlib.sha256(body).hexdigest()
    return digest if tail == f'{_HASH_KEY}{digest}"}}'.encode() else None


def parse_entry(line: bytes) -> dict[str, Any] | None:
    """The entry in ``line``, None when it holds none. Whether it was edited is not looked at."""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


class LegacyLines:
    """The lines at the beginning of a log that a server before ours wrote.

    Attributes:
        count: How many there are.
    """

    def __init__(self) -> None:
        """None yet."""
        self.count = 0
        self._digest = hashlib.sha256()

    @property
    def hash(self) -> str:
        """What the first sealed entry names as ``previous``."""
        return self._digest.hexdigest() if self.count else GENESIS

    def take(self, line: bytes) -> bool:
        """Count ``line`` in, if it is such an entry. An entry of ours, however edited, is none."""
        entry = None if len(line) > LONGEST_LINE_BYTES else parse_entry(line)
        if entry is None or not _LEAST_LEGACY_KEYS <= entry.keys() <= _LEGACY_KEYS:
            return False
        self.count += 1
        self._digest.update(line + b"\n")
        return True


def legacy_hash(stream: BinaryIO, size_bytes: int) -> str:
    """What the first sealed entry of a log that has none yet names as ``previous``."""
    legacy = LegacyLines()
    for line in _lines(stream, size_bytes):
        if not legacy.take(line):
            break
    return legacy.hash


def torn_hash(lines: list[bytes]) -> str:
    """What the entry behind ``lines`` says of them in ``torn``."""
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def could_be_torn(line: bytes) -> bool:
    """Whether ``line`` is the beginning of an entry, as a crash leaves it."""
    if not line or len(line) > LONGEST_LINE_BYTES:
        return False
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        if error.end < len(line) or error.reason != "unexpected end of data":
            return False
        text = line[: error.start].decode()
    at = 0
    for key, value, begun, optional in _FIELDS:
        left = text[at : at + len(key)]
        if key.startswith(left):
            if len(left) < len(key):
                return True
        elif optional:
            continue
        else:
            return False
        at += len(key)
        whole = value.match(text, at)
        if whole is None:
            return begun.fullmatch(text, at) is not None
        at = whole.end()
    return at == len(text)


def check(stream: BinaryIO, size_bytes: int, head: str | None = None) -> Verdict:
    """Check the first ``size_bytes`` of a log, in constant memory.

    Args:
        stream: The file, at its beginning.
        size_bytes: How much of it was there when the check began.
        head: The hash of the newest entry when it is known: finds newest entries that are missing.
    """
    previous, entries, torn, number = GENESIS, 0, 0, 0
    legacy, doubtful = LegacyLines(), _Doubtful()

    def verdict(*bad: Any) -> Verdict:  # noqa: ANN401  # the line and what is wrong with it
        return Verdict(entries, torn, previous, *bad, legacy=legacy.count)

    for line in _lines(stream, size_bytes):
        number += 1
        digest = sealed_hash(line)
        if digest is None:
            if number == legacy.count + 1 and legacy.take(line):
                previous = legacy.hash
            else:
                doubtful.add(number, line)
            continue
        refused = doubtful.refusal(line, number) or _break(line, previous, number)
        if refused is not None:
            return verdict(*refused)
        torn += doubtful.count
        doubtful = _Doubtful()
        previous, entries = digest, entries + 1
    if doubtful.count and not doubtful.all_begun:
        return verdict(doubtful.first, _EDITED)
    torn += doubtful.count
    if head is not None and head != previous:
        return verdict(number + 1, "the newest entries are missing")
    return verdict()


_EDITED = "it is not as it was written"


class _Doubtful:
    """Lines that are no whole entry, until the next whole one says what they are."""

    def __init__(self) -> None:
        self.count = 0
        self.first = 0
        self.all_begun = True
        self._digest = hashlib.sha256()

    def add(self, number: int, line: bytes) -> None:
        if self.count == 0:
            self.first = number
        else:
            self._digest.update(b"\n")
        self.count += 1
        self._digest.update(line)
        self.all_begun = self.all_begun and could_be_torn(line)

    def refusal(self, entry_line: bytes, number: int) -> tuple[int, str] | None:
        """Why the entry behind these lines does not vouch for them; None when it does."""
        vouched = (parse_entry(entry_line) or {}).get("torn")
        if self.count == 0:
            return None if vouched is None else (number, "the line it vouches for is missing")
        if vouched == self._digest.hexdigest() and self.all_begun:
            return None
        return self.first, _EDITED


def _break(line: bytes, previous: str, number: int) -> tuple[int, str] | None:
    body = line[:-_TAIL_BYTES]
    if body.endswith(_PREVIOUS_KEY + previous.encode() + b'"'):
        return None
    return number, "what stands before it is not as it was: missing, put in, or changed"


def _lines(stream: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """Each line without its end; of an overlong one only the beginning, too long for an entry."""
    left = size_bytes
    while left > 0:
        line = stream.readline(min(left, LONGEST_LINE_BYTES + 2))
        if not line:
            return
        left -= len(line)
        yield line.removesuffix(b"\n")
        while left > 0 and not line.endswith(b"\n"):
            line = stream.readline(min(left, LONGEST_LINE_BYTES))
            if not line:
                return
            left -= len(line)
