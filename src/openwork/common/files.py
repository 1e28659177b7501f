"""Files that are never half-written: atomic replacement, private modes, honest reading."""

from __future__ import annotations

import errno
import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_FILE_MODE = 0o600
PRIVATE_DIR_MODE = 0o700


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old content or the new, never a part.

    The data goes to a temporary file in the same folder, is synced, and is renamed over ``path``.

    Args:
        path: Destination; its folder must exist.
        data: The whole new content.
        mode: Permission bits; None keeps those of the file being replaced, or 0644 for a new one.

    Raises:
        OSError: The folder is missing, full or not writable; ``path`` is unchanged.
    """
    if mode is None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut. Nothing where that cannot be."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse; the rename itself is still atomic
        return
    finally:
        os.close(descriptor)


def ensure_private_dir(folder: Path) -> Path:
    """Create ``folder`` (and parents), private to its owner; one that exists stays as it is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_DIR_MODE, exist_ok=True)
    return folder


def use_data_dir(folder: Path) -> None:
    """Make the folder a service keeps its data in, and see that it can be written.

    Raises:
        OpenWorkError: ``data_dir_unusable``, naming the folder and the reason.
    """
    try:
        if not ensure_private_dir(folder).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder", str(folder))
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it cannot be read and written", str(folder))
    except OSError as error:
        raise OpenWorkError(
            "data_dir_unusable",
            f"Cannot use the data folder {folder}: {error.strerror or error}",
            hint="Choose another with --data-dir or OPENWORK_DATA_DIR.",
        ) from error


def write_private_json(path: Path, value: object) -> None:
    """Atomically write ``value`` as indented JSON with mode 0600, in a private folder."""
    ensure_private_dir(path.parent)
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    replace_file(path, text.encode(), mode=PRIVATE_FILE_MODE)


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``, or None when there is no such file.

    Raises:
        OpenWorkError: ``file_damaged`` when it does not hold one JSON object, ``file_unreadable``
            when it cannot be read. The file is left as it is: damaged is never treated as empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OpenWorkError(
            "file_unreadable",
            f"Cannot read {path}: {error}",
            hint="Check the file's owner and permissions.",
        ) from error
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise _damaged(path, "it is nested too deeply") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it must hold one JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]  # json gives str keys


def _damaged(path: Path, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "file_damaged",
        f"{path} is damaged: {reason}",
        hint="Repair the file, or move it away to start afresh. Nothing was changed.",
    )
