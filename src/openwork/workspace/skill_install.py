"""Putting a fetched skill into a workspace: the old skill or the new one is there, never a part.

Its files are changed as one (``transaction``): each is the old or the new one at any moment, none
that was there is ever missing, and what a crash leaves half done is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.workspace import skills, transaction
from openwork.workspace.names import invalid_path
from openwork.workspace.transaction import MAX_JOURNAL_BYTES, FileChange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openwork.workspace.documents import Action
    from openwork.workspace.paths import SafePath, WorkspaceRoot
    from openwork.workspace.skill_hub import Fetched


@dataclass(frozen=True, slots=True)
class Planned:
    """What an installation would do.

    Attributes:
        path: The skill's folder.
        action: Whether the skill is new.
        changes: The files to be written.
    """

    path: SafePath
    action: Action
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did.

    Attributes:
        path: The skill's folder.
        action: Whether the skill is new.
        written: Files written.
        skipped: Files left as they were.
    """

    path: SafePath
    action: Action
    written: int
    skipped: int


def plan(root: WorkspaceRoot, fetched: Fetched, *, overwrite: bool) -> Planned:
    """Work out an installation, without writing. Blocking.

    Without ``overwrite``, files that are there stay as they are and missing ones are added. With
    it, the fetched files take the place of those; files of other names stay.

    Raises:
        OpenWorkError: ``invalid_path`` 400 when a symbolic link, or a folder where a file belongs,
            is in the way; ``file_too_large`` 413 for what could not be kept for undoing.
    """
    action: Action
    existing = skills.find(root, fetched.name)
    if existing:
        folder, action = existing[0].parent, "updated"
    else:
        folder = root.at("/".join((*skills.PLACES[0], fetched.name)))
        action = "added" if folder.stat() is None else "updated"
    return Planned(folder, action, tuple(_changes(folder, fetched, overwrite=overwrite)))


def install(root: WorkspaceRoot, fetched: Fetched, journal: Path, *, overwrite: bool) -> Installed:
    """Write a skill into the workspace. Who calls it serialises changes of a workspace. Blocking.

    Args:
        root: The workspace.
        fetched: What to write.
        journal: See ``transaction.apply``.
        overwrite: See ``plan``.

    Raises:
        OpenWorkError: As ``plan`` and ``transaction.apply``. Everything is as it was then.
    """
    transaction.recover(root, journal)
    planned = plan(root, fetched, overwrite=overwrite)
    transaction.apply(root, planned.changes, journal)
    written = len(planned.changes)
    return Installed(planned.path, planned.action, written, len(fetched.files) - written)


def _changes(folder: SafePath, fetched: Fetched, *, overwrite: bool) -> Iterator[FileChange]:
    if overwrite:
        _refuse_link(folder.parent.followed().child(folder.name))
    for inner, (data, mode) in fetched.files.items():
        path = folder.child(*inner.split("/"))
        if path.stat() is None:
            yield FileChange(path, None, data, mode)
        elif overwrite:
            _refuse_link(folder.followed().child(*inner.split("/")))
            yield FileChange(path, path.read(max_bytes=MAX_JOURNAL_BYTES), data, mode)


def _refuse_link(path: SafePath) -> None:
    """Refuse what is a link, or below one: what it leads to is not the skill's to replace."""
    if path.followed() != path:
        raise invalid_path(path.relative, "it is a symbolic link; delete it first")
