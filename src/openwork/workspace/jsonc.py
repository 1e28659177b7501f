"""Change a value in JSON with comments, and leave the rest of the text as its author wrote it.

An edit touches only the span it needs: comments, order, indentation, line ends, byte order mark
and final newline stay. An object that replaces an object is compared with it member by member, so
that comments beside the unchanged members survive. Text that does not parse is never edited.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.jsonc_tree import MAX_DEPTH, Child, JsonValue, Node, parse_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JsonValue", "dump", "parse", "remove", "require_json", "set_value"]

_DEFAULT_INDENT = "  "
_BLANK = " \t"
_WHITE = " \t\r\n"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INTEGER_BITS = 13_000  # about 3,900 digits; Python writes no more than 4,300

_Edit: TypeAlias = tuple[int, int, str]  # replace text[start:end]


def parse(text: str, *, name: str = "The text") -> JsonValue:
    """The value that ``text`` means; of a repeated key the last counts.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422, see ``parse_tree``.
    """
    return parse_tree(text, name=name).value


def set_value(
    text: str, path: Sequence[str | int], value: JsonValue, *, name: str = "The text"
) -> str:
    """``text`` with the value at ``path`` set; missing parents are made.

    Args:
        text: JSON with comments.
        path: Member names and array positions from the outside in; a position equal to the
            array's length appends; an empty path is the whole document.
        value: Any JSON value.
        name: What the text is, for messages.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 when ``text`` does not parse; ``invalid_payload`` 400
            when ``value`` is no JSON value, is nested too deep, or ``path`` does not fit the text.
    """
    require_json(value, len(path))
    tree = parse_tree(text, name=name)
    writer = _Writer(text, tree)
    node, inline = tree, False
    for position, step in enumerate(path):
        found = _find(node, step, path)
        inline = writer.is_inline(node, inline=inline)
        if found is None:
            return writer.apply(
                writer.change_children(
                    node,
                    set(),
                    [_member(step, _nested(path[position + 1 :], value))],
                    inline=inline,
                )
            )
        node = found.node
    return writer.apply(writer.replace(node, value, inline=inline))


def remove(text: str, path: Sequence[str | int], *, name: str = "The text") -> str:
    """``text`` without the member or item at ``path``; unchanged when it is not there.

    All members of a repeated key go. Comments inside what is removed go with it, others stay.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 when ``text`` does not parse; ``invalid_payload`` 400
            for an empty path.
    """
    if not path:
        raise _unfit(path, "the whole document cannot be removed")
    tree = parse_tree(text, name=name)
    writer = _Writer(text, tree)
    node, inline = tree, False
    for step in path[:-1]:
        inline = writer.is_inline(node, inline=inline)
        found = _find_or_none(node, step)
        if found is None:
            return text
        node = found.node
    found = _find_or_none(node, path[-1])
    if found is None:
        return text
    doomed = {
        index
        for index, child in enumerate(node.children)
        if child is found or (child.key is not None and child.key == path[-1])
    }
    inline = writer.is_inline(node, inline=inline)
    return writer.apply(writer.change_children(node, doomed, [], inline=inline))


def dump(value: JsonValue, *, indent: str = _DEFAULT_INDENT) -> str:
    """``value`` as lines of JSON that UTF-8 can hold, without a final newline."""
    return _escape_surrogates(json.dumps(value, ensure_ascii=False, indent=indent))


def _find(node: Node, step: str | int, path: Sequence[str | int]) -> Child | None:
    if isinstance(node.value, dict) and isinstance(step, str):
        return _find_or_none(node, step)
    if isinstance(node.value, list) and isinstance(step, int):
        if not 0 <= step <= len(node.children):
            raise _unfit(path, f"the list has {len(node.children)} items")
        return _find_or_none(node, step)
    raise _unfit(path, f"{step!r} names nothing in {_kind_of(node.value)}")


def _find_or_none(node: Node, step: str | int) -> Child | None:
    if isinstance(node.value, dict):
        return next((child for child in reversed(node.children) if child.key == step), None)
    if isinstance(step, int) and 0 <= step < len(node.children):
        return node.children[step]
    return None


def _kind_of(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a plain value"


def _unfit(path: Sequence[str | int], reason: str) -> OpenWorkError:
    shown = ".".join(str(step) for step in path) or "(root)"
    return OpenWorkError("invalid_payload", f"{shown} cannot be changed: {reason}.", status=400)


def _nested(path: Sequence[str | int], value: JsonValue) -> JsonValue:
    for step in reversed(path):
        if isinstance(step, str):
            value = {step: value}
        elif step == 0:
            value = [value]
        else:
            raise _unfit(path, "a new list starts at position 0")
    return value


def require_json(value: object, depth: int = 0) -> None:
    """Refuse what JSON cannot hold, before anything recursive looks at it.

    Args:
        value: From anywhere.
        depth: Levels that will lie around it.

    Raises:
        OpenWorkError: ``invalid_payload`` 400.
    """
    waiting: list[tuple[object, int]] = [(value, depth)]
    while waiting:
        item, level = waiting.pop()
        if level > MAX_DEPTH:
            raise OpenWorkError(
                "invalid_payload",
                f"The value is nested deeper than {MAX_DEPTH} levels.",
                status=400,
            )
        if isinstance(item, dict):
            members = cast("dict[object, object]", item)
            if not all(isinstance(key, str) for key in members):
                raise _no_json("an object's key must be a string")
            waiting.extend((member, level + 1) for member in members.values())
        elif isinstance(item, list):
            items = cast("list[object]", item)
            waiting.extend((member, level + 1) for member in items)
        else:
            _require_plain(item)


def _require_plain(item: object) -> None:
    if item is not None and not isinstance(item, (str, int, float)):
        raise _no_json(f"{type(item).__name__} is none of its types")
    if isinstance(item, float) and not math.isfinite(item):
        raise _no_json(f"it has no {item}")
    if isinstance(item, int) and item.bit_length() > _MAX_INTEGER_BITS:
        raise _no_json("a number in it is too long")


def _no_json(reason: str) -> OpenWorkError:
    return OpenWorkError("invalid_payload", f"The value is not JSON: {reason}.", status=400)


@dataclass(frozen=True, slots=True)
class _NewChild:
    key: str | None
    value: JsonValue


def _member(step: str | int, value: JsonValue) -> _NewChild:
    return _NewChild(step if isinstance(step, str) else None, value)


class _Writer:
    """Works out the edits of one text in its own style."""

    def __init__(self, text: str, tree: Node) -> None:
        self._text = text
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._unit = self._child_indent(tree, "", _DEFAULT_INDENT) or _DEFAULT_INDENT

    def apply(self, edits: list[_Edit]) -> str:
        return _applied(self._text, 0, len(self._text), edits)

    def is_inline(self, node: Node, *, inline: bool) -> bool:
        """Whether ``node`` is written on one line, so that what is added belongs there too.

        An empty one follows its parent, ``inline``.
        """
        if not node.children:
            return inline and not self._has_line_end(node.start, node.end)
        return not (
            self._has_line_end(node.start, node.children[0].start)
            or self._has_line_end(node.children[-1].node.end, node.end)
        )

    def replace(self, node: Node, value: JsonValue, *, inline: bool) -> list[_Edit]:
        """Edits that turn ``node`` into ``value``; ``inline``: the parent is on one line."""
        if _same(node.value, value):
            return []
        edits: list[_Edit] | None = None
        if isinstance(node.value, dict) and isinstance(value, dict):
            edits = self._replace_object(node, value, inline=inline)
        elif isinstance(node.value, list) and isinstance(value, list):
            edits = self._replace_list(node, node.value, value, inline=inline)
        if edits is not None:
            return edits
        return [(node.start, node.end, self._dump(value, self._indent_at(node.start), inline))]

    def _replace_object(
        self, node: Node, value: dict[str, JsonValue], *, inline: bool
    ) -> list[_Edit] | None:
        """Member by member, unless keys repeat or their order changes: order can carry meaning."""
        old = [child.key for child in node.children]
        kept = [key for key in old if key in value]
        nothing_stays = bool(old) and not kept
        if nothing_stays or len(set(old)) != len(old) or list(value)[: len(kept)] != kept:
            return None
        inside = self.is_inline(node, inline=inline)
        doomed = {index for index, key in enumerate(old) if key not in value}
        added = [_NewChild(key, item) for key, item in list(value.items())[len(kept) :]]
        edits = self.change_children(node, doomed, added, inline=inside)
        for child in node.children:
            if child.key is not None and child.key in value:
                edits += self.replace(child.node, value[child.key], inline=inside)
        return edits

    def _replace_list(
        self, node: Node, old: list[JsonValue], value: list[JsonValue], *, inline: bool
    ) -> list[_Edit] | None:
        """By dropping items and appending others, when that is all the change."""
        doomed: set[int] = set()
        matched = 0
        for index, item in enumerate(old):
            if matched < len(value) and _same(item, value[matched]):
                matched += 1
            else:
                doomed.add(index)
        if not matched:
            return None
        added = [_NewChild(None, item) for item in value[matched:]]
        inside = self.is_inline(node, inline=inline)
        return self.change_children(node, doomed, added, inline=inside)

    def change_children(
        self, node: Node, doomed: set[int], added: list[_NewChild], *, inline: bool
    ) -> list[_Edit]:
        """Edits that drop the children numbered ``doomed`` and append ``added``."""
        if not doomed and not added:
            return []
        kept = [child for index, child in enumerate(node.children) if index not in doomed]
        trailing_comma = bool(node.children) and node.children[-1].comma is not None
        edits = [edit for index in sorted(doomed) for edit in self._drop(node.children[index])]
        if kept:
            edits += _fit_comma(kept[-1], wanted=bool(added) or trailing_comma)
        elif not _applied(self._text, node.start + 1, node.end - 1, edits).strip(_WHITE):
            # Nothing is left inside, not even a comment: write the inside afresh.
            return [(node.start + 1, node.end - 1, self._fill(node, added, inline=inline))]
        if added:
            edits.append(self._append(node, added, "," * trailing_comma, inline=inline))
        return edits

    def _fill(self, node: Node, added: list[_NewChild], *, inline: bool) -> str:
        """All that goes between the brackets of ``node`` when ``added`` is its only content."""
        if not added:
            return ""
        if inline:
            return ", ".join(self._write(child, "", inline=True) for child in added)
        outer = self._indent_at(node.start)
        return self._write_lines(added, self._child_indent(node, outer, self._unit)) + (
            self._line_end + outer
        )

    def _drop(self, child: Child) -> list[_Edit]:
        """Cut out ``child`` with its comma, and its line when nothing else stands there."""
        text, start, end = self._text, child.start, child.node.end
        edits: list[_Edit] = []
        if child.comma is not None:
            if text[end : child.comma].strip(_WHITE):  # a comment before the comma stays
                edits.append((child.comma, child.comma + 1, ""))
            else:
                end = child.comma + 1
        line_start = self._line_start(start)
        after = self._past_blanks(end)
        alone = not text[line_start:start].strip(_BLANK) and line_start > 0
        if alone and text[after : after + 1] in {"\r", "\n"}:
            line_end = line_start - (2 if text.startswith("\r\n", line_start - 2) else 1)
            return [(line_end, after, ""), *edits]
        if alone or child.comma is not None:
            end = after
        else:
            start = len(text[line_start:start].rstrip(_BLANK)) + line_start
        return [(start, end, ""), *edits]

    def _append(self, node: Node, added: list[_NewChild], comma: str, *, inline: bool) -> _Edit:
        """Write ``added`` behind all that ``node`` holds, comments included."""
        inside = self._text[node.start + 1 : node.end - 1]
        place = node.start + 1 + len(inside.rstrip(_WHITE))
        if inline:
            written = ", ".join(self._write(child, "", inline=True) for child in added)
            return (place, place, f" {written}{comma}")
        outer = self._indent_at(node.start)
        lines = self._write_lines(added, self._child_indent(node, outer, self._unit))
        closing = "" if self._has_line_end(place, node.end) else self._line_end + outer
        return (place, place, lines + comma + closing)

    def _write_lines(self, added: list[_NewChild], indent: str) -> str:
        start = self._line_end + indent
        return start + f",{start}".join(self._write(child, indent, inline=False) for child in added)

    def _write(self, child: _NewChild, indent: str, *, inline: bool) -> str:
        value = self._dump(child.value, indent, inline)
        return value if child.key is None else f"{_dump_compact(child.key)}: {value}"

    def _dump(self, value: JsonValue, indent: str, inline: bool) -> str:
        if inline:
            return _dump_compact(value)
        return dump(value, indent=self._unit).replace("\n", self._line_end + indent)

    def _child_indent(self, node: Node, outer: str, unit: str) -> str:
        if node.children:
            start = node.children[0].start
            line_start = self._line_start(start)
            before = self._text[line_start:start]
            if line_start and not before.strip(_BLANK):
                return before
        return outer + unit

    def _indent_at(self, offset: int) -> str:
        """The white space that the line of ``offset`` begins with."""
        start = self._line_start(offset)
        return self._text[start : min(self._past_blanks(start), offset)]

    def _line_start(self, offset: int) -> int:
        return max(self._text.rfind("\n", 0, offset), self._text.rfind("\r", 0, offset)) + 1

    def _past_blanks(self, offset: int) -> int:
        while self._text[offset : offset + 1] in {" ", "\t"}:
            offset += 1
        return offset

    def _has_line_end(self, start: int, end: int) -> bool:
        return "\n" in (part := self._text[start:end]) or "\r" in part


def _fit_comma(last: Child, *, wanted: bool) -> list[_Edit]:
    if wanted and last.comma is None:
        return [(last.node.end, last.node.end, ",")]
    if not wanted and last.comma is not None:
        return [(last.comma, last.comma + 1, "")]
    return []


def _applied(text: str, start: int, end: int, edits: list[_Edit]) -> str:
    """``text[start:end]`` after ``edits``; those that overlap must be deletions."""
    pieces: list[str] = []
    position = start
    for edit_start, edit_end, replacement in sorted(edits, key=lambda edit: edit[0]):
        if edit_start > position:
            pieces.append(text[position:edit_start])
        pieces.append(replacement)
        position = max(position, edit_end)
    pieces.append(text[position:end])
    return "".join(pieces)


def _same(old: JsonValue, new: JsonValue) -> bool:
    """Whether both are written alike: 1 is not true, and the order of members counts."""
    return json.dumps(old) == json.dumps(new)


def _dump_compact(value: JsonValue) -> str:
    return _escape_surrogates(json.dumps(value, ensure_ascii=False))


def _escape_surrogates(written: str) -> str:
    """Write half a surrogate pair as an escape: UTF-8 cannot hold it."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", written)
