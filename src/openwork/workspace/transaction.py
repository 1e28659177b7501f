"""Several files changed as one: all of it happens or none, also when the process is killed.

Before the first change, everything needed to undo it is written to a journal, one private file
outside the workspace, where neither a client nor the agent can forge it. The journal is removed
once all is done: that is the moment the new state counts. A failure in the middle undoes at once;
a crash is undone by ``recover``, at the next start or the next import.

Undoing restores only what the transaction itself left: a file that somebody changed after the
crash is theirs and stays.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object, sync_directory, write_private_json
from openwork.workspace.paths import SafePath
from openwork.workspace.temporary import is_ours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openwork.workspace.paths import FileContent, WorkspaceRoot

logger = logging.getLogger(__name__)

MAX_JOURNAL_BYTES = 64_000_000
KEPT_PARTS = 2  # .opencode/skills stays when the last file below it goes
_VERSION = 1


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes of one file.

    Attributes:
        path: The file.
        old: What it holds now; None when it does not exist.
        new: What it will hold; None deletes it.
        mode: Permission bits of the new file; None keeps the old ones, or 0644.
    """

    path: SafePath
    old: FileContent | None
    new: bytes | None
    mode: int | None = None

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        if self.new is None or self.old is None:
            return self.new is not None or self.old is not None
        return self.new != self.old.data or self.mode not in {None, self.old.stat.mode}


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the journal holds of one file: its old content and the hash of its new one."""

    path: SafePath
    old: bytes | None
    old_mode: int | None
    new_hash: str | None


def digest(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def apply(root: WorkspaceRoot, changes: Sequence[FileChange], journal: Path) -> None:
    """Make all ``changes``; when one fails, undo those before it. Blocking.

    The caller serialises changes of a workspace. Folders that deletions leave empty go too.

    Args:
        root: The workspace.
        changes: One for each path; those that change nothing are skipped.
        journal: Where to note how to undo it, on any file system.

    Raises:
        OpenWorkError: As ``SafePath.write_bytes``, with everything as it was;
            ``change_too_large`` 413; ``undo_failed`` 500 when that could not be restored either:
            the journal stays for the next attempt.
    """
    recover(root, journal)
    wanted = [change for change in changes if change.changes]
    if not wanted:
        return
    require_undoable(wanted)
    # Readers in between see new files before the old ones go.
    wanted.sort(key=lambda change: change.new is None)
    folders = _missing_folders(wanted)
    write_private_json(journal, _journal_of(root, wanted, folders))
    try:
        for change in wanted:
            if change.new is None:
                change.path.delete()
            else:
                change.path.write_bytes(change.new, mode=change.mode)
        for change in wanted:
            if change.new is None:
                _prune(change.path.parent)
    except BaseException:
        _undo([_entry_of(change) for change in wanted], folders, journal)
        raise
    _remove(journal)


def require_undoable(changes: Sequence[FileChange]) -> None:
    """Refuse what could not be undone.

    Raises:
        OpenWorkError: ``change_too_large`` 413 when the old files are too large to keep meanwhile.
    """
    size = sum(len(each.old.data) for each in changes if each.changes and each.old is not None)
    if size > MAX_JOURNAL_BYTES:
        raise OpenWorkError(
            "change_too_large",
            f"{size:,} bytes of files would be replaced; at most {MAX_JOURNAL_BYTES:,} can be "
            "kept for undoing.",
            hint="Remove large files from .opencode first.",
            status=413,
        )


def recover(root: WorkspaceRoot, journal: Path) -> list[SafePath]:
    """Undo what a crash left half done; the files it was about, none when all is well. Blocking.

    Raises:
        OpenWorkError: ``file_damaged`` when the journal is not readable; ``undo_failed`` 500.
    """
    for torn in journal.parent.glob(f".{journal.name}.*.tmp"):  # nothing was changed after it
        torn.unlink(missing_ok=True)
    noted = read_json_object(journal)
    if noted is None:
        return []
    try:
        entries = [_read_entry(root, each) for each in noted["entries"]]
        folders = [SafePath(root, tuple(parts)) for parts in noted["folders"]]
        known = noted["version"] == _VERSION and noted["workspace"] == str(root.path)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(journal) from error
    if not known:
        raise _damaged(journal)
    logger.warning("undoing the change of %s that a crash interrupted", root.path)
    for folder in dict.fromkeys(entry.path.parent for entry in entries):
        _sweep(folder)
    _undo(entries, folders, journal)
    return [entry.path for entry in entries]


def _undo(entries: Sequence[_Entry], folders: Sequence[SafePath], journal: Path) -> None:
    try:
        for entry in reversed(entries):
            _restore(entry)
        for folder in reversed(folders):
            _delete_if_empty(folder)
        _remove(journal)
    except (OpenWorkError, OSError) as error:
        raise OpenWorkError(
            "undo_failed",
            f"A change failed and could not be undone completely: {error}",
            hint=f"Free space or repair permissions, then restart; {journal} holds the old files.",
            status=500,
        ) from error


def _restore(entry: _Entry) -> None:
    now = None if entry.path.stat() is None else entry.path.read()
    if (now.data if now else None) == entry.old and (now.stat.mode if now else None) == (
        entry.old_mode
    ):
        return
    if (digest(now.data) if now else None) != entry.new_hash:
        logger.warning("%s was changed by somebody since: it stays as it is", entry.path)
    elif entry.old is None:
        entry.path.delete()
    else:
        entry.path.write_bytes(entry.old, mode=entry.old_mode)


def _missing_folders(changes: Sequence[FileChange]) -> list[SafePath]:
    """The folders that the changes will make, outer ones first."""
    missing: dict[tuple[str, ...], SafePath] = {}
    for change in changes:
        folder = change.path.parent
        while change.new is not None and folder.parts and folder.parts not in missing:
            if folder.stat() is not None:
                break
            missing[folder.parts] = folder
            folder = folder.parent
    return sorted(missing.values(), key=lambda folder: len(folder.parts))


def _journal_of(
    root: WorkspaceRoot, changes: Sequence[FileChange], folders: Sequence[SafePath]
) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "workspace": str(root.path),
        "folders": [list(folder.parts) for folder in folders],
        "entries": [_noted(_entry_of(change)) for change in changes],
    }


def _entry_of(change: FileChange) -> _Entry:
    old, new = change.old, change.new
    return _Entry(
        change.path,
        None if old is None else old.data,
        None if old is None else old.stat.mode,
        None if new is None else digest(new),
    )


def _noted(entry: _Entry) -> dict[str, Any]:
    old = None if entry.old is None else base64.b64encode(entry.old).decode()
    return {
        "path": list(entry.path.parts),
        "old": old,
        "mode": entry.old_mode,
        "new": entry.new_hash,
    }


def _read_entry(root: WorkspaceRoot, noted: dict[str, Any]) -> _Entry:
    old = cast("str | None", noted["old"])
    return _Entry(
        SafePath(root, tuple(noted["path"])),
        None if old is None else base64.b64decode(old, validate=True),
        noted["mode"],
        noted["new"],
    )


def _prune(folder: SafePath) -> None:
    while len(folder.parts) > KEPT_PARTS and _delete_if_empty(folder):
        folder = folder.parent


def _delete_if_empty(folder: SafePath) -> bool:
    try:
        folder.delete()
    except OpenWorkError as error:
        if error.code in {"directory_not_empty", "file_not_found"}:
            return False
        raise
    return True


def _sweep(folder: SafePath) -> None:
    """Delete the half-written files that the crash left in ``folder``."""
    try:
        entries = folder.entries()
    except OpenWorkError as error:
        if error.code == "file_not_found":
            return
        raise
    for entry in entries:
        if entry.stat.kind == "file" and is_ours(entry.path.name):
            entry.path.delete()


def _remove(journal: Path) -> None:
    journal.unlink()
    sync_directory(journal.parent)


def _damaged(journal: Path) -> OpenWorkError:
    return OpenWorkError(
        "file_damaged",
        f"{journal} is damaged: an interrupted change cannot be undone.",
        hint="Look at the workspace's .opencode folder, then move the file away.",
    )
