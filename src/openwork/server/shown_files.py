"""What the person who approves a change of several files is shown of them.

What becomes of each, then their texts, as far as there is room; see :mod:`openwork.server.shown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.shown import shown
from openwork.workspace import jsonc
from openwork.workspace.private_files import is_private

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of all files together, and of each.
MAX_FILES_CHARACTERS = 12_000
MAX_FILE_CHARACTERS = 2_000
MAX_LISTED_FILES = 100
_MAX_PARSED_CHARACTERS = 1_000_000
_CONFIGURATIONS = ("opencode.json", "opencode.jsonc")


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file that a change writes or deletes.

    Attributes:
        verb: What becomes of it: ``write``, ``delete``, ….
        path: Where.
        data: Its new content; None for none.
        runs: Its content is run on this machine: it is shown before the others'.
    """

    verb: str
    path: str
    data: bytes | None = None
    runs: bool = False

    @property
    def words(self) -> str:
        """``write notes.md (120 bytes)``."""
        size = "" if self.data is None else f" ({len(self.data):,} bytes)"
        return f"{self.verb} {self.path}{size}"


def shown_files(files: Sequence[ShownFile]) -> str:
    """What becomes of each file, then their texts, as far as there is room. Blocking."""
    listed = [each.words for each in files[:MAX_LISTED_FILES]]
    if len(files) > MAX_LISTED_FILES:
        listed.append(f"… and {len(files) - MAX_LISTED_FILES:,} more")
    pieces = [shown("\n".join(listed))]
    left = MAX_FILES_CHARACTERS - len(pieces[0])
    for each in sorted(files, key=lambda file: not file.runs):
        if each.data is None:
            continue
        text = _text_of(each.path, each.data, min(MAX_FILE_CHARACTERS, left))
        pieces.append(f"\n--- {shown(each.path)}\n{text}")
        left -= len(pieces[-1])
        if left <= 0:
            break
    return "\n".join(pieces)


def _text_of(path: str, data: bytes, most: int) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    if is_private(path) and name not in _CONFIGURATIONS:
        return "(may hold keys: not shown)"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return "(no text)"
    if not name.endswith((".json", ".jsonc")):
        return shown(text, most)
    if len(text) > _MAX_PARSED_CHARACTERS:
        return "(too long to be shown)"
    try:
        return _escaped(shown(jsonc.parse(text), most))
    except OpenWorkError:
        return "(JSON that does not parse: not shown)"


def _escaped(text: str) -> str:
    """``text`` as UTF-8 can hold it."""
    return text.encode(errors="backslashreplace").decode()
