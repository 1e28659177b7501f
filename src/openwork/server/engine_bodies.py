"""What a body for the engine may not hold: lifted permissions, unasked shells, files from outside.

Measured on OpenCode 1.18: ``tools`` and a session's ``permission`` silence its prompts; a command's
arguments may hold ``!`…``` (a shell) and ``@path`` (a file, relative to the *git root*, or to ``/``
where there is none), and so may a subtask's prompt; a file part's ``url`` is read whatever spelling
of ``file:`` it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import unquote

from openwork.common.errors import OpenWorkError
from openwork.server.engine_paths import (
    LONGEST_PATH,
    MOST_SEGMENTS,
    places,
    readings,
    segments_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Inspection = Literal["session", "prompt", "part", "command", "location"]
LONGEST_MENTION = 1024
MOST_MENTIONS = 50
# Each is resolved on the disk: 300,000 of them took 19 s.
MOST_FILES = 64
# A mention with more places where it may end is refused: each is a path to be resolved.
MOST_ENDS = 8
# The engine's own pattern ends earlier at dots; ASCII, because JavaScript's \w is.
_MENTION = re.compile(r"(?<![\w`])@([^\s`,]+)", re.ASCII)
# Letters of any language go on: a name of twenty of them has one end.
_END = re.compile(r"[^\w/\u00a1-\U0010ffff-]|[\s\ufeff]")
_NO_FILE = ("data:", "http:", "https:")
_SCHEME_CHARACTERS = 6
_CUT_OFF = "".join(map(chr, range(33)))


@dataclass(frozen=True)
class Bounds:
    """The folder that a body may name files of.

    Attributes:
        root: The workspace's folder, resolved.
    """

    root: Path

    def hold(self, path: str) -> bool:
        """Whether ``path`` (absolute, or relative to the folder) surely lies under it.

        Links are followed, in each way the engine could read the path.
        """
        spelled = readings(path)
        if spelled is None:
            return False
        try:
            found = [place for each in spelled for place in places(self.root, each)]
        except (OSError, ValueError):
            return False
        return all(Path(each).is_relative_to(self.root) for each in found)

    @property
    def is_worktree(self) -> bool:
        """Whether the engine resolves relative mentions here: the folder is a git root itself."""
        return (self.root / ".git").is_dir()


def check_body(
    inspection: Inspection, body: object, bounds: Bounds, *, by_owner: bool = False
) -> None:
    """Refuse a body that would lift permissions, run a shell unasked, or leave the workspace.

    Args:
        inspection: What to look for.
        body: The parsed JSON.
        bounds: The folder files may come from.
        by_owner: Owners may lift permissions; nobody leaves the workspace.

    Raises:
        OpenWorkError: ``forbidden``, naming the field.
    """
    if not isinstance(body, dict):
        return
    fields = cast("Mapping[str, Any]", body)
    if inspection == "location":
        for name in ("location", "directory"):
            if fields.get(name) is not None:
                raise _refused(f"'{name}' is set by OpenWork and cannot be chosen")
    elif inspection == "session":
        if fields.get("workspaceID") is not None:  # of the engine: it may lie anywhere
            raise _refused("'workspaceID' is set by OpenWork and cannot be chosen")
        if not by_owner and allows_tools(fields.get("permission")):
            raise _refused("'permission' may not allow tools: only owners lift permission prompts")
    elif inspection == "part":
        _check_parts([fields], bounds)
    else:
        _check_prompt(fields, bounds)


def _check_prompt(fields: Mapping[str, Any], bounds: Bounds) -> None:
    tools = fields.get("tools")
    if isinstance(tools, dict) and any(cast("dict[str, object]", tools).values()):
        raise _refused("'tools' may not allow tools: only owners lift permission prompts")
    arguments = str(fields.get("arguments") or "")
    # The engine runs !`…` in a command's text, arguments included, without asking.
    if "!`" in arguments:
        raise _refused("'arguments' may not hold !`…`: it would run a shell command unasked")
    _check_parts(fields.get("parts"), bounds, arguments)


def _check_parts(parts: object, bounds: Bounds, arguments: str = "") -> None:
    """Refuse what the parts have the engine read; of all texts together, because each costs."""
    # A subtask's prompt is read as a command's text is, files it mentions and all.
    check_mentions("\n".join((arguments, *_texts(parts, "prompt"))), bounds)
    _check_files(_texts(parts, "url"), bounds)


def check_mentions(text: str, bounds: Bounds, *, own: frozenset[str] = frozenset()) -> None:
    """Refuse a command's text that names files outside: the engine reads ``@path`` unasked.

    Args:
        text: The arguments, or the whole text with them.
        bounds: The folder files may come from.
        own: Mentions, with their ``@``, that stand in the command itself.

    Raises:
        OpenWorkError: ``forbidden``.
    """
    mentions = [each for each in _MENTION.findall(text) if "@" + each not in own]
    if len(mentions) > MOST_MENTIONS or any(len(each) > LONGEST_MENTION for each in mentions):
        raise _refused("it mentions too many files with @")
    is_worktree = bounds.is_worktree
    paths: dict[str, str] = {}
    for mention in mentions:
        if not mention.startswith("/") and not is_worktree:
            raise _refused(
                f"@{mention} would be looked up outside the workspace: write the whole path"
            )
        # The engine may end the path at any sign that is no part of a plain name.
        ends = [each.start() for each in _END.finditer(mention)]
        if len(ends) > MOST_ENDS:
            raise _refused(f"@{mention} may end in too many places: name the file's folder")
        paths |= {mention[:end]: mention for end in [*ends, len(mention)]}
    if sum(map(segments_of, paths)) > MOST_SEGMENTS:
        raise _refused("it mentions too many folders with @")
    for path, mention in paths.items():
        if path.startswith("~") or not bounds.hold(path):
            raise _refused(f"the file {mention} lies outside the workspace")


def _check_files(urls: list[str], bounds: Bounds) -> None:
    """Refuse files from outside; they are counted before the first one is looked up."""
    files = [(url, path) for url in urls if (path := file_of(url)) is not None]
    if len(files) > MOST_FILES:
        raise _too_much(f"A prompt may name {MOST_FILES} files; this one names {len(files)}.")
    if any(len(url) > LONGEST_PATH for url, _ in files):
        raise _too_much(f"The address of a file may have {LONGEST_PATH:,} characters.")
    if sum(segments_of(path) for _, path in files) > MOST_SEGMENTS:
        raise _too_much(f"The files of a prompt may lie in {MOST_SEGMENTS:,} folders in all.")
    for url, path in files:
        # The address is judged too: what stands in place of a host is no part of the path.
        if readings(url) is None or not bounds.hold(path):
            raise _refused(f"the file {url[:LONGEST_MENTION]} lies outside the workspace")


def _texts(parts: object, name: str) -> list[str]:
    """The texts that the parts hold under ``name``."""
    found: list[str] = []
    for part in cast("list[object]", parts) if isinstance(parts, list) else []:
        text = cast("dict[str, object]", part).get(name) if isinstance(part, dict) else None
        if isinstance(text, str):
            found.append(text)
    return found


def file_of(url: str) -> str | None:
    """The absolute path that a file part's ``url`` names, read as browsers and the engine read it.

    None for an address that is no file. What cannot be read with certainty counts as a file, so
    that it is judged by its path. Source: https://url.spec.whatwg.org (whitespace, backslashes,
    spellings of the scheme).
    """
    plain = re.sub(r"[\t\n\r]", "", url).strip(_CUT_OFF)
    if plain[:_SCHEME_CHARACTERS].lower().startswith(_NO_FILE):
        return None
    scheme, colon, rest = plain.partition(":")
    path = re.split(r"[?#]", rest if colon and scheme.lower() == "file" else plain)[0]
    path = path.replace("\\", "/")
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    return "/" + unquote(path).lstrip("/")


def allows_tools(ruleset: object) -> bool:
    """Whether a permission ruleset holds anything but ``deny`` and ``ask``."""
    if ruleset is None:
        return False
    if not isinstance(ruleset, list):
        return True
    for each in cast("list[object]", ruleset):
        action = cast("dict[str, object]", each).get("action") if isinstance(each, dict) else None
        if action not in ("deny", "ask"):  # a tuple: what came may not be hashable
            return True
    return False


def _too_much(message: str) -> OpenWorkError:
    return OpenWorkError("invalid_payload", message, status=400)


def _refused(message: str) -> OpenWorkError:
    return OpenWorkError("forbidden", f"The request was refused: {message}.", status=403)
