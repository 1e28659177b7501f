"""Foreign text made safe to show: nothing in it can move the cursor or hide what is shown.

Log lines, file names, commands and a model's words may hold escape sequences, line ends that forge
a second line, or marks that turn the reading direction round.
"""

from __future__ import annotations

import re

# Control characters but tab and line feed; bidirectional marks; separators that end a line.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    """``text`` with unsafe characters written as ``\\xNN`` or ``\\uNNNN``; lines stay lines."""
    return _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))


def printable_line(text: str) -> str:
    """As :func:`printable`, all on one line."""
    return printable(text).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
