"""What of a bundle should not be given away without a decision: told, or taken out.

Who may see secrets is asked about what looks like one. For everybody else all counts that
``redact`` would hide, whatever it looks like, because the answer must hold no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from openwork.workspace.bundle import command_json
from openwork.workspace.secrets import find_secrets, redact, redact_text, shapes_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openwork.workspace.bundle import Bundle
    from openwork.workspace.commands import NewCommand
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.secrets import Path

Fields: TypeAlias = "Mapping[str, JsonValue]"

_MOST_NAMED = 20
# Named things that the engine refuses without the part that would be taken out.
_WHOLE_ENTRIES = frozenset({"mcp", "agent", "command", "formatter", "lsp", "plugin"})
_PARTS_TO_DROP = frozenset({"headers", "environment", "env", "oauth", "options"})
_CONFIG_WARNINGS = {
    "mcp": ("mcp-config", "MCP server configuration"),
    "plugin": ("plugin-config", "Plugin configuration"),
    "provider": ("provider-config", "Provider configuration"),
}


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001  # the wire's word
    """Something that looks like a secret.

    Attributes:
        id: ``mcp-config``, ``plugin-config``, ``provider-config``, ``opencode-config:<key>``,
            ``openwork-config``, ``skill:<name>``, ``command:<name>``, ``portable-file:<path>``.
        label: What it is in.
        detail: Where and of what kind; never the value.
    """

    id: str
    label: str
    detail: str

    def to_json(self) -> dict[str, JsonValue]:
        """``{id, label, detail}``."""
        return {"id": self.id, "label": self.label, "detail": self.detail}


def warnings_of(bundle: Bundle, *, cautious: bool) -> list[Warning]:
    """What would be given away.

    Args:
        bundle: From ``read_bundle``.
        cautious: Whether the receiver may see no secret at all.
    """
    details: dict[tuple[str, str], list[str]] = {}
    for path, kind in _places(bundle.opencode or {}, cautious=cautious):
        section = str(path[0])
        shown = redact_text(section)
        warned = _CONFIG_WARNINGS.get(section, (f"opencode-config:{shown}", f"opencode {shown}"))
        details.setdefault(warned, []).append(_told(path, kind))
    for path, kind in _places(bundle.openwork or {}, cautious=cautious):
        details.setdefault(("openwork-config", "openwork.json"), []).append(_told(path, kind))
    for key, texts in _texts(bundle):
        found = [f"line {line} ({kind})" for text in texts for kind, line in shapes_in(text)]
        if found:
            details.setdefault(key, []).extend(found)
    return [Warning(*key, _joined(found)) for key, found in details.items()]


def without_sensitive(bundle: Bundle, *, cautious: bool) -> Bundle:
    """``bundle`` without what ``warnings_of`` names; whatever is left can be used."""
    opencode, openwork = bundle.opencode or {}, bundle.openwork or {}
    left_out = {key for key, texts in _texts(bundle) if any(_has_shape(text) for text in texts)}
    skills = tuple(each for each in bundle.skills or () if _key("skill", each.name) not in left_out)
    lost = {each.name for each in bundle.skills or ()} - {each.name for each in skills}
    return replace(
        bundle,
        opencode=_dropped(
            opencode, (_whole(path) for path, _ in _places(opencode, cautious=cautious))
        ),
        openwork=_dropped(openwork, (path for path, _ in _places(openwork, cautious=cautious))),
        skills=skills,
        commands=tuple(
            each for each in bundle.commands or () if _key("command", each.name) not in left_out
        ),
        files=tuple(
            each
            for each in bundle.files or ()
            if _key("portable-file", each.path) not in left_out
            and not (each.path.split("/")[1] == "skills" and each.path.split("/")[2] in lost)
        ),
    )


def _places(fields: Fields, *, cautious: bool) -> list[tuple[Path, str]]:
    kinds = {found.path: found.kind for found in find_secrets(fields)}
    if not cautious:
        return list(kinds.items())
    hidden = _hidden(cast("dict[str, object]", fields), redact(fields), ())
    return [(path, kinds.get(path, "hidden value")) for path in hidden]


def _hidden(value: object, shown: object, path: Path) -> Iterator[Path]:
    """The places where ``shown``, which is ``redact(value)``, differs."""
    if isinstance(value, dict):
        visible = cast("dict[str, object]", shown)
        for key, each in cast("dict[str, object]", value).items():
            name = redact_text(key)
            if name != key:
                yield (*path, key)
            else:
                yield from _hidden(each, visible[name], (*path, key))
    elif isinstance(value, list):
        pairs = zip(cast("list[object]", value), cast("list[object]", shown), strict=True)
        for index, (each, seen) in enumerate(pairs):
            yield from _hidden(each, seen, (*path, index))
    elif value != shown:
        yield path


def _texts(bundle: Bundle) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Every text of the bundle that is no configuration, with the warning's id and label."""
    for skill in bundle.skills or ():
        yield _key("skill", skill.name), [skill.content]
    for command in bundle.commands or ():
        yield _key("command", command.name), _command_texts(command)
    for file in bundle.files or ():
        text = file.text
        yield _key("portable-file", file.path), [] if text is None else [text]


def _command_texts(command: NewCommand) -> list[str]:
    return [text for text in command_json(command).values() if isinstance(text, str)]


def _key(kind: str, name: str) -> tuple[str, str]:
    return f"{kind}:{name}", name if kind == "portable-file" else f"{kind.capitalize()} {name}"


def _has_shape(text: str) -> bool:
    return next(shapes_in(text), None) is not None


def _told(path: Path, kind: str) -> str:
    return f"{redact_text('.'.join(str(step) for step in path))} ({kind})"


def _joined(found: list[str]) -> str:
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _whole(path: Path) -> Path:
    """The smallest part around ``path`` without which the engine can read the rest."""
    if len(path) <= 2 or path[0] not in _WHOLE_ENTRIES:
        return path
    droppable = path[2] in _PARTS_TO_DROP and len(path) > 3 and isinstance(path[-1], str)
    return path if droppable else path[:2]


def _dropped(fields: Fields, paths: Iterable[Path]) -> dict[str, JsonValue]:
    doomed = set(paths)
    return cast("dict[str, JsonValue]", _without(fields, doomed, ())) if doomed else dict(fields)


def _without(value: object, doomed: set[Path], path: Path) -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            key: _without(each, doomed, (*path, key))
            for key, each in fields.items()
            if (*path, key) not in doomed
        }
    if isinstance(value, list):
        return [
            _without(each, doomed, (*path, index))
            for index, each in enumerate(cast("list[object]", value))
            if (*path, index) not in doomed
        ]
    return value
