"""Changes of the server's settings file: whole, and the rest of it kept.

It is made when the first workspace is added, and then holds the workspaces only, so that no other
setting of the next start changes. Not where the workspaces are named on the command line or in the
environment: the next start would not read them here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openwork.server.settings_json import damaged_settings, read_settings, write_settings
from openwork.server.workspace_entries import id_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.common.errors import OpenWorkError
    from openwork.server.registry import Workspace
    from openwork.server.unavailable import UnavailableWorkspace

    Named = Workspace | UnavailableWorkspace

Entry = dict[str, Any]
_PREFIX = "server_config"


class ConfigStore:
    """The workspaces in one settings file. One process writes it.

    Every change returns whether the next start will know of it, and raises ``OpenWorkError``
    ``invalid_json`` 422 for a damaged file and ``server_config_read_failed`` or
    ``server_config_write_failed`` 500; the file is then as it was.

    Args:
        path: The file.
        in_use: The workspaces are those of the file; otherwise a file that is there is kept up, but
            decides nothing.
    """

    def __init__(self, path: Path, *, in_use: bool = True) -> None:
        self._path = path
        self._in_use = in_use

    def check(self) -> None:
        """Tell of a damaged file before anything is done."""
        file = self._read()
        if file is not None:
            self._entries(file)
            self._roots(file)

    def add(self, workspace: Workspace) -> bool:
        """Put a workspace first, and its folder among the authorised ones where these are named."""

        def edit(file: dict[str, Any]) -> None:
            entry = {"path": str(workspace.path), "name": workspace.name}
            if workspace.display_name is not None:
                entry["displayName"] = workspace.display_name
            if workspace.preset is not None:
                entry["preset"] = workspace.preset
            known = self._of(file, workspace.id)
            others = [each for each in self._entries(file) if each not in known]
            file["workspaces"] = [{**(known[0] if known else {}), **entry}, *others]
            roots = self._roots(file)
            if roots and not any(self._same(root, workspace.folder) for root in roots):
                file["authorizedRoots"] = [*roots, str(workspace.path)]

        return self._change(edit, create=self._in_use)

    def activate(self, workspace: Workspace) -> bool:
        """Put a workspace first, when the file names it."""
        listed = False

        def edit(file: dict[str, Any]) -> None:
            nonlocal listed
            known = self._of(file, workspace.id)
            listed = bool(known)
            if known:
                others = [each for each in self._entries(file) if each not in known]
                file["workspaces"] = [*known, *others]

        return self._change(edit) and listed

    def rename(self, workspace: Named) -> bool:
        """Keep a workspace's new name, when the file names the workspace."""

        def edit(file: dict[str, Any]) -> None:
            for each in self._of(file, workspace.id):
                each["name"] = workspace.name
                each.pop("displayName", None)
                if workspace.display_name is not None:
                    each["displayName"] = workspace.display_name

        return self._change(edit)

    def remove(self, workspace: Named) -> bool:
        """Take a workspace out, and its folder from the authorised ones."""

        def edit(file: dict[str, Any]) -> None:
            gone = self._of(file, workspace.id)
            if gone:
                file["workspaces"] = [each for each in self._entries(file) if each not in gone]
            roots = self._roots(file)
            if roots:
                kept = [each for each in roots if not self._same(each, workspace.folder)]
                file["authorizedRoots"] = kept

        return self._change(edit)

    def _change(self, edit: Callable[[dict[str, Any]], None], *, create: bool = False) -> bool:
        file = self._read()
        if file is None and not create:
            return False
        before = json.dumps(file)
        file = file or {}
        edit(file)
        if json.dumps(file) == before:
            return self._in_use
        write_settings(self._path, file, _PREFIX)
        return self._in_use

    def _read(self) -> dict[str, Any] | None:
        return read_settings(self._path, _PREFIX)

    def _entries(self, file: dict[str, Any]) -> list[Entry]:
        entries: object = file.get("workspaces", [])
        if not isinstance(entries, list) or not all(
            isinstance(each, dict) for each in cast("list[object]", entries)
        ):
            raise self._wrong("workspaces must be a list of objects with a path")
        return cast("list[Entry]", entries)

    def _roots(self, file: dict[str, Any]) -> list[str]:
        roots: object = file.get("authorizedRoots", [])
        if not isinstance(roots, list) or not all(
            isinstance(each, str) for each in cast("list[object]", roots)
        ):
            raise self._wrong("authorizedRoots must be a list of folders")
        return cast("list[str]", roots)

    def _of(self, file: dict[str, Any], workspace_id: str) -> list[Entry]:
        """The entries of a workspace."""
        base = self._path.parent
        return [each for each in self._entries(file) if id_of(each, base) == workspace_id]

    def _same(self, text: str, folder: str) -> bool:
        """Whether a path in the file, relative to the file's folder, is ``folder``."""
        try:
            return os.path.realpath(self._path.parent / Path(text).expanduser()) == folder
        except (ValueError, RuntimeError):  # no path, or no such user's home
            return False

    def _wrong(self, reason: str) -> OpenWorkError:
        return damaged_settings(self._path, reason)
