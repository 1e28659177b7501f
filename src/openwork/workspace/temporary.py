"""The names that half-written files carry: nobody lists, reads or writes one by name.

``descent.replacing`` makes them. One that a crash has left behind stays where it is, unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.workspace.names import invalid_path

if TYPE_CHECKING:
    from openwork.workspace.paths import SafePath


def is_temporary(name: str) -> bool:
    """Whether ``name``, without folders, is that of a half-written file."""
    plain = name.lower()  # some file systems take either case for the same file
    return plain.startswith(".openwork-") and plain.endswith(".tmp")


def refuse_temporary(place: SafePath) -> SafePath:
    """``place``, when a client may name it.

    Raises:
        OpenWorkError: ``invalid_path`` 400.
    """
    if any(map(is_temporary, place.parts)):
        raise invalid_path(place.relative, "such names are kept for half-written files")
    return place
