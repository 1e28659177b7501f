"""Reading a batch of files, one after another, so that no more than one is held at a time."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import MAX_FILE_BYTES, Failure

if TYPE_CHECKING:
    from openwork.workspace.paths import FileContent, SafePath

_KEPT_CODES = ("file_not_found", "file_too_large", "invalid_path")


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


def read_file(place: SafePath) -> FileRead | Failure:
    """One item of a read batch.

    A failure's code is ``file_not_found`` (also for a folder), ``file_too_large`` with
    ``{maxBytes, size}``, ``invalid_path`` (a link leads out) or ``read_failed``.
    """
    named = {"path": place.relative}
    try:
        found = place.stat()
        if found is None or found.kind != "file":
            return Failure(named, "file_not_found", f"There is no file {place.relative!r}.")
        return FileRead(place.relative, place.read(max_bytes=MAX_FILE_BYTES))
    except OpenWorkError as error:
        return Failure.of(error, named, _KEPT_CODES, "read_failed")
