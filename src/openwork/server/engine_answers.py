"""What is taken out of an answer of the engine before a caller gets it. No I/O.

The table of what a secret looks like is :mod:`openwork.workspace.secrets`. Here is only what is
known about the engine's answers: where addresses, command lines and files' lines stand in them.
"""

from __future__ import annotations

import json
import operator
import re
import zlib
from typing import TYPE_CHECKING, cast

from openwork.workspace.private_files import is_private
from openwork.workspace.secrets import HIDDEN, is_reference, names_a_secret, redact

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_ERROR_BYTES = 1 << 20
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_PARAMETER = re.compile(r"(?<==)[^&#;]+")
_ASSIGNMENT = re.compile(
    r"-{0,2}(?P<name>[A-Za-z][\w.-]*)(?P<sign>\s*[=:]\s*)(?P<value>.+)", re.DOTALL
)
# The engine quotes the whole file behind this when it cannot read its configuration.
_QUOTED_FILE = "--- JSONC Input ---"


def without_secrets(raw: bytes) -> bytes:
    """``raw`` (JSON) with keys blotted out, and without entries about files that hold keys.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deep.
    """
    value: object = json.loads(raw)
    if isinstance(value, list):
        items = cast("list[object]", value)
        value = [each for each in items if not _is_about_private_file(each)]
    return _packed(_further(redact(value)))


def without_other_projects(raw: bytes, holds: Callable[[str], bool], root: str) -> bytes:
    """The engine's list of projects: those the workspace lies in, and those that lie in it.

    Also the list of a project's folders: those that lie in the workspace.

    Args:
        raw: The list, JSON.
        holds: Whether a folder lies in the workspace.
        root: The workspace's folder as the engine sees it.

    Raises:
        ValueError: It is not JSON.
    """
    value: object = json.loads(raw)
    if not isinstance(value, list):
        return raw
    kept: list[object] = []
    for each in cast("list[object]", value):
        project = cast("dict[str, object]", each) if isinstance(each, dict) else {}
        folder = project.get("directory")
        if isinstance(folder, str) and "worktree" not in project:
            kept += [project] if holds(folder) else []
            continue
        worktree = project.get("worktree")
        if not isinstance(worktree, str):
            continue
        around = root == worktree or root.startswith(worktree.rstrip("/") + "/")
        if around or holds(worktree):
            boxes = project.get("sandboxes")
            listed = cast("list[object]", boxes) if isinstance(boxes, list) else []
            inside = [box for box in listed if isinstance(box, str) and holds(box)]
            kept.append(project | {"sandboxes": inside})
    return _packed(kept)


def error_without_secrets(raw: bytes, coding: str = "") -> bytes:
    """An error of the engine without what it quotes of a configuration file, and without keys.

    Args:
        raw: As the engine sent it.
        coding: Its ``Content-Encoding``.
    """
    try:
        if coding:
            raw = _unpacked(raw)
        value: object = json.loads(raw)
        return _packed(_further(redact(_unquoted(value))))
    except (ValueError, RecursionError, zlib.error):
        return b'{"message":"The engine reported an error that cannot be shown."}'


def _unpacked(raw: bytes) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(raw, LARGEST_ERROR_BYTES)  # gzip or deflate


def _unquoted(value: object) -> object:
    if isinstance(value, str):
        before, quoted, _ = value.partition(_QUOTED_FILE)
        return before.rstrip() if quoted else value
    if isinstance(value, list):
        return [_unquoted(each) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _unquoted(each) for key, each in cast("dict[str, object]", value).items()}
    return value


def _further(value: object, name: str = "") -> object:
    """What only a configuration's places tell: parameters of addresses, arguments of commands.

    What holds none of it is not copied: most of a list of models.
    """
    if isinstance(value, str):
        return _without_parameters(value)
    if isinstance(value, list):
        items = cast("list[object]", value)
        kept = [_argument(each) if name == "command" else _further(each) for each in items]
        return items if all(map(operator.is_, kept, items)) else kept
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        changed: dict[str, object] = {}
        for key, each in fields.items():
            if isinstance(each, str):
                new = _without_parameters(each) if "://" in each else each
            elif isinstance(each, (dict, list)):
                new = _further(cast("object", each), key)
            else:
                continue
            if new is not each:
                changed[key] = new
        return fields | changed if changed else fields
    return value


def _without_parameters(text: str) -> str:
    return _PARAMETER.sub(_hidden, text) if _ADDRESS.fullmatch(text) else text


def _argument(value: object) -> object:
    """One word of a command line: ``--token=…``, ``API_KEY=…``, ``Authorization: …``."""
    if not isinstance(value, str):
        return _further(value)
    found = _ASSIGNMENT.fullmatch(value)
    if found and names_a_secret(found["name"]) and not is_reference(found["value"]):
        return value[: found.start("value")] + HIDDEN
    return _further(value)


def _hidden(found: re.Match[str]) -> str:
    return found.group() if is_reference(found.group()) else HIDDEN


def _is_about_private_file(entry: object) -> bool:
    """A hit of a search, or a file's diff."""
    if not isinstance(entry, dict):
        return False
    fields = cast("dict[str, object]", entry)
    for key in ("path", "file"):
        named = fields.get(key)
        if isinstance(named, dict):
            named = cast("dict[str, object]", named).get("text")
        if isinstance(named, str) and is_private(named):
            return True
    return False


def _packed(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
