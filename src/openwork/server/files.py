"""What the file routes of one server keep in memory: sessions, catalogs, the changes they made."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.turns import Turns
from openwork.workspace.catalog import Catalog
from openwork.workspace.file_events import FileEvents
from openwork.workspace.file_sessions import FileSessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openwork.server.registry import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkspaceFiles:
    """Of one workspace.

    Attributes:
        catalog: Its index; empty until somebody asks for a page.
        events: What file sessions and uploads have changed.
        listing: Held by whoever lists folders: one at a time, so that many who ask leave threads
            for others.
        planning: Turns at working out imports.
        exporting: Turns at exports.
    """

    catalog: Catalog
    events: FileEvents
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    planning: Turns = field(default_factory=Turns)
    exporting: Turns = field(default_factory=Turns)

    def changed(self, paths: Sequence[str]) -> None:
        """Tell the catalog of changes. Blocking; never fails: they are done already."""
        try:
            self.catalog.apply_change(paths)
        except OpenWorkError as error:
            logger.warning("the catalog will be built anew: %s", error.message)


class Files:
    """Of all workspaces. Belongs to the event loop; what it hands out is safe in threads."""

    def __init__(self) -> None:
        self.sessions = FileSessions()
        self._by_workspace: dict[str, WorkspaceFiles] = {}

    def of(self, workspace: Workspace) -> WorkspaceFiles:
        """A workspace's part, made on first use."""
        found = self._by_workspace.get(workspace.id)
        if found is None:
            found = WorkspaceFiles(Catalog(workspace.root), FileEvents(workspace.id))
            self._by_workspace[workspace.id] = found
        return found

    async def tidy(self) -> None:
        """Free the catalogs of workspaces that have no session any more."""
        in_use = self.sessions.workspaces()
        for workspace_id, files in list(self._by_workspace.items()):
            if workspace_id not in in_use:
                await asyncio.to_thread(files.catalog.forget)

    def forget(self, workspace_id: str) -> None:
        """The workspace is gone: its sessions end, its catalog and events are dropped."""
        self.sessions.end_of_workspace(workspace_id)
        self._by_workspace.pop(workspace_id, None)
