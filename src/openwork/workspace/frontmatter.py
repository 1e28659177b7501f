"""Markdown files that open with YAML between two ``---`` lines: skills, commands, agents.

Reading keeps the body as it is, byte for byte. An edit touches only the lines of the keys it
changes, so that comments, order and formatting of the rest stay; python-frontmatter is not used
because it strips the body and writes all keys anew. What the YAML may hold: ``yaml_json``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath

MAX_DOCUMENT_BYTES = 1_000_000
MAX_FRONT_CHARACTERS = 65_536
MAX_REMEMBERED_CHARACTERS = 4_096
_BOM = "\ufeff"
_OPENING = re.compile(r"---[ \t]*(?:\r\n|\n|\Z)")
_CLOSING = re.compile(r"^---[ \t]*(?:\r?$|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that a listing left out, and why.

    Attributes:
        path: Relative to the workspace, absolute outside it.
        code: As of the ``OpenWorkError`` that reading it alone would raise.
        message: What is wrong, naming the place.
    """

    path: str
    code: str
    message: str

    def to_json(self) -> dict[str, JsonValue]:
        """``{path, code, message}``."""
        return {"path": self.path, "code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Document:
    """A markdown file taken apart; ``text`` puts it together again.

    Attributes:
        fields: The front matter; empty without one. Not to be changed: see ``with_fields``.
        body: All after the closing line, unchanged.
        opening: Byte order mark and opening line; empty without front matter.
        front: The YAML between the two lines.
        closing: The closing line.
    """

    fields: Mapping[str, JsonValue]
    body: str
    opening: str = ""
    front: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        """The whole file."""
        return f"{self.opening}{self.front}{self.closing}{self.body}"

    def dates(self) -> list[str]:
        """The fields that the engine would read as a date for want of quotes."""
        from openwork.workspace import yaml_json  # noqa: PLC0415  # loads PyYAML, see there

        return yaml_json.dates(self.front) if self.front else []

    def with_body(self, body: str) -> Document:
        """The same front matter before another body."""
        return Document(self.fields, body, self.opening, self.front, self.closing)

    def with_fields(
        self, changes: Mapping[str, JsonValue], remove: Collection[str] = ()
    ) -> Document:
        """This document with some fields set and others gone; new ones come last.

        Raises:
            OpenWorkError: ``invalid_payload`` 400 when the outcome could not be read again.
        """
        gone = set(remove) - set(changes)
        fields = {key: value for key, value in self.fields.items() if key not in gone}
        fields.update(changes)
        if not self.opening:
            return self._with_first_fields(fields)
        if _same(fields, self.fields):
            return self
        from openwork.workspace import yaml_json  # noqa: PLC0415  # loads PyYAML, see there

        line_end = "\r\n" if "\r\n" in self.opening else "\n"
        front = yaml_json.edit(self.front, changes, gone, line_end)
        if not _means(front, fields):  # a style that spans cannot serve, such as {a: 1}
            front = _dump(fields).replace("\n", line_end)
            _require_readable(front, fields)
        return Document(fields, self.body, self.opening, front, self.closing)

    def _with_first_fields(self, fields: Mapping[str, JsonValue]) -> Document:
        front = _dump(fields)
        _require_readable(front, fields)
        mark = _BOM if self.body.startswith(_BOM) else ""
        line_end = "\r\n" if re.match(r"[^\n]*\r\n", self.body) else "\n"
        line = f"---{line_end}"
        body = self.body.removeprefix(mark)
        return Document(fields, body, mark + line, front.replace("\n", line_end), line)


def parse(text: str, *, name: str) -> Document:
    """Take a markdown text apart.

    Args:
        text: The whole file; without an opening ``---`` line it is all body.
        name: The file's path, for messages.

    Raises:
        OpenWorkError: ``invalid_frontmatter`` 422 with ``details {line, column}`` (from 1, in the
            file) when the front matter does not close, is no YAML, is no mapping, repeats a key,
            holds tags or aliases, or is too long.
    """
    start = len(_BOM) if text.startswith(_BOM) else 0
    opening = _OPENING.match(text, start)
    if opening is None:
        return Document({}, text)
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        raise _invalid(name, 1, 1, "the front matter opened by --- is never closed by another ---")
    front = text[opening.end() : closing.start()]
    body_at = text.find("\n", closing.start()) + 1 or len(text)
    fields = _parse_front(front, name)
    return Document(
        fields, text[body_at:], text[: opening.end()], front, text[closing.start() : body_at]
    )


def front_characters(text: str) -> int:
    """How long the front matter of ``text`` is, without reading it; 0 when it has none."""
    opening = _OPENING.match(text, len(_BOM) if text.startswith(_BOM) else 0)
    closing = None if opening is None else _CLOSING.search(text, opening.end())
    return 0 if opening is None or closing is None else closing.start() - opening.end()


def parse_bytes(data: bytes, *, name: str) -> Document:
    """As ``parse``, of a file's bytes, which must be UTF-8."""
    try:
        return parse(data.decode(), name=name)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise _invalid(name, line, column, "it is not UTF-8 text") from error


def read(path: SafePath) -> Document:
    """The document in a file of at most ``MAX_DOCUMENT_BYTES``.

    Raises:
        OpenWorkError: As ``parse`` and ``SafePath.read``.
    """
    return parse_bytes(path.read_bytes(max_bytes=MAX_DOCUMENT_BYTES), name=str(path))


def encode(text: str) -> bytes:
    """The bytes to write.

    Raises:
        OpenWorkError: ``invalid_payload`` 400 when UTF-8 cannot hold it; ``file_too_large`` 413.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise OpenWorkError(
            "invalid_payload",
            f"The text cannot be stored: half a surrogate pair at character {error.start + 1:,}.",
            status=400,
        ) from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise OpenWorkError(
            "file_too_large",
            f"The text has {len(data):,} bytes; at most {MAX_DOCUMENT_BYTES:,} are allowed.",
            status=413,
            details={"maxBytes": MAX_DOCUMENT_BYTES, "size": len(data)},
        )
    return data


def text_of(fields: Mapping[str, JsonValue], key: str) -> str | None:
    """A field's text, trimmed; None when it is missing, blank, or no text."""
    value = fields.get(key)
    return (value.strip() or None) if isinstance(value, str) else None


def _parse_front(front: str, name: str) -> Mapping[str, JsonValue]:
    from openwork.workspace import yaml_json  # noqa: PLC0415  # loads PyYAML, see there

    if len(front) > MAX_FRONT_CHARACTERS:
        reason = f"the front matter is longer than {MAX_FRONT_CHARACTERS:,} characters"
        raise _invalid(name, 1, 1, reason)
    short = len(front) <= MAX_REMEMBERED_CHARACTERS
    try:
        return _remembered(front) if short else yaml_json.parse(front)
    except yaml_json.YamlError as error:
        raise _invalid(name, error.line + 1, error.column, error.reason) from error


@lru_cache(maxsize=512)
def _remembered(front: str) -> Mapping[str, JsonValue]:
    """Lists read the same files again and again; YAML takes most of their time."""
    from openwork.workspace import yaml_json  # noqa: PLC0415  # as above

    return yaml_json.parse(front)


def _dump(fields: Mapping[str, JsonValue]) -> str:
    from openwork.workspace import yaml_json  # noqa: PLC0415  # as above

    return yaml_json.dump(fields)


def _invalid(name: str, line: int, column: int, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_frontmatter",
        f"{name}, line {line}, column {column}: {reason}.",
        hint="Repair the lines between the two --- lines. Nothing was changed.",
        status=422,
        details={"line": line, "column": column},
    )


def _means(front: str, fields: Mapping[str, JsonValue]) -> bool:
    if _CLOSING.search(front) is not None:
        return False
    try:
        return _same(_parse_front(front, "The front matter"), fields)
    except OpenWorkError:
        return False


def _require_readable(front: str, fields: Mapping[str, JsonValue]) -> None:
    if not _means(front, fields):
        raise OpenWorkError(
            "invalid_payload",
            "The front matter could not be read again: it would be longer than "
            f"{MAX_FRONT_CHARACTERS:,} characters, nested too deeply, "
            "or hold a number or a character that YAML lacks.",
            status=400,
        )


def _same(left: Mapping[str, JsonValue], right: Mapping[str, JsonValue]) -> bool:
    return json.dumps(left) == json.dumps(right)
