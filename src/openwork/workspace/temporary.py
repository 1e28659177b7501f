"""The names that half-written files carry: nobody lists, reads or writes one by name.

``descent.replacing`` makes them. One that a kill has left behind is removed an hour later: at the
next start when it lies where the server itself writes, else at the next write to its folder.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openwork.workspace.names import invalid_path

if TYPE_CHECKING:
    from collections.abc import Generator

    from openwork.workspace.paths import SafePath

logger = logging.getLogger(__name__)

LEFT_AFTER_S = 60 * 60
MAX_SWEPT_NAMES = 20_000
MAX_SWEPT_FOLDERS = 10_000
_OURS = re.compile(r"\.openwork-[0-9a-f]{16}\.tmp")
# Of this process: a machine that slept in the middle of a write still needs its file.
_in_use: set[str] = set()
_swept: set[tuple[int, int]] = set()


def is_temporary(name: str) -> bool:
    """Whether ``name``, without folders, is that of a half-written file."""
    plain = name.lower()  # some file systems take either case for the same file
    return plain.startswith(".openwork-") and plain.endswith(".tmp")


def is_ours(name: str) -> bool:
    """Whether ``name`` is exactly what ``temporary_name`` makes: more than being kept for it."""
    return _OURS.fullmatch(name) is not None


def refuse_temporary(place: SafePath) -> SafePath:
    """``place``, when a client may name it.

    Raises:
        OpenWorkError: ``invalid_path`` 400.
    """
    if any(map(is_temporary, place.parts)):
        raise invalid_path(place.relative, "such names are kept for half-written files")
    return place


@contextmanager
def temporary_name() -> Generator[str]:
    """A name for a file that is being written, nobody's else while the block runs."""
    name = f".openwork-{secrets.token_hex(8)}.tmp"
    _in_use.add(name)
    try:
        yield name
    finally:
        _in_use.discard(name)


def sweep(folder: int, max_names: int = MAX_SWEPT_NAMES) -> list[str]:
    """Remove what kills have left in a folder, subfolders left alone. Blocking.

    Removed are regular files of this user whose names are exactly like ours, last written more
    than ``LEFT_AFTER_S`` ago, and not by a write of this process that still goes on.

    Args:
        folder: Descriptor of the folder.
        max_names: How many names to look at.

    Returns:
        The names of its subfolders among those looked at, links left out.

    Raises:
        OSError: The folder cannot be listed, or a file not be removed.
    """
    subfolders: list[str] = []
    with os.scandir(folder) as entries:
        for position, entry in enumerate(entries):
            if position == max_names:
                break
            if entry.is_dir(follow_symlinks=False):
                subfolders.append(entry.name)
            elif is_ours(entry.name) and entry.name not in _in_use:
                _remove_if_left(folder, entry.name)
    return subfolders


def sweep_once(folder: int) -> None:
    """``sweep`` a folder the first time this process writes to it; never fails."""
    try:
        found = os.fstat(folder)
        identity = found.st_dev, found.st_ino
        if identity not in _swept:
            if len(_swept) >= MAX_SWEPT_FOLDERS:
                _swept.clear()
            _swept.add(identity)
            sweep(folder)
    except OSError as error:
        logger.warning("half-written files that a kill left cannot be removed: %s", error)


def _remove_if_left(folder: int, name: str) -> None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if ours and time.time() - found.st_mtime > LEFT_AFTER_S:
            os.unlink(name, dir_fd=folder)
            logger.info("removed %s, which a killed write had left", name)
    except FileNotFoundError:  # somebody else was faster
        return
