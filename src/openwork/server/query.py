"""Numbers and switches in a query, as lenient as existing clients know it."""

from __future__ import annotations

_LONGEST_NUMBER = 18
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def whole_number(text: str, default: int) -> int:
    """The whole number that ``text`` is; anything else means ``default``."""
    plain = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return int(text) if plain else default


def switch(text: str, *, default: bool) -> bool:
    """Whether ``text`` says yes; what says neither yes nor no means ``default``."""
    word = text.strip().lower()
    return word in _TRUE or (default and word not in _FALSE)
