"""A settings file in JSON that people edit too: damaged is told, written whole, private."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from openwork.common.errors import OpenWorkError
from openwork.common.files import (
    PRIVATE_FILE_MODE,
    ensure_private_dir,
    read_json_object,
    replace_file,
)


def read_settings(path: Path, prefix: str) -> dict[str, Any] | None:
    """The object in ``path``, or None when there is no such file.

    Raises:
        OpenWorkError: ``invalid_json`` 422 when it is damaged; ``PREFIX_read_failed`` 500.
    """
    try:
        return read_json_object(path)
    except OpenWorkError as error:
        damaged = error.code == "file_damaged"
        raise OpenWorkError(
            "invalid_json" if damaged else f"{prefix}_read_failed",
            error.message,
            hint=error.hint,
            status=422 if damaged else 500,
        ) from error


def write_settings(path: Path, value: dict[str, Any], prefix: str) -> None:
    """Replace ``path`` atomically, or make it, and its folder.

    A link to the real file, as dotfile managers make them, stays one.

    Raises:
        OpenWorkError: ``PREFIX_write_failed`` 500; the file is as it was.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # Half a surrogate pair stays the escape that it was read from.
    data = text.encode(errors="backslashreplace")
    real = Path(os.path.realpath(path))
    try:
        ensure_private_dir(real.parent)
        replace_file(real, data, mode=PRIVATE_FILE_MODE)
    except OSError as error:
        raise OpenWorkError(
            f"{prefix}_write_failed",
            f"{path} cannot be written: {error}",
            hint="Check its folder's owner, permissions and free space. Nothing was changed.",
        ) from error


def damaged_settings(path: Path, reason: str) -> OpenWorkError:
    """``invalid_json`` 422 for a file whose JSON is not what it should be."""
    return OpenWorkError(
        "invalid_json",
        f"{path} is damaged: {reason}.",
        hint="Repair the file. Nothing was changed.",
        status=422,
    )
