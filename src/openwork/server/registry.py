"""The workspaces a server serves, and the folders they may lie in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.common.ids import workspace_id
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openwork.server.unavailable import UnavailableWorkspace
    from openwork.server.workspace_settings import EngineAddress, WorkspaceSetting


@dataclass(frozen=True)
class Workspace:
    """A folder that is served.

    Attributes:
        id: ``ws_`` + 12 hex digits of its path's SHA-256.
        name: What people see.
        root: Its folder.
        engine: Its engine, or None.
        display_name: The name a person gave it, or None.
        preset: The starter files it was made with, or None.
    """

    id: str
    name: str
    root: WorkspaceRoot
    engine: EngineAddress | None
    display_name: str | None = None
    preset: str | None = None

    @property
    def path(self) -> Path:
        """Its folder, resolved."""
        return self.root.path

    @property
    def folder(self) -> str:
        """The same as text."""
        return str(self.path)

    def renamed(self, name: str | None) -> Workspace:
        """With another name; None gives back its folder's."""
        return replace(self, name=name or self.path.name, display_name=name)

    def to_json(self) -> dict[str, Any]:
        """As clients see it. The engine's credentials are not among it: nobody below needs them."""
        body: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "path": str(self.path),
            "workspaceType": "local",
        }
        if self.display_name is not None:
            body["displayName"] = self.display_name
        if self.preset is not None:
            body["preset"] = self.preset
        if self.engine is not None:
            body["baseUrl"] = self.engine.base_url
            body["opencode"] = {
                "baseUrl": self.engine.base_url,
                "directory": self.engine.directory,
            }
        return body


class Registry:
    """The workspaces in order; the first is the active one. Those that cannot be served come last.

    Attributes:
        changing: Held by who changes it together with the settings file.
    """

    def __init__(
        self,
        workspaces: tuple[WorkspaceSetting, ...],
        roots: tuple[Path, ...] | None = None,
        unavailable: tuple[UnavailableWorkspace, ...] = (),
    ) -> None:
        """Keep the first of each folder.

        Args:
            workspaces: As configured.
            roots: The folders that workspaces may lie in, resolved; None: their own.
            unavailable: Those that are configured and cannot be served.
        """
        self._by_id: dict[str, Workspace] = {}
        self._on_add: list[Callable[[Workspace], None]] = []
        self._on_remove: list[Callable[[Workspace], None]] = []
        self.changing = asyncio.Lock()
        for each in workspaces:
            made = build_workspace(each)
            self._by_id.setdefault(made.id, made)
        self._unavailable: dict[str, UnavailableWorkspace] = {}
        for each in unavailable:
            self._unavailable.setdefault(each.id, each)
        self._roots = tuple(each.path for each in workspaces) if roots is None else roots

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that workspaces may lie in, resolved."""
        return self._roots

    def on_add(self, callback: Callable[[Workspace], None]) -> None:
        """Call ``callback(workspace)`` for every workspace that is added later."""
        self._on_add.append(callback)

    def on_remove(self, callback: Callable[[Workspace], None]) -> None:
        """Call ``callback(workspace)`` for every workspace that is removed: end what serves it."""
        self._on_remove.append(callback)

    def all(self) -> list[Workspace]:
        """Those that are served, active first."""
        return list(self._by_id.values())

    def to_json(self) -> list[dict[str, Any]]:
        """All of them as clients see them, also those that cannot be served."""
        named = (*self._by_id.values(), *self._unavailable.values())
        return [each.to_json() for each in named]

    @property
    def active(self) -> Workspace | None:
        """The first workspace, or None when there is none."""
        return next(iter(self._by_id.values()), None)

    @property
    def active_id(self) -> str | None:
        """The active workspace's id, or None when there is none."""
        return next(iter(self._by_id), None)

    def get(self, workspace_id: str) -> Workspace:
        """One workspace that is served.

        Raises:
            OpenWorkError: ``workspace_not_found`` 404; ``workspace_unavailable`` 409.
        """
        found = self.named(workspace_id)
        if not isinstance(found, Workspace):
            raise found.error()
        return found

    def named(self, workspace_id: str) -> Workspace | UnavailableWorkspace:
        """One workspace, whether it can be served or not.

        Raises:
            OpenWorkError: ``workspace_not_found`` 404.
        """
        found = self._by_id.get(workspace_id) or self._unavailable.get(workspace_id)
        if found is None:
            raise OpenWorkError(
                "workspace_not_found", f"There is no workspace {workspace_id}.", status=404
            )
        return found

    def unavailable(self, workspace_id: str) -> UnavailableWorkspace | None:
        """One that cannot be served; None when it can, or there is none."""
        return self._unavailable.get(workspace_id)

    def activate(self, workspace_id: str) -> Workspace:
        """Make one the active one.

        Raises:
            OpenWorkError: ``workspace_not_found``; ``workspace_unavailable``.
        """
        found = self.get(workspace_id)
        self._by_id = {found.id: found} | self._by_id
        return found

    def add(self, workspace: Workspace) -> None:
        """Serve it from now on, as the active one; its folder becomes an authorised one."""
        known = workspace.id in self._by_id
        self._unavailable.pop(workspace.id, None)
        self._by_id.pop(workspace.id, None)
        self._by_id = {workspace.id: workspace} | self._by_id
        if workspace.path not in self._roots:
            self._roots = (*self._roots, workspace.path)
        for callback in () if known else self._on_add:
            callback(workspace)

    def rename(self, workspace_id: str, name: str | None) -> Workspace | UnavailableWorkspace:
        """Give one another name; None gives it its own back.

        Raises:
            OpenWorkError: ``workspace_not_found``.
        """
        new = self.named(workspace_id).renamed(name)
        if isinstance(new, Workspace):
            self._by_id[workspace_id] = new
        else:
            self._unavailable[workspace_id] = new
        return new

    def remove(self, workspace_id: str) -> Workspace | UnavailableWorkspace:
        """Serve it no more; its folder stays as it is.

        Raises:
            OpenWorkError: ``workspace_not_found``.
        """
        gone = self.named(workspace_id)
        self._roots = tuple(root for root in self._roots if str(root) != gone.folder)
        if not isinstance(gone, Workspace):
            del self._unavailable[workspace_id]
            return gone
        del self._by_id[workspace_id]
        for callback in self._on_remove:
            callback(gone)
        return gone


def build_workspace(setting: WorkspaceSetting) -> Workspace:
    """The workspace of a setting.

    Raises:
        OpenWorkError: ``workspace_not_found`` when its folder is missing.
    """
    return Workspace(
        workspace_id(setting.path),
        setting.name,
        WorkspaceRoot(setting.path),
        setting.engine,
        setting.display_name,
        setting.preset,
    )
