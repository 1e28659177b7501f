"""The inbox: files that people hand to the agent, under ``.opencode/openwork/inbox``."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from openwork.common.errors import OpenWorkError
from openwork.workspace.artifacts import HandOver
from openwork.workspace.names import invalid_path, normalize
from openwork.workspace.private_files import refuse_overwriting_private
from openwork.workspace.temporary import refuse_temporary

if TYPE_CHECKING:
    from openwork.workspace.paths import SafePath, WorkspaceRoot

INBOX_NAMES = (".opencode", "openwork", "inbox")
DEFAULT_MAX_BYTES = 50_000_000
LARGEST_MAX_BYTES = 250_000_000


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that has arrived.

    Attributes:
        path: Below the inbox.
        size: Bytes.
    """

    path: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """``{ok, path, bytes}``."""
        return {"ok": True, "path": self.path, "bytes": self.size}


def inbox(root: WorkspaceRoot, *, enabled: bool = True) -> HandOver:
    """The folder that people fill.

    Codes: ``invalid_inbox_item``, ``inbox_item_not_found``, ``inbox_disabled``.
    """
    folder = root.top.child(*INBOX_NAMES)
    return HandOver(folder, "inbox_item", "inbox_disabled", enabled, named=True)


def destination(files: HandOver, *given: str | None, private: bool = True) -> SafePath:
    """Where an upload goes: the first of ``given`` that is not blank, folders allowed.

    Raises:
        OpenWorkError: ``invalid_path`` 400 (also for a folder's name), ``inbox_disabled`` 404,
            ``file_access_denied`` 403 for a private file that is there, unless ``private``.
    """
    files.require_enabled()
    named = next((text for text in given if text and text.strip()), "")
    place = refuse_temporary(files.folder.child(*normalize(named).split("/")))
    there = place.stat()
    if there is not None and there.kind != "file":
        raise invalid_path(named, "it is not a regular file")
    if not private:
        refuse_overwriting_private(place)
    return place


def keep(files: HandOver, place: SafePath, content: BinaryIO) -> Uploaded:
    """Put an upload that has arrived whole under its name; a file in its place is replaced.

    Args:
        files: The inbox.
        place: From ``destination``.
        content: Read from its current position to its end.

    Raises:
        OpenWorkError: ``invalid_path``, ``file_operation_failed``; what was there stays.
    """
    with place.replacing() as stream:
        shutil.copyfileobj(content, stream, 1 << 20)
        size = stream.tell()
    return Uploaded("/".join(place.parts[len(files.folder.parts) :]), size)


def require_fits(size: int, max_bytes: int) -> None:
    """Refuse an upload of ``size`` bytes, or of which that much is known.

    Raises:
        OpenWorkError: ``file_too_large`` 413 ``{maxBytes, size}``.
    """
    if size > max_bytes:
        raise OpenWorkError(
            "file_too_large",
            f"The upload has {size:,} bytes or more; at most {max_bytes:,} are allowed.",
            hint="Split the file, or have the host raise OPENWORK_INBOX_MAX_BYTES.",
            status=413,
            details={"maxBytes": max_bytes, "size": size},
        )
