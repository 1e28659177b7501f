"""The workspaces a server serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.common.ids import workspace_id
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.server.settings import EngineAddress, WorkspaceSetting


@dataclass(frozen=True)
class Workspace:
    """A folder that is served.

    Attributes:
        id: ``ws_`` + 12 hex digits of its path's SHA-256.
        name: What people see.
        root: Its folder.
        engine: Its engine, or None.
    """

    id: str
    name: str
    root: WorkspaceRoot
    engine: EngineAddress | None

    @property
    def path(self) -> Path:
        """Its folder, resolved."""
        return self.root.path

    def to_json(self) -> dict[str, Any]:
        """As clients see it. The engine's credentials are not among it: nobody below needs them."""
        body: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "path": str(self.path),
            "workspaceType": "local",
        }
        if self.engine is not None:
            body["baseUrl"] = self.engine.base_url
            body["opencode"] = {
                "baseUrl": self.engine.base_url,
                "directory": self.engine.directory,
            }
        return body


class Registry:
    """The workspaces in order; the first is the active one."""

    def __init__(self, workspaces: tuple[WorkspaceSetting, ...]) -> None:
        """Keep the first of each folder."""
        self._by_id: dict[str, Workspace] = {}
        for each in workspaces:
            key = workspace_id(each.path)
            self._by_id.setdefault(
                key, Workspace(key, each.name, WorkspaceRoot(each.path), each.engine)
            )

    def all(self) -> list[Workspace]:
        """Active first."""
        return list(self._by_id.values())

    @property
    def active(self) -> Workspace | None:
        """The first workspace, or None when there is none."""
        return next(iter(self._by_id.values()), None)

    def get(self, workspace_id: str) -> Workspace:
        """One workspace.

        Raises:
            OpenWorkError: ``workspace_not_found``.
        """
        found = self._by_id.get(workspace_id)
        if found is None:
            raise OpenWorkError(
                "workspace_not_found", f"There is no workspace {workspace_id}.", status=404
            )
        return found

    def activate(self, workspace_id: str) -> Workspace:
        """Make one the active one.

        Raises:
            OpenWorkError: ``workspace_not_found``.
        """
        found = self.get(workspace_id)
        self._by_id = {found.id: found} | self._by_id
        return found
