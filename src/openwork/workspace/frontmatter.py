"""Markdown files that open with YAML between two ``---`` lines: skills, commands, agents.

Reading keeps the body as it is, byte for byte. An edit touches only the lines of the keys it
changes, so that comments, order and formatting of the rest stay; python-frontmatter is not used
because it strips the body and writes all keys anew. Values are JSON's: dates and the like are text,
``yes`` and ``on`` too, as the engine reads them. No object is ever built from a tag.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import yaml

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath

MAX_DOCUMENT_BYTES = 1_000_000
MAX_FRONT_CHARACTERS = 65_536
MAX_DEPTH = 64
_BOM = "\ufeff"
_OPENING = re.compile(r"---[ \t]*(?:\r\n|\n|\Z)")
_CLOSING = re.compile(r"^---[ \t]*(?:\r?$|\Z)", re.MULTILINE)
# What a plain emitter would break over lines, or another reader would take for a line's end.
_NEEDS_ESCAPES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
)


class _Loader(yaml.SafeLoader):
    """Resolves only what JSON has, all else is text; refuses aliases: they grow without bound."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            # Events carry a start_mark as nodes do; the stubs know neither.
            event = cast("yaml.Node", self.peek_event())  # pyright: ignore[reportUnknownMemberType]  # no stub
            raise _refusal(event, "aliases are not allowed here")
        return super().compose_node(parent, index)


_JSON_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,2})?",
        list("-+.0123456789"),
    ),
)
_Loader.yaml_implicit_resolvers = {
    first: [
        (_TAG + name, re.compile(rf"(?:{pattern})\Z"))
        for name, pattern, starts in _JSON_SCALARS
        if first in starts
    ]
    for first in {each for _, _, starts in _JSON_SCALARS for each in starts}
}


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a YAML 1.1 or 1.2 reader could take for something else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _represent_text(_dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _NEEDS_ESCAPES.search(text) or _NUMBER.fullmatch(text) else None
    return yaml.ScalarNode(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _represent_text)


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
        line_end = "\r\n" if "\r\n" in self.opening else "\n"
        front = _edited(self.front, changes, gone, line_end)
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


def _parse_front(front: str, name: str) -> dict[str, JsonValue]:
    if len(front) > MAX_FRONT_CHARACTERS:
        reason = f"the front matter is longer than {MAX_FRONT_CHARACTERS:,} characters"
        raise _invalid(name, 1, 1, reason)
    try:
        node = yaml.compose(front, Loader=_Loader)
        if node is None:
            return {}
        value = _value(node, 0)
    except yaml.reader.ReaderError as error:
        before = front[: error.position]
        line, column = before.count("\n") + 2, len(before) - before.rfind("\n")
        raise _invalid(name, line, column, "a character that YAML does not allow") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 2, mark.column + 1) if mark is not None else (1, 1)
        raise _invalid(name, line, column, error.problem or "it is not YAML") from error
    except RecursionError as error:
        raise _invalid(name, 1, 1, f"it is nested deeper than {MAX_DEPTH} levels") from error
    if not isinstance(value, dict):
        raise _invalid(name, 2, 1, "the front matter must be lines of key: value")
    return value


def _value(node: yaml.Node, depth: int) -> JsonValue:
    if depth > MAX_DEPTH:
        raise _refusal(node, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, yaml.MappingNode):
        _require_tag(node, "map")
        found: dict[str, JsonValue] = {}
        for key_node, value_node in _members(node):
            key = _key(key_node)
            if key in found:
                raise _refusal(key_node, f"the key {key!r} is there twice")
            found[key] = _value(value_node, depth + 1)
        return found
    if isinstance(node, yaml.SequenceNode):
        _require_tag(node, "seq")
        items = cast("list[yaml.Node]", node.value)
        return [_value(item, depth + 1) for item in items]
    return _scalar(cast("yaml.ScalarNode", node))


def _members(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}str":
        raise _refusal(node, "a key must be text; put it in quotes")
    return cast("str", node.value)


def _scalar(node: yaml.ScalarNode) -> JsonValue:
    text = cast("str", node.value)
    match node.tag.removeprefix(_TAG):
        case "str" | "timestamp":
            return text
        case "null":
            return None
        case "bool" if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case "int" if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
            return int(text)
        case "float" if re.fullmatch(r"[-+]?[0-9.]{1,60}(?:[eE][-+]?[0-9]{1,2})?", text):
            return float(text)
        case _:
            raise _refusal(node, f"the tag {node.tag!r} is not allowed here")


def _require_tag(node: yaml.Node, wanted: str) -> None:
    if node.tag != _TAG + wanted:
        raise _refusal(node, f"the tag {node.tag!r} is not allowed here")


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _invalid(name: str, line: int, column: int, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_frontmatter",
        f"{name}, line {line}, column {column}: {reason}.",
        hint="Repair the lines between the two --- lines. Nothing was changed.",
        status=422,
        details={"line": line, "column": column},
    )


def _edited(
    front: str, changes: Mapping[str, JsonValue], remove: Collection[str], line_end: str
) -> str:
    """``front`` with the lines of some keys replaced, cut out or appended."""
    node = yaml.compose(front, Loader=_Loader)
    members = _members(node) if isinstance(node, yaml.MappingNode) else []
    spans = {_key(key): (key.start_mark.index, _end(front, key, value)) for key, value in members}
    margin = " " * members[0][0].start_mark.column if members else ""
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    for key, value in changes.items():
        written = _dump({key: value}, margin).replace("\n", line_end)
        if key in spans:
            start, end = spans[key]
            edits.append((start, end, written.strip("\r\n").removeprefix(margin)))
        else:
            added.append(written)
    for key in remove:
        if key in spans and key not in changes:
            start, end = spans[key]
            line_start = front.rfind("\n", 0, start) + 1
            edits.append((line_start, front.find("\n", end) + 1 or len(front), ""))
    for start, end, written in sorted(edits, reverse=True):
        front = front[:start] + written + front[end:]
    return front + "".join(added)


def _end(front: str, key: yaml.Node, value: yaml.Node) -> int:
    """Where a member's own text ends: comments and blank lines behind it are nobody's."""
    last = value
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        children = cast("list[yaml.Node | tuple[yaml.Node, yaml.Node]]", last.value)
        child = children[-1]
        last = child[1] if isinstance(child, tuple) else child
    end = max(last.end_mark.index, key.end_mark.index)
    return len(front[:end].rstrip())


def _dump(fields: Mapping[str, JsonValue], margin: str = "") -> str:
    if not fields:
        return ""
    text = yaml.dump(
        dict(fields),
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=False,
        width=MAX_FRONT_CHARACTERS * 2,
    )
    return "".join(f"{margin}{line}" for line in text.splitlines(keepends=True))


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
            f"{MAX_FRONT_CHARACTERS:,} characters, nested deeper than {MAX_DEPTH} levels, "
            "or hold a number or a character that YAML lacks.",
            status=400,
        )


def _same(left: Mapping[str, JsonValue], right: Mapping[str, JsonValue]) -> bool:
    return json.dumps(left) == json.dumps(right)
