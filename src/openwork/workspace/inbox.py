"""The inbox: files that people hand to the agent, under ``.opencode/openwork/inbox``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.workspace.artifacts import HandOver, ItemList, is_temporary
from openwork.workspace.names import invalid_path, normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class Inbox:
    """A workspace's inbox.

    Args:
        root: The workspace.
        enabled: Off, it lists nothing and refuses the rest with ``inbox_disabled`` 404.
        max_bytes: Largest file taken; never more than ``LARGEST_MAX_BYTES``.
    """

    def __init__(
        self, root: WorkspaceRoot, *, enabled: bool = True, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        folder = root.top.child(*INBOX_NAMES)
        self._files = HandOver(folder, "inbox_item", "inbox_disabled", enabled, named=True)
        self.max_bytes = min(max_bytes, LARGEST_MAX_BYTES)

    def list(self) -> ItemList:
        """What is there, newest first. Errors as ``HandOver.list``."""
        return self._files.list()

    def resolve(self, identity: str) -> SafePath:
        """The file an id names.

        Raises:
            OpenWorkError: ``invalid_inbox_item`` 400, ``inbox_item_not_found`` 404.
        """
        return self._files.resolve(identity)

    def destination(
        self, query_path: str | None, field_path: str | None, file_name: str | None
    ) -> SafePath:
        """Where an upload goes: the first text that is not blank, folders allowed.

        Raises:
            OpenWorkError: ``invalid_path`` 400, ``inbox_disabled`` 404.
        """
        self._files.require_enabled()
        given = (text for text in (query_path, field_path, file_name) if text and text.strip())
        names = normalize(next(given, "")).split("/")
        if any(map(is_temporary, names)):
            raise invalid_path("/".join(names), "such names are kept for half-written files")
        return self._files.folder.child(*names)

    def save(
        self, destination: SafePath, chunks: Iterable[bytes], *, declared_bytes: int = 0
    ) -> Uploaded:
        """Write an upload; a file in its place is replaced once all has arrived.

        Args:
            destination: From ``destination``.
            chunks: The content.
            declared_bytes: The size told beforehand, so that too much is refused at once.

        Raises:
            OpenWorkError: ``file_too_large`` 413 ``{maxBytes, size}``, the size being what is known
                of it; ``invalid_path``. What was there stays.
        """
        self._require_fits(declared_bytes)
        size = 0
        with destination.replacing() as stream:
            for chunk in chunks:
                size += len(chunk)
                self._require_fits(size)
                stream.write(chunk)
        below = destination.parts[len(self._files.folder.parts) :]
        return Uploaded("/".join(below), size)

    def _require_fits(self, size: int) -> None:
        if size > self.max_bytes:
            raise OpenWorkError(
                "file_too_large",
                f"The upload has {size:,} bytes or more; at most {self.max_bytes:,} are allowed.",
                hint="Split the file, or have the host raise OPENWORK_INBOX_MAX_BYTES.",
                status=413,
                details={"maxBytes": self.max_bytes, "size": size},
            )
