"""Files: text, file sessions with their catalog and batches, inbox and artifacts."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from openwork.server.answers.parts import Mtime, Path, Revision, TimeMs, WorkspaceId
from openwork.workspace.file_events import FileEventType


class TextFile(TypedDict):
    """A Markdown file."""

    path: Path
    content: str
    bytes: int
    updatedAt: Mtime


class TextWritten(TypedDict):
    """A Markdown file as it was saved."""

    ok: Literal[True]
    path: Path
    bytes: int
    updatedAt: Mtime
    revision: Revision


class FileSessionInfo(TypedDict):
    """A file session: it belongs to the token that made it."""

    id: str
    workspaceId: WorkspaceId
    createdAt: TimeMs
    expiresAt: TimeMs
    ttlMs: int
    canWrite: bool


class FileSessionAnswer(TypedDict):
    """A file session."""

    session: FileSessionInfo


class CatalogEntry(TypedDict):
    """A file or folder."""

    path: Path
    kind: Literal["file", "dir"]
    size: int
    mtimeMs: Mtime
    revision: Revision


class CatalogSnapshot(TypedDict):
    """One page of the files and folders, sorted by path."""

    sessionId: str
    workspaceId: WorkspaceId
    generatedAt: TimeMs
    cursor: Annotated[int, Field(description="The since of what changes after it.")]
    total: int
    truncated: bool
    nextAfter: NotRequired[Annotated[str, Field(description="The after of the next page.")]]
    items: list[CatalogEntry]


class FileChange(TypedDict):
    """A change that was made through this server."""

    id: str
    seq: int
    workspaceId: WorkspaceId
    type: FileEventType
    path: Path
    toPath: NotRequired[Path]
    revision: NotRequired[Revision]
    timestamp: TimeMs


class FileChanges(TypedDict):
    """Changes, oldest first."""

    items: list[FileChange]
    cursor: int
    missed: NotRequired[
        Annotated[Literal[True], Field(description="Some are kept no more: read the catalog.")]
    ]


_Failed = TypedDict(
    "_Failed",
    {
        "ok": Literal[False],
        "type": NotRequired[str],
        "path": NotRequired[str],
        "from": NotRequired[str],
        "to": NotRequired[str],
        "code": str,
        "message": str,
        "maxBytes": NotRequired[int],
        "size": NotRequired[int],
        "expectedRevision": NotRequired[str],
        "currentRevision": NotRequired[str | None],
    },
)


class FailedItem(_Failed):
    """An item that could not be done; the rest of its batch went on."""


class FileRead(TypedDict):
    """A file's content."""

    ok: Literal[True]
    path: Path
    kind: Literal["file"]
    bytes: int
    updatedAt: Mtime
    revision: Revision
    contentBase64: str


class FilesRead(TypedDict):
    """One item for each path, in its order."""

    items: list[FileRead | FailedItem]


class WrittenFile(TypedDict):
    """A file that was written."""

    ok: Literal[True]
    path: Path
    bytes: int
    updatedAt: Mtime
    revision: Revision
    previousRevision: Revision | None


class FilesWritten(TypedDict):
    """One item for each file: what could not be planned comes first."""

    items: list[WrittenFile | FailedItem]
    cursor: int


class ChangedPath(TypedDict):
    """A folder that was made, or what was deleted."""

    ok: Literal[True]
    type: Literal["mkdir", "delete"]
    path: Path


_Moved = TypedDict(
    "_Moved", {"ok": Literal[True], "type": Literal["rename"], "from": str, "to": str}
)


class MovedPath(_Moved):
    """What was moved."""


class FilesChanged(TypedDict):
    """One item for each operation, in its order."""

    items: list[ChangedPath | MovedPath | FailedItem]
    cursor: int


class HandedOver(TypedDict):
    """A file in the outbox."""

    id: Annotated[str, Field(description="base64url of the path.")]
    path: str
    size: int
    updatedAt: Mtime


class Artifacts(TypedDict):
    """Files, newest first."""

    items: list[HandedOver]
    truncated: NotRequired[Annotated[Literal[True], Field(description="There are more.")]]


class InboxItem(HandedOver):
    """A file in the inbox."""

    name: str


class InboxItems(TypedDict):
    """Files, newest first."""

    items: list[InboxItem]
    truncated: NotRequired[Annotated[Literal[True], Field(description="There are more.")]]


class Uploaded(TypedDict):
    """A file that is in the inbox now."""

    ok: Literal[True]
    path: str
    bytes: int
