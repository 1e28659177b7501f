"""JSON with comments, read into a tree that remembers where each part stands in the text.

Comments (``//`` and ``/* */``), trailing commas and a byte order mark are accepted; everything
else follows RFC 8259. The codes in errors are those of the npm package ``jsonc-parser``, which
existing clients know.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Sequence

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 128
BYTE_ORDER_MARK = "\ufeff"
_MAX_INTEGER_DIGITS = 4000  # Python refuses to convert more than 4,300
# Possessive repetition (*+) keeps each pattern linear: no text makes it try twice.
_TRIVIA = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_TRIVIA_STARTS = frozenset(" \t\r\n/")
_LITERAL = re.compile(r"true|false|null")
_LITERALS: dict[str, JsonValue] = {"true": True, "false": False, "null": None}
_UNKNOWN = re.compile(r"[^\s{}\[\]:,\"/]+")


@dataclass(slots=True)
class Node:
    """One value of the text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        value: What it means; of an object with a repeated key, the last one counts.
        children: The members of an object or items of an array, in the order of the text.
    """

    start: int
    end: int
    value: JsonValue
    children: Sequence[Child] = ()


@dataclass(slots=True)
class Child:
    """A member of an object, or an item of an array.

    Attributes:
        start: Offset where it begins: its key, or the item itself.
        key: The member's name; None of an item.
        node: The value.
        comma: Offset of the comma after it, or None.
    """

    start: int
    key: str | None
    node: Node
    comma: int | None = None


def parse_tree(text: str, *, name: str = "The text") -> Node:
    """Read ``text``, which must hold one value.

    Args:
        text: JSON with comments.
        name: What the text is, for the message: a file's path.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422, with the line and column in the message and
            ``[{code, offset, length}]`` as details, offsets in UTF-16 units as JavaScript counts.
    """
    return _Parser(text, name).document()


def syntax_error(text: str, name: str, offset: int, length: int, code: str) -> OpenWorkError:
    """The error for the fault ``code`` at ``offset`` of ``text``."""
    before = text[:offset]
    line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
    line = len(re.findall(r"\r\n?|\n", before)) + 1
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", code).lower()
    return OpenWorkError(
        "invalid_jsonc",
        f"{name} is not valid JSONC: {words}, line {line}, column {offset - line_start + 1}.",
        hint="Repair it there. Nothing was changed.",
        status=422,
        details=[{"code": code, "offset": _utf16_length(before), "length": length}],
    )


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name

    def document(self) -> Node:
        start = len(BYTE_ORDER_MARK) if self._text.startswith(BYTE_ORDER_MARK) else 0
        node = self._value(self._skip(start), 0)
        end = self._skip(node.end)
        if end < len(self._text):
            raise self._error(end, "EndOfFileExpected")
        return node

    def _value(self, at: int, depth: int) -> Node:
        first = self._text[at : at + 1]
        if first == '"':
            text, end = self._string(at)
            return Node(at, end, text)
        if first == "{":
            return self._object(at, depth)
        return self._array(at, depth) if first == "[" else self._scalar(at)

    def _object(self, at: int, depth: int) -> Node:
        value: dict[str, JsonValue] = {}
        children: list[Child] = []
        position = self._enter(at, depth)
        while self._text[position : position + 1] != "}":
            self._require_comma(children, position, "CloseBraceExpected")
            if self._text[position] != '"':
                raise self._error(position, "PropertyNameExpected")
            key, end = self._string(position)
            colon = self._skip(end)
            if self._text[colon : colon + 1] != ":":
                raise self._error(colon, "ColonExpected")
            node = self._value(self._skip(colon + 1), depth + 1)
            value[key] = node.value
            children.append(Child(position, key, node))
            position = self._take_comma(children[-1])
        return Node(at, position + 1, value, children)

    def _array(self, at: int, depth: int) -> Node:
        value: list[JsonValue] = []
        children: list[Child] = []
        position = self._enter(at, depth)
        while self._text[position : position + 1] != "]":
            self._require_comma(children, position, "CloseBracketExpected")
            node = self._value(position, depth + 1)
            value.append(node.value)
            children.append(Child(position, None, node))
            position = self._take_comma(children[-1])
        return Node(at, position + 1, value, children)

    def _enter(self, at: int, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self._error(at, "NestingTooDeep")
        return self._skip(at + 1)

    def _require_comma(self, children: list[Child], position: int, code_at_end: str) -> None:
        """Before one more child at ``position``: there is text left, and the last had its comma."""
        if position >= len(self._text):
            raise self._error(position, code_at_end)
        if children and children[-1].comma is None:
            raise self._error(position, "CommaExpected")

    def _take_comma(self, child: Child) -> int:
        """Note the comma after ``child``, and skip to what follows."""
        position = self._skip(child.node.end)
        if self._text[position : position + 1] != ",":
            return position
        child.comma = position
        return self._skip(position + 1)

    def _scalar(self, at: int) -> Node:
        number = _NUMBER.match(self._text, at)
        if number is None:
            literal = _LITERAL.match(self._text, at)
            if literal is None:
                raise self._error(at, "ValueExpected")
            return Node(at, literal.end(), _LITERALS[literal.group()])
        digits = number.group()
        if self._text[number.end() : number.end() + 1] in {".", "e", "E"}:
            raise self._error(at, "UnexpectedEndOfNumber")
        whole = number.group(1) is None and number.group(2) is None
        if whole and len(digits) <= _MAX_INTEGER_DIGITS:
            return Node(at, number.end(), int(digits))
        value = float(digits)
        if value in {float("inf"), float("-inf")}:
            raise self._error(at, "InvalidNumberFormat")
        return Node(at, number.end(), value)

    def _string(self, at: int) -> tuple[str, int]:
        match = _STRING.match(self._text, at)
        if match is None:
            raise self._error(at, self._string_fault(at))
        raw = match.group()
        return (json.loads(raw) if "\\" in raw else raw[1:-1]), match.end()

    def _string_fault(self, at: int) -> str:
        good = re.compile(_STRING.pattern[:-1]).match(self._text, at)
        rest = self._text[good.end() : good.end() + 2] if good else ""
        if not rest or rest[0] in "\r\n":
            return "UnexpectedEndOfString"
        if rest == "\\u":
            return "InvalidUnicode"
        return "InvalidEscapeCharacter" if rest[0] == "\\" else "InvalidCharacter"

    def _skip(self, at: int) -> int:
        if self._text[at : at + 1] not in _TRIVIA_STARTS:
            return at
        match = _TRIVIA.match(self._text, at)
        end = match.end() if match else at
        if self._text.startswith("/*", end):
            raise self._error(end, "UnexpectedEndOfComment")
        if self._text.startswith("/", end):
            raise self._error(end, "InvalidSymbol")
        return end

    def _error(self, offset: int, code: str) -> OpenWorkError:
        unknown = _UNKNOWN.match(self._text, offset)
        length = len(unknown.group()) if unknown else min(1, len(self._text) - offset)
        return syntax_error(self._text, self._name, offset, length, code)
