"""The YAML of front matter: values are JSON's, an edit touches only the lines it must.

Dates and the like are text here, ``yes`` and ``on`` too. No object is ever built from a tag.
Apart from ``frontmatter`` because PyYAML takes a server's start 15 ms and is needed rarely.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from openwork.workspace.jsonc import JsonValue

MAX_DEPTH = 64
MAX_WIDTH_CHARACTERS = 1 << 20  # no text is broken over lines
# What a plain emitter would break over lines, or another reader would take for a line's end.
_NEEDS_ESCAPES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
)
_LOOSE_LINE = re.compile(
    r"^(?P<key>[A-Za-z_][A-Za-z0-9_-]*[ \t]*:[ \t]+)(?P<value>[^\s\"'|>\[{#][^\r\n]*:[^\r\n]*?)"
    r"(?=[ \t]*\r?$)",
    re.MULTILINE,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?\Z")


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


class YamlError(Exception):
    """A text that is not the YAML we take.

    Attributes:
        reason: What is wrong.
        line: Where, from 1.
        column: Where, from 1.
    """

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


def parse(text: str) -> dict[str, JsonValue]:
    """The mapping in ``text``; empty when it holds nothing.

    Raises:
        YamlError: It is no YAML, no mapping, too deep, repeats a key, or holds tags or aliases.
    """
    try:
        node = _compose(text)[1]
        if node is None:
            return {}
        value = _value(node, 0)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise YamlError("a character that YAML does not allow", line, column) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise YamlError(error.problem or "it is not YAML", line, column) from error
    except RecursionError as error:
        raise YamlError(f"it is nested deeper than {MAX_DEPTH} levels", 1, 1) from error
    if not isinstance(value, dict):
        raise YamlError("the front matter must be lines of key: value", 1, 1)
    return value


def dates(text: str) -> list[str]:
    """The keys of ``text`` (which ``parse`` takes) whose unquoted value other readers call a date.

    The engine is one of them, and refuses a date where it wants text.
    """
    node = _compose(text)[1]
    members = _members(node) if isinstance(node, yaml.MappingNode) else []
    return [
        _key(key)
        for key, value in members
        if isinstance(value, yaml.ScalarNode)
        and value.style is None
        and _DATE.match(cast("str", value.value))
    ]


def edit(
    front: str, changes: Mapping[str, JsonValue], remove: Collection[str], line_end: str
) -> str:
    """``front`` with the lines of some keys replaced, cut out or appended.

    The outcome is to be parsed again: a style that spans cannot serve, such as ``{a: 1}``, breaks.
    """
    front, node = _compose(front)
    members = _members(node) if isinstance(node, yaml.MappingNode) else []
    spans = {_key(key): (key.start_mark.index, _end(front, key, value)) for key, value in members}
    margin = " " * members[0][0].start_mark.column if members else ""
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    for key, value in changes.items():
        written = dump({key: value}, margin).replace("\n", line_end)
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


def dump(fields: Mapping[str, JsonValue], margin: str = "") -> str:
    """``fields`` as lines of YAML, each after ``margin``; empty for none."""
    if not fields:
        return ""
    text = yaml.dump(
        dict(fields),
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=False,
        width=MAX_WIDTH_CHARACTERS,
    )
    return "".join(f"{margin}{line}" for line in text.splitlines(keepends=True))


def _end(front: str, key: yaml.Node, value: yaml.Node) -> int:
    """Where a member's own text ends: comments and blank lines behind it are nobody's."""
    last = value
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        children = cast("list[yaml.Node | tuple[yaml.Node, yaml.Node]]", last.value)
        child = children[-1]
        last = child[1] if isinstance(child, tuple) else child
    end = max(last.end_mark.index, key.end_mark.index)
    return len(front[:end].rstrip())


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
    return _text(node)


# A change reads the same text several times.
@lru_cache(maxsize=1)
def _compose(text: str) -> tuple[str, yaml.Node | None]:
    """The tree of ``text``; when that is no YAML, of it with quotes around values with a colon.

    People write ``description: Use it so: …``, which is no YAML; the engine reads it like this too.
    The text that the tree belongs to comes first.
    """
    try:
        return text, yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError:
        quoted = _LOOSE_LINE.sub(
            lambda match: match["key"] + json.dumps(match["value"], ensure_ascii=False), text
        )
        with suppress(yaml.YAMLError):
            return quoted, yaml.compose(quoted, Loader=_Loader)
        raise


def _text(node: yaml.ScalarNode) -> str:
    """The scalar's text; escapes can spell a character as a pair of halves, or one half alone."""
    text = cast("str", node.value)
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise _refusal(node, "half a surrogate pair") from error


def _scalar(node: yaml.ScalarNode) -> JsonValue:
    text = _text(node)
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
