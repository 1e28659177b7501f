"""What the engine's tool results say: refused, a file's text, or something else.

Source: the tool messages OpenCode 1.18 sends to its model provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFUSED = (
    "The user rejected permission to use this specific tool call",
    "The user has specified a rule which prevents you from using this specific tool call",
)
_FEEDBACK = " with the following feedback: "
_READ = re.compile(r"<path>(?P<path>[^\n]*)</path>.*?<content>\n(?P<body>.*)</content>", re.DOTALL)
_LINE = re.compile(r"^\d+: (.*)$")


@dataclass(frozen=True)
class Refusal:
    """The user, or a rule of theirs, did not allow a tool call.

    Attributes:
        feedback: What the user said about it, or an empty string.
    """

    feedback: str


def refusal(result: str) -> Refusal | None:
    """The refusal that ``result`` reports, or None when the tool ran."""
    if not result.startswith(_REFUSED):
        return None
    return Refusal(result.partition(_FEEDBACK)[2].strip())


@dataclass(frozen=True)
class OpenedFile:
    """What the ``read`` tool returned.

    Attributes:
        path: The file, as the engine names it.
        lines: Its lines without the numbers the tool puts before them.
        complete: Whether the tool returned the whole file.
    """

    path: str
    lines: tuple[str, ...]
    complete: bool

    def beside(self, name: str) -> str:
        """The path of ``name`` in the same folder."""
        folder = re.match(r"(.*[/\\])?", self.path)
        return (folder.group() if folder else "") + name

    def from_start_of(self, named: str, other: str) -> str:
        """The path of ``other``, named from where this file was named as ``named``.

        Args:
            named: This file as it was asked for: from the workspace, or its whole path.
            other: Another file, named likewise.
        """
        start = self.path.removesuffix(named.removeprefix("./"))
        if other.startswith("/"):
            return other
        if start in {"", self.path}:
            return self.beside(other)
        return start + other.removeprefix("./")


def opened_file(result: str) -> OpenedFile | None:
    """The file in a ``read`` result, or None when it could not be read."""
    match = _READ.search(result)
    if match is None:
        return None
    body = match["body"].splitlines()
    lines = tuple(found[1] for found in map(_LINE.match, body) if found)
    return OpenedFile(match["path"], lines, complete="(End of file" in match["body"])
