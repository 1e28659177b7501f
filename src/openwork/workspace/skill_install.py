"""Putting a fetched skill into a workspace: the old skill or the new one is there, never a part.

The files are written to a temporary folder beside, which is then renamed to the skill's. An update
needs two renames; a crash between them is mended by ``recover``.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import skills
from openwork.workspace.names import invalid_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openwork.workspace.documents import Action
    from openwork.workspace.paths import SafePath, WorkspaceRoot
    from openwork.workspace.skill_hub import Fetched

logger = logging.getLogger(__name__)

# A name that ``temporary.is_temporary`` hides from clients. In it: ``target``, the path of the
# skill's folder; ``new``, what it will hold; ``old``, what it held.
_STAGING_PREFIX = ".openwork-skill-"
_STAGING_SUFFIX = ".tmp"
_TARGET_MAX_BYTES = 4096


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


def place(root: WorkspaceRoot, name: str) -> tuple[SafePath, Action]:
    """The folder a skill is in, or goes to; and which of the two."""
    existing = skills.find(root, name)
    if existing:
        return existing[0].parent, "updated"
    path = root.at("/".join((*skills.PLACES[0], name)))
    return path, "added" if path.stat() is None else "updated"


def install(root: WorkspaceRoot, fetched: Fetched, *, overwrite: bool) -> Installed:
    """Write a skill into the workspace. Who calls it serialises changes of a workspace.

    Without ``overwrite``, files that are there stay as they are and missing ones are added. With
    it, the fetched files take the place of those; files of other names stay.

    Raises:
        OpenWorkError: ``invalid_path`` 400 when the skill's folder is a symbolic link and would be
            replaced; others as ``SafePath.write_bytes`` and ``rename_to``.
    """
    recover(root)
    folder, action = place(root, fetched.name)
    if action == "updated" and not overwrite:
        return _add_missing(folder, fetched)
    _refuse_link(folder)
    staging = root.top.child(
        ".opencode", f"{_STAGING_PREFIX}{secrets.token_hex(8)}{_STAGING_SUFFIX}"
    )
    try:
        staging.child("target").write_bytes(folder.relative.encode())
        _write(staging.child("new"), fetched)
        if action == "updated":
            folder.rename_to(staging.child("old"))
        staging.child("new").rename_to(folder)
    finally:
        _settle(staging, folder)
    return Installed(folder, action, len(fetched.files), 0)


def recover_all(roots: Iterable[WorkspaceRoot]) -> None:
    """``recover`` each workspace at the start, when nothing else changes it; log what fails."""
    for root in roots:
        try:
            recover(root)
        except OpenWorkError as error:
            logger.error("A skill in %s: %s", root.path, error.message)  # noqa: TRY400  # told


def recover(root: WorkspaceRoot) -> None:
    """Finish or undo the installations that a crash cut short.

    Raises:
        OpenWorkError: As ``SafePath``.
    """
    beside = root.top.child(".opencode")
    if beside.stat() is None:
        return
    for entry in beside.entries():
        name = entry.path.name
        if not (name.startswith(_STAGING_PREFIX) and name.endswith(_STAGING_SUFFIX)):
            continue
        target = entry.path.child("target")
        if entry.stat.kind == "dir" and target.is_file():
            text = target.read_bytes(max_bytes=_TARGET_MAX_BYTES).decode(errors="replace")
            _settle(entry.path, root.at(text))
        else:
            entry.path.delete(recursive=True)


def _add_missing(folder: SafePath, fetched: Fetched) -> Installed:
    missing = {
        inner: file
        for inner, file in fetched.files.items()
        if folder.child(*inner.split("/")).stat() is None
    }
    _write(folder, type(fetched)(fetched.name, missing))
    return Installed(folder, "updated", len(missing), len(fetched.files) - len(missing))


def _write(folder: SafePath, fetched: Fetched) -> None:
    for inner, (data, mode) in fetched.files.items():
        folder.child(*inner.split("/")).write_bytes(data, mode=mode)


def _refuse_link(folder: SafePath) -> None:
    if folder.parent.stat() is None:
        return
    kinds = {entry.path.name: entry.stat.kind for entry in folder.parent.entries()}
    if kinds.get(folder.name) == "symlink":
        raise invalid_path(folder.relative, "it is a symbolic link; delete it first")


def _settle(staging: SafePath, folder: SafePath) -> None:
    """From any point of an installation to its end, or back to its beginning."""
    old, new = staging.child("old"), staging.child("new")
    if old.stat() is not None:
        if folder.stat() is None and new.stat() is not None:
            old.rename_to(folder)
        else:
            _carry_over(old, folder)
    if staging.stat() is not None:
        staging.delete(recursive=True)


def _carry_over(old: SafePath, folder: SafePath) -> None:
    """Move what only the old folder has into the new one."""
    waiting = [(old, folder)]
    while waiting:
        source, target = waiting.pop()
        there = {entry.path.name: entry.stat.kind for entry in target.entries()}
        for entry in source.entries():
            name = entry.path.name
            if name not in there:
                entry.path.rename_to(target.child(name))
            elif entry.stat.kind == there[name] == "dir":
                waiting.append((entry.path, target.child(name)))
