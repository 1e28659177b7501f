"""What becomes of a command's text once a caller's arguments are put in. No I/O.

The engine fills ``$1``, ``$2`` … and ``$ARGUMENTS`` into the command's template first, and then
runs each !`…` and reads each ``@path`` of the result without asking. So arguments are harmless by
themselves only; a template such as ``@$1`` makes a file of any word. Source: OpenCode 1.18.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.engine_bodies import check_mentions

if TYPE_CHECKING:
    from openwork.server.engine_bodies import Bounds

_ARGUMENT = re.compile(r"\[Image\s+\d+\]|\"[^\"]*\"|'[^']*'|[^\s\"']+", re.IGNORECASE)
_POSITION = re.compile(r"\$(\d+)", re.ASCII)
_SHELL = re.compile(r"!`([^`]+)`")
# JavaScript's replaceAll gives these a meaning of their own in the text that is put in.
_REPLACEMENT_SIGN = re.compile(r"\$[$&`'<]")


def filled_in(template: str, arguments: str) -> str:
    """The command's text as the engine makes it."""
    words = [re.sub(r"^[\"']|[\"']$", "", each) for each in _ARGUMENT.findall(arguments)]
    positions = [int(each) for each in _POSITION.findall(template)]
    last = max(positions, default=0)

    def word(match: re.Match[str]) -> str:
        at = int(match.group(1))
        return " ".join(words[at - 1 :]) if at == last else "".join(words[at - 1 : at])

    text = _POSITION.sub(word, template).replace("$ARGUMENTS", arguments)
    if not positions and "$ARGUMENTS" not in template and arguments.strip():
        text += "\n\n" + arguments
    return text


def check_command(template: str, arguments: str, bounds: Bounds) -> None:
    """Refuse arguments that change what the command runs, or make it read a file from outside.

    Raises:
        OpenWorkError: ``forbidden``.
    """
    if _REPLACEMENT_SIGN.search(arguments):
        raise _refused("'arguments' may not hold $ before a sign")
    text = filled_in(template, arguments)
    if _SHELL.findall(text) != _SHELL.findall(template):
        raise _refused("the arguments would become part of a shell command that runs unasked")
    check_mentions(text, bounds, own=frozenset(re.findall(r"@[^\s`,]+", template)))


def _refused(message: str) -> OpenWorkError:
    return OpenWorkError("forbidden", f"The request was refused: {message}.", status=403)
