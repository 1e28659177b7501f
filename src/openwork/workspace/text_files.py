"""Reading and saving one Markdown file, without overwriting what somebody else saved meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.workspace.file_writes import save
from openwork.workspace.names import invalid_path
from openwork.workspace.private_files import refuse_overwriting_private, refuse_private
from openwork.workspace.temporary import refuse_temporary

if TYPE_CHECKING:
    from openwork.workspace.paths import FileStat, SafePath, WorkspaceRoot

SUFFIXES = (".md", ".mdx", ".markdown")
MAX_TEXT_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's text.

    Attributes:
        path: Below the workspace.
        content: Its text; line ends and a byte order mark are kept.
        stat: The state it was read in.
    """

    path: str
    content: str
    stat: FileStat

    def to_json(self) -> dict[str, Any]:
        """``{path, content, bytes, updatedAt}``."""
        return {
            "path": self.path,
            "content": self.content,
            "bytes": self.stat.size,
            "updatedAt": self.stat.mtime_ms,
        }


@dataclass(frozen=True, slots=True)
class TextWrite:
    """What a client wants saved.

    Attributes:
        path: As the client wrote it.
        content: The whole new text.
        base_updated_at: The ``updatedAt`` of the version that was edited, or None.
        force: Overwrite whatever is there.
        private: Whether it may write over a private file.
    """

    path: str
    content: str
    base_updated_at: float | None = None
    force: bool = False
    private: bool = True


@dataclass(frozen=True, slots=True)
class TextWritten:
    """A file that was saved."""

    path: str
    stat: FileStat

    def to_json(self) -> dict[str, Any]:
        """``{ok, path, bytes, updatedAt, revision}``."""
        return {
            "ok": True,
            "path": self.path,
            "bytes": self.stat.size,
            "updatedAt": self.stat.mtime_ms,
            "revision": self.stat.revision,
        }


def read_text(root: WorkspaceRoot, path: str, *, private: bool = True) -> TextFile:
    """The text of a Markdown file.

    Args:
        root: The workspace.
        path: As a client wrote it.
        private: False refuses files that hold keys by their nature, also through a link.

    Raises:
        OpenWorkError: ``invalid_path`` 400, ``file_access_denied`` 403, ``file_not_found`` 404,
            ``file_too_large`` 413, ``not_text`` 422 for bytes that are no UTF-8: shown with
            substitutes, the next save would destroy them.
    """
    place = _markdown(root, path)
    refuse = None if private else refuse_private
    if refuse is not None:
        refuse(place.relative)
    found = place.read(max_bytes=MAX_TEXT_BYTES, refuse=refuse)
    try:
        content = found.data.decode()
    except UnicodeDecodeError as error:
        raise OpenWorkError(
            "not_text",
            f"{place.relative} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
            hint="Convert the file to UTF-8, or read its bytes through a file session.",
            status=422,
        ) from error
    return TextFile(place.relative, content, found.stat)


def check_write(root: WorkspaceRoot, write: TextWrite) -> SafePath:
    """Refuse a save that cannot be, before anybody is asked to approve it; else its place.

    Raises:
        OpenWorkError: ``invalid_path`` 400, ``invalid_payload`` 400, ``file_access_denied`` 403,
            ``file_too_large`` 413 ``{maxBytes, size}``, ``conflict`` 409
            ``{baseUpdatedAt, currentUpdatedAt}``.
    """
    place = _markdown(root, write.path)
    size = len(_encoded(write))
    if size > MAX_TEXT_BYTES:
        raise OpenWorkError(
            "file_too_large",
            f"The text has {size:,} bytes; at most {MAX_TEXT_BYTES:,} are allowed.",
            hint="Split the file.",
            status=413,
            details={"maxBytes": MAX_TEXT_BYTES, "size": size},
        )
    there = place.stat()
    if not write.private:
        refuse_overwriting_private(place)
    if there is not None and there.kind != "file":
        raise invalid_path(place.relative, "it is not a regular file")
    if there is not None and not write.force and write.base_updated_at is not None:
        _require_same(place, write.base_updated_at, there)
    return place


def write_text(root: WorkspaceRoot, write: TextWrite) -> TextWritten:
    """Save it, checking anew: the file may have changed while the save waited for approval.

    Raises:
        OpenWorkError: As ``check_write``; nothing was changed.
    """
    place = check_write(root, write)
    return TextWritten(place.relative, save(place, _encoded(write), place.stat()))


def _markdown(root: WorkspaceRoot, path: str) -> SafePath:
    place = refuse_temporary(root.at(path))
    if not place.name.lower().endswith(SUFFIXES):
        raise invalid_path(path, f"only {', '.join(SUFFIXES)} files are edited as text")
    return place


def _encoded(write: TextWrite) -> bytes:
    try:
        return write.content.encode()
    except UnicodeEncodeError as error:
        raise OpenWorkError(
            "invalid_payload",
            f"The content for {write.path!r} holds half a character at {error.start:,}.",
            hint="Send whole Unicode characters.",
            status=400,
        ) from error


def _require_same(place: SafePath, base_updated_at: float, there: FileStat) -> None:
    if base_updated_at != there.mtime_ms:
        raise OpenWorkError(
            "conflict",
            f"{place.relative} was changed since it was read.",
            hint="Read it again and merge, or save with force to overwrite it.",
            status=409,
            details={"baseUpdatedAt": base_updated_at, "currentUpdatedAt": there.mtime_ms},
        )
