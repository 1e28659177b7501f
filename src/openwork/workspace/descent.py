"""File work relative to an open folder, never following a symbolic link.

A path is walked one name at a time, each opened relative to the descriptor of the one before with
``O_NOFOLLOW``. What was checked is therefore what is used: a folder that somebody swaps for a link
in between makes the call fail instead of leading it elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from openwork.common.errors import OpenWorkError
from openwork.workspace.names import invalid_path
from openwork.workspace.temporary import sweep_once, temporary_name

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

NEW_FILE_MODE = 0o644
_TEMPORARY_MODE = 0o600
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def told_as_openwork_errors(path: str, *, creating: bool = False) -> Generator[None]:
    """Turn an ``OSError`` about ``path`` into the error a client understands.

    A file where a folder is needed means "not found" to who reads, "invalid" to who writes there.

    Raises:
        OpenWorkError: ``file_not_found`` 404, ``invalid_path`` 400, ``file_access_denied`` 403,
            ``path_exists`` 409, ``directory_not_empty`` 409, ``file_operation_failed`` 500.
    """
    try:
        yield
    except NotADirectoryError as error:
        if creating:
            raise invalid_path(path, "a part of it is a file, not a folder") from error
        raise _not_found(path) from error
    except OSError as error:
        raise _translate(path, error) from error


def _not_found(path: str) -> OpenWorkError:
    return OpenWorkError("file_not_found", f"There is no {path!r} in the workspace.", status=404)


def _translate(path: str, error: OSError) -> OpenWorkError:
    match error.errno:
        case errno.ENOENT:
            return _not_found(path)
        case errno.ELOOP:
            return invalid_path(path, "a symbolic link stands in the way")
        case errno.EISDIR:
            return invalid_path(path, "it is a folder")
        case errno.ENAMETOOLONG | errno.EINVAL:
            return invalid_path(path, error.strerror or "the system refuses it")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return OpenWorkError(
                "file_access_denied",
                f"The system denies access to {path!r}: {error.strerror}",
                hint="Check its owner and permissions.",
                status=403,
            )
        case errno.EEXIST:
            return OpenWorkError("path_exists", f"{path!r} already exists.", status=409)
        case errno.ENOTEMPTY:
            return OpenWorkError(
                "directory_not_empty",
                f"The folder {path!r} is not empty.",
                hint="Delete it recursively.",
                status=409,
            )
        case _:
            return OpenWorkError(
                "file_operation_failed", f"{path!r} failed: {error.strerror}", status=500
            )


@contextmanager
def open_folder(top: Path | int, parts: Sequence[str], *, create: bool = False) -> Generator[int]:
    """A descriptor of the folder ``parts`` below ``top``, closed on leaving.

    Args:
        top: A real path, or the descriptor of an open folder (which stays open).
        parts: Names to walk down; none may be ``..`` or hold a slash.
        create: Make the folders that are missing.

    Raises:
        OSError: A part is missing, no folder, or a symbolic link.
    """
    descriptor = os.dup(top) if isinstance(top, int) else os.open(top, _FOLDER_FLAGS)
    try:
        for part in parts:
            deeper = _enter(descriptor, part, create=create)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(folder: int, name: str, *, create: bool) -> int:
    try:
        return _open_folder_in(folder, name)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):  # made by somebody else; opening it shows what it is
        os.mkdir(name, dir_fd=folder)
    return _open_folder_in(folder, name)


def _open_folder_in(folder: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except NotADirectoryError:  # Linux says so of links too; they must not pass as missing
        found = lstat(folder, name)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise


def lstat(folder: int, name: str) -> os.stat_result | None:
    """What ``name`` in ``folder`` is, links not followed; None when there is nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def open_regular(folder: int, name: str) -> BinaryIO:
    """Open the regular file ``name`` for reading.

    Raises:
        OSError: It is missing, unreadable, or a symbolic link.
        IsADirectoryError: It is a folder.
        OpenWorkError: ``invalid_path`` for a pipe, socket or device.
    """
    descriptor = os.open(name, _READ_FLAGS, dir_fd=folder)
    try:
        _require_regular(name, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def replacing(folder: int, name: str, *, mode: int | None = None) -> Generator[BinaryIO]:
    """A stream whose bytes become the file ``name`` when the block ends without an error.

    Written to a temporary file in the same folder, synced, and renamed over ``name``; a reader sees
    the old content or the new. This is ``common.files.replace_file`` relative to a descriptor.

    Args:
        folder: Descriptor of the folder.
        name: The file's name in it.
        mode: Permission bits; None keeps those of the file replaced, or 0644 for a new one.

    Raises:
        OSError: Not writable, full, or ``name`` is a folder or a link; ``name`` is unchanged.
        OpenWorkError: ``invalid_path`` for a pipe, socket or device.
    """
    bits = _mode_of_replaced(folder, name) if mode is None else mode
    with temporary_name() as temporary:
        descriptor = os.open(temporary, _WRITE_FLAGS, _TEMPORARY_MODE, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(descriptor, bits)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
    sync_folder(folder)
    sweep_once(folder)


def _mode_of_replaced(folder: int, name: str) -> int:
    existing = lstat(folder, name)
    if existing is None:
        return NEW_FILE_MODE
    _require_regular(name, existing.st_mode)
    return stat.S_IMODE(existing.st_mode)


def _require_regular(name: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(mode):
        raise invalid_path(name, "it is not a regular file")


def sync_folder(folder: int) -> None:
    """Make a rename in ``folder`` survive a power cut, where the file system can."""
    try:
        os.fsync(folder)
    except OSError:  # some network file systems refuse; the rename itself is still atomic
        return


def remove_tree(folder: int, name: str) -> None:
    """Delete the folder ``name`` and all below it; links are deleted, never followed.

    Works with a list of paths instead of recursion, so that no depth exhausts the stack or the
    table of open files.

    Raises:
        OSError: Something could not be deleted; what was deleted before stays deleted.
    """
    waiting = [[name]]
    while waiting:
        parts = waiting[-1]
        with open_folder(folder, parts) as descriptor:
            subfolders = _remove_files(descriptor)
        if subfolders:
            waiting.extend([*parts, subfolder] for subfolder in subfolders)
            continue
        waiting.pop()
        with open_folder(folder, parts[:-1]) as parent:
            os.rmdir(parts[-1], dir_fd=parent)


def _remove_files(folder: int) -> list[str]:
    """Delete all in ``folder`` but its subfolders, and name those."""
    subfolders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                subfolders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return subfolders
