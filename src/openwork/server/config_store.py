"""Changes of the server's settings file: only when it exists, whole, and the rest of it kept.

It is never created here: a file that appears would change which tokens the next start uses.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openwork.server.settings_json import damaged_settings, read_settings, write_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.common.errors import OpenWorkError
    from openwork.server.registry import Workspace

Entry = dict[str, Any]
_PREFIX = "server_config"


class ConfigStore:
    """The workspaces in one settings file. One process writes it.

    Every method returns whether there was a file to write to, and raises ``OpenWorkError``
    ``invalid_json`` 422 for a damaged file and ``server_config_read_failed`` or
    ``server_config_write_failed`` 500; the file is then as it was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> bool:
        """Whether there is a file; a damaged one is told before anything is done."""
        file = self._read()
        if file is not None:
            self._entries(file)
            self._roots(file)
        return file is not None

    def add(self, workspace: Workspace) -> bool:
        """Put a workspace first, and its folder among the authorised ones where these are named."""

        def edit(file: dict[str, Any]) -> None:
            entry = {"path": str(workspace.path), "name": workspace.name}
            if workspace.display_name is not None:
                entry["displayName"] = workspace.display_name
            if workspace.preset is not None:
                entry["preset"] = workspace.preset
            known = [each for each in self._entries(file) if self._is_of(each, workspace.path)]
            others = [each for each in self._entries(file) if each not in known]
            file["workspaces"] = [{**(known[0] if known else {}), **entry}, *others]
            roots = self._roots(file)
            if roots and not any(self._same(root, workspace.path) for root in roots):
                file["authorizedRoots"] = [*roots, str(workspace.path)]

        return self._change(edit)

    def rename(self, workspace: Workspace) -> bool:
        """Keep a workspace's new name, when the file names the workspace."""

        def edit(file: dict[str, Any]) -> None:
            for each in self._entries(file):
                if self._is_of(each, workspace.path):
                    each["name"] = workspace.name
                    each.pop("displayName", None)
                    if workspace.display_name is not None:
                        each["displayName"] = workspace.display_name

        return self._change(edit)

    def remove(self, folder: Path) -> bool:
        """Take a workspace out, and its folder from the authorised ones."""

        def edit(file: dict[str, Any]) -> None:
            entries = self._entries(file)
            if entries:
                file["workspaces"] = [each for each in entries if not self._is_of(each, folder)]
            roots = self._roots(file)
            if roots:
                file["authorizedRoots"] = [each for each in roots if not self._same(each, folder)]

        return self._change(edit)

    def _change(self, edit: Callable[[dict[str, Any]], None]) -> bool:
        file = self._read()
        if file is None:
            return False
        before = json.dumps(file)
        edit(file)
        if json.dumps(file) == before:
            return True
        write_settings(self._path, file, _PREFIX)
        return True

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

    def _is_of(self, entry: Entry, folder: Path) -> bool:
        return isinstance(entry.get("path"), str) and self._same(entry["path"], folder)

    def _same(self, text: str, folder: Path) -> bool:
        """Whether a path in the file, relative to the file's folder, is ``folder``."""
        try:
            return os.path.realpath(self._path.parent / Path(text).expanduser()) == str(folder)
        except (ValueError, RuntimeError):  # no path, or no such user's home
            return False

    def _wrong(self, reason: str) -> OpenWorkError:
        return damaged_settings(self._path, reason)
