"""How much a token allows."""

from __future__ import annotations

from enum import IntEnum


class Scope(IntEnum):
    """What a token allows; a higher scope includes the lower ones."""

    VIEWER = 1
    COLLABORATOR = 2
    OWNER = 3

    @property
    def wire(self) -> str:
        """``viewer``, ``collaborator`` or ``owner``."""
        return self.name.lower()

    @staticmethod
    def from_wire(word: str) -> Scope:
        """The scope called ``word``.

        Raises:
            KeyError: There is none.
        """
        return {scope.wire: scope for scope in Scope}[word]
