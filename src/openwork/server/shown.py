"""What the person who approves a change is shown of it.

A change may be megabytes long, and looking for secrets takes its time, so what will not be shown is
cut off first: far behind what is shown, and between two words. Nothing that is recognised as a
secret goes on over white space, so that none is cut in two and its first half shown.
"""

from __future__ import annotations

import json
from typing import cast

from openwork.workspace.secrets import redact, redact_text

MAX_SHOWN_CHARACTERS = 4_000
# Longer than any secret, which all count for little once they are hidden.
MARGIN_CHARACTERS = 32_768
# A word that is cut may be half of a secret, at most this long, that is not recognised any more.
UNSURE_CHARACTERS = 8_192


def shown(value: object, most: int = MAX_SHOWN_CHARACTERS) -> str:
    """A text, or JSON as text: without secrets, and at most about ``most`` characters."""
    kept = _Beginning(most + MARGIN_CHARACTERS).of(value)
    left_out = 0 if kept == value else max(1, _length(value) - _length(kept))
    safe = redact(kept)
    text = safe if isinstance(safe, str) else json.dumps(safe, indent=2, ensure_ascii=False)
    if len(text) <= most and not left_out:
        return text
    head = text[:most]
    return f"{head}…\n({len(text) - len(head) + left_out:,} more characters)"


def _length(value: object) -> int:
    return len(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


class _Beginning:
    """Copies a value from its beginning, as much as there is room for."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            fields: dict[str, object] = {}
            for key, each in cast("dict[str, object]", value).items():
                if self._room <= 0:
                    break
                # The key first: a value under half a key's name finds no room any more.
                name = self._text(key)
                fields[name] = self.of(each)
            return fields
        if isinstance(value, list):
            items: list[object] = []
            for each in cast("list[object]", value):
                if self._room <= 0:
                    break
                items.append(self.of(each))
            return items
        self._room -= 1
        return value

    def _text(self, text: str) -> str:
        room = max(0, self._room)
        self._room -= len(text) + 1
        if len(text) <= room:
            return text
        beginning = text[:room]
        words = beginning.rsplit(maxsplit=1)
        word = words[-1] if words and not beginning[-1].isspace() else ""
        if len(word) <= UNSURE_CHARACTERS:
            return beginning[: len(beginning) - len(word)]
        # What comes out the same with a shorter cut does not depend on where it is made.
        longer, shorter = redact_text(beginning), redact_text(beginning[:-UNSURE_CHARACTERS])
        same = (
            at for at, pair in enumerate(zip(longer, shorter, strict=False)) if len({*pair}) > 1
        )
        return shorter[: next(same, len(shorter))]
