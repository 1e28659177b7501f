"""Writing a batch of files: each is planned, and planned anew when the batch has been approved."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import MAX_FILE_BYTES, Failure, place_of
from openwork.workspace.paths import FileStat
from openwork.workspace.private_files import refuse_overwriting_private

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openwork.workspace.paths import SafePath, WorkspaceRoot

_NS_PER_MS = 1_000_000
_CLOCK_STEP_MS = 2_000  # a file dated further ahead than this was not written by a clock like ours


@dataclass(frozen=True, slots=True)
class FileWrite:
    """What a client wants written.

    Attributes:
        path: As the client wrote it.
        data: The whole new content.
        if_match: The revision that is to be replaced, or None for whatever is there.
        force: Write in spite of ``if_match``.
    """

    path: str
    data: bytes
    if_match: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A write whose path is safe.

    Attributes:
        place: Where.
        write: What.
        private: Whether it may write over a private file.
    """

    place: SafePath
    write: FileWrite
    private: bool = True


@dataclass(frozen=True, slots=True)
class FileWritten:
    """A file that was written.

    Attributes:
        path: Below the workspace.
        stat: Its new state.
        previous: The state that was replaced, or None for a new file.
    """

    path: str
    stat: FileStat
    previous: FileStat | None

    def to_json(self) -> dict[str, Any]:
        """``{ok, path, bytes, updatedAt, revision, previousRevision|null}``."""
        return {
            "ok": True,
            "path": self.path,
            "bytes": self.stat.size,
            "updatedAt": self.stat.mtime_ms,
            "revision": self.stat.revision,
            "previousRevision": None if self.previous is None else self.previous.revision,
        }


def plan_writes(
    root: WorkspaceRoot, writes: Iterable[FileWrite], *, private: bool = True
) -> tuple[list[PlannedWrite], list[Failure]]:
    """Which of ``writes`` can be done, and why not the others; see ``PlannedWrite.private``.

    Raises:
        OpenWorkError: ``invalid_path`` 400 for a path that no batch may hold.
    """
    planned = [PlannedWrite(place_of(root, write.path), write, private) for write in writes]
    verdicts = [(each, _check(each)) for each in planned]
    ready = [each for each, verdict in verdicts if not isinstance(verdict, Failure)]
    return ready, [verdict for _, verdict in verdicts if isinstance(verdict, Failure)]


def write_file(planned: PlannedWrite) -> FileWritten | Failure:
    """Do one write, checking it anew: the file may have changed meanwhile.

    A failure's code is ``conflict`` with ``{expectedRevision, currentRevision}``,
    ``file_too_large`` with ``{maxBytes, size}``, ``file_access_denied``, ``invalid_path`` or
    ``write_failed``; what was there stays.
    """
    previous = _check(planned)
    if isinstance(previous, Failure):
        return previous
    try:
        written = save(planned.place, planned.write.data, previous)
    except OpenWorkError as error:
        return _failure(planned, error)
    return FileWritten(planned.place.relative, written, previous)


def save(place: SafePath, data: bytes, previous: FileStat | None) -> FileStat:
    """Replace a file's content atomically, and its revision with it.

    A revision is a time in milliseconds and a size: two writes of equal size within one millisecond
    would share it, and a client could overwrite what it never saw. The second is dated later.

    Args:
        place: The file.
        data: Its whole new content.
        previous: What is there now, or None.

    Raises:
        OpenWorkError: As ``SafePath.replacing``; what was there stays.
    """
    with place.replacing() as stream:
        stream.write(data)
        stream.flush()
        found = os.fstat(stream.fileno())
        mtime_ns = _dated_after(previous, found.st_mtime_ns)
        if mtime_ns != found.st_mtime_ns:
            os.utime(stream.fileno(), ns=(found.st_atime_ns, mtime_ns))
        return FileStat("file", found.st_size, mtime_ns, stat.S_IMODE(found.st_mode))


def _dated_after(previous: FileStat | None, mtime_ns: int) -> int:
    if previous is None:
        return mtime_ns
    behind_ms = previous.mtime_ns // _NS_PER_MS - mtime_ns // _NS_PER_MS
    if not 0 <= behind_ms <= _CLOCK_STEP_MS:
        return mtime_ns
    return (previous.mtime_ns // _NS_PER_MS + 1) * _NS_PER_MS


def _check(planned: PlannedWrite) -> FileStat | Failure | None:
    """What a write would replace (None: nothing), or why it cannot be done."""
    place, write = planned.place, planned.write
    named = {"path": place.relative}
    size = len(write.data)
    if size > MAX_FILE_BYTES:
        text = (
            f"{place.relative} would have {size:,} bytes; at most {MAX_FILE_BYTES:,} are allowed."
        )
        facts = {"maxBytes": MAX_FILE_BYTES, "size": size}
        return Failure(named, "file_too_large", text, facts)
    try:
        there = place.stat()
        if not planned.private:
            refuse_overwriting_private(place)
    except OpenWorkError as error:
        return _failure(planned, error)
    if there is not None and there.kind != "file":
        return Failure(named, "invalid_path", f"{place.relative} is not a regular file.")
    current = None if there is None else there.revision
    if write.if_match is not None and not write.force and write.if_match != current:
        text = f"{place.relative} was changed since it was read."
        facts = {"expectedRevision": write.if_match, "currentRevision": current}
        return Failure(named, "conflict", text, facts)
    return there


def _failure(planned: PlannedWrite, error: OpenWorkError) -> Failure:
    named = {"path": planned.place.relative}
    return Failure.of(error, named, ("file_access_denied", "invalid_path"), "write_failed")
