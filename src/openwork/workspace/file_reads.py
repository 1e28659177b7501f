"""Reading a batch of files, one after another, so that no more than one is held at a time."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import MAX_FILE_BYTES, Failure
from openwork.workspace.private_files import refuse_private

if TYPE_CHECKING:
    from openwork.workspace.paths import FileContent, SafePath

_KEPT_CODES = ("file_not_found", "file_too_large", "file_access_denied", "invalid_path")


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file's content."""

    path: str
    content: FileContent

    def to_json(self) -> dict[str, Any]:
        """``{ok, path, kind, bytes, updatedAt, revision, contentBase64}``."""
        data, stat = self.content.data, self.content.stat
        return {
            "ok": True,
            "path": self.path,
            "kind": "file",
            "bytes": len(data),
            "updatedAt": stat.mtime_ms,
            "revision": stat.revision,
            "contentBase64": base64.b64encode(data).decode(),
        }


def read_file(place: SafePath, *, private: bool = True) -> FileRead | Failure:
    """One item of a read batch; ``private`` False refuses files that hold keys by their nature.

    A failure's code is ``file_not_found`` (also for a folder), ``file_too_large`` with
    ``{maxBytes, size}``, ``invalid_path`` (a link leads out), ``file_access_denied`` or
    ``read_failed``.
    """
    named = {"path": place.relative}
    refuse = None if private else refuse_private
    try:
        if refuse is not None:
            refuse(place.name)
        return FileRead(place.relative, place.read(max_bytes=MAX_FILE_BYTES, refuse=refuse))
    except OpenWorkError as error:
        if error.code == "invalid_path" and _is_something_else(place):
            return Failure(named, "file_not_found", f"{place.relative!r} is not a file.")
        return Failure.of(error, named, _KEPT_CODES, "read_failed")


def _is_something_else(place: SafePath) -> bool:
    """Whether a folder, pipe or the like is there: what clients know as no file."""
    try:
        found = place.stat()
    except OpenWorkError:  # the path itself is what is refused
        return False
    return found is not None and found.kind != "file"
