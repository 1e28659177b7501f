"""Folders that hand files over: the outbox an agent fills, and the reading half of the inbox.

An item's id is the base64url text, without padding, of its path below the folder. Symbolic links
are not listed.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from openwork.common.errors import OpenWorkError
from openwork.workspace.private_files import refuse_private
from openwork.workspace.temporary import is_temporary, refuse_temporary

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from openwork.workspace.paths import Entry, SafePath, WorkspaceRoot

OUTBOX_NAMES = (".opencode", "openwork", "outbox")
MAX_ITEMS = 2_000
MAX_VISITED = 50_000


def item_id(relative: str) -> str:
    """The id of the file at ``relative`` below its folder."""
    return base64.urlsafe_b64encode(relative.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Item:
    """A file that can be fetched.

    Attributes:
        path: Below its folder, with ``/`` between parts.
        size: Bytes.
        updated_at_ms: Time of the last change, with its fraction.
        named: Whether the wire form tells the name too: an inbox's does, the outbox's does not.
    """

    path: str
    size: int
    updated_at_ms: float
    named: bool = False

    def to_json(self) -> dict[str, Any]:
        """``{id, path, name?, size, updatedAt}``."""
        body: dict[str, Any] = {"id": item_id(self.path), "path": self.path}
        if self.named:
            body["name"] = self.path.rsplit("/", 1)[-1]
        return body | {"size": self.size, "updatedAt": self.updated_at_ms}


@dataclass(frozen=True, slots=True)
class ItemList:
    """The newest items of a folder.

    Attributes:
        items: Newest first.
        truncated: There are more: only the newest are told, or the folder is too large to see all.
    """

    items: tuple[Item, ...]
    truncated: bool = False

    def to_json(self) -> dict[str, Any]:
        """``{items}``, and ``truncated: true`` when something was left out."""
        body: dict[str, Any] = {"items": [item.to_json() for item in self.items]}
        return body | {"truncated": True} if self.truncated else body


@dataclass(frozen=True, slots=True)
class HandOver:
    """One such folder.

    Attributes:
        folder: Where; need not exist.
        noun: ``inbox_item`` or ``artifact``: the codes are made of it.
        disabled_code: The refusal's code when the folder is switched off.
        enabled: Whether it is on. Off, it lists nothing and hands nothing out.
        named: See ``Item``.
    """

    folder: SafePath
    noun: str
    disabled_code: str
    enabled: bool = True
    named: bool = False

    def list(self, *, limit: int = MAX_ITEMS, max_visited: int = MAX_VISITED) -> ItemList:
        """The newest ``limit`` files, looking at no more than ``max_visited`` names.

        A folder below it that may not be read counts as empty.

        Raises:
            OpenWorkError: The folder leads outside (``invalid_path``) or is unreadable.
        """
        if not self.enabled:
            return ItemList(())
        files: list[Entry] = []
        cut = False
        for visited, entry in enumerate(self._walk()):
            if visited == max_visited:
                cut = True
                break
            if entry.stat.kind == "file":
                files.append(entry)
        newest = heapq.nsmallest(limit, files, key=_newest_first)
        return ItemList(tuple(map(self._item, newest)), truncated=cut or len(files) > limit)

    @contextmanager
    def opened(self, identity: str, *, private: bool = True) -> Generator[BinaryIO]:
        """The file an id names, open for reading; ``private`` False refuses files with keys.

        Raises:
            OpenWorkError: ``<noun>_not_found`` or the disabled code 404, ``invalid_<noun>`` 400
                (the id names no file that could be here, or a link leads out), or
                ``file_access_denied`` 403.
        """
        self.require_enabled()
        path = self.decode(identity)
        with ExitStack() as stack:
            try:
                if not private:
                    refuse_private(path.relative)
                refuse = None if private else refuse_private
                stream = stack.enter_context(path.open(refuse=refuse))
            except OpenWorkError as error:
                raise self._told(error, path) from error
            yield stream

    def require_enabled(self) -> None:
        """Refuse when the folder is switched off.

        Raises:
            OpenWorkError: The disabled code, 404.
        """
        if not self.enabled:
            raise OpenWorkError(
                self.disabled_code,
                f"The {self.folder.name} is switched off on this server.",
                hint=f"Its host can switch it on: OPENWORK_{self.folder.name.upper()}_ENABLED=1.",
                status=404,
            )

    def decode(self, identity: str) -> SafePath:
        """The path an id names; whether a file is there shows on opening.

        Raises:
            OpenWorkError: ``invalid_<noun>`` 400.
        """
        # Not normalized: an id names exactly the file it was made from, whatever its name.
        try:
            padded = identity + "=" * (-len(identity) % 4)
            relative = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            return refuse_temporary(self.folder.child(*relative.split("/")))
        except (binascii.Error, ValueError, OpenWorkError) as error:
            raise self._invalid() from error

    def _walk(self) -> Iterator[Entry]:
        waiting = [self.folder]
        while waiting:
            folder = waiting.pop()
            try:
                entries = folder.entries()
            except OpenWorkError as error:
                gone = error.code == "file_not_found"
                if gone or (error.code == "file_access_denied" and folder is not self.folder):
                    continue
                raise
            shown = [entry for entry in entries if not is_temporary(entry.path.name)]
            yield from shown
            waiting.extend(entry.path for entry in shown if entry.stat.kind == "dir")

    def _told(self, error: OpenWorkError, path: SafePath) -> OpenWorkError:
        if error.code == "file_not_found":
            return OpenWorkError(
                f"{self.noun}_not_found",
                f"There is no {path.relative!r} in the workspace.",
                hint="List the folder again: the file may have been moved or deleted.",
                status=404,
            )
        return self._invalid() if error.code == "invalid_path" else error

    def _invalid(self) -> OpenWorkError:
        return OpenWorkError(
            f"invalid_{self.noun}",
            f"The id does not name a file in {self.folder.relative}.",
            hint="Use an id from the folder's list.",
            status=400,
        )

    def _item(self, entry: Entry) -> Item:
        below = "/".join(entry.path.parts[len(self.folder.parts) :])
        return Item(below, entry.stat.size, entry.stat.mtime_ms, self.named)


def _newest_first(entry: Entry) -> tuple[int, str]:
    return -entry.stat.mtime_ns, entry.path.relative


def outbox(root: WorkspaceRoot, *, enabled: bool = True) -> HandOver:
    """The folder whose files the wire calls artifacts.

    Codes: ``invalid_artifact``, ``artifact_not_found``, ``outbox_disabled``.
    """
    return HandOver(root.top.child(*OUTBOX_NAMES), "artifact", "outbox_disabled", enabled)
