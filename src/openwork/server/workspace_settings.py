"""Which folders a server serves, as it was told."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openwork.common import settings as s
from openwork.common.errors import OpenWorkError, UsageError
from openwork.server.settings_table import (
    OPENCODE_BASE_URL,
    OPENCODE_DIRECTORY,
    OPENCODE_PASSWORD,
    OPENCODE_USERNAME,
    WORKSPACE,
)
from openwork.server.unavailable import Problem, build_unavailable, remote_problem
from openwork.server.workspace_entries import absolute, folder_of, is_remote, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openwork.common.settings import Resolved
    from openwork.server.unavailable import UnavailableWorkspace


@dataclass(frozen=True)
class EngineAddress:
    """Where a workspace's engine answers.

    Attributes:
        base_url: ``http://127.0.0.1:PORT``.
        directory: The workspace's folder as the engine sees it.
        username: Basic auth user.
        password: Basic auth password, "" for none. Never leaves the server.
    """

    base_url: str
    directory: str
    username: str = "opencode"
    password: str = ""


@dataclass(frozen=True)
class WorkspaceSetting:
    """One workspace as configured.

    Attributes:
        path: Its folder, resolved.
        name: What people see.
        engine: Its engine, or None.
        display_name: The name a person gave it, or None.
        preset: The starter files it was made with, or None.
    """

    path: Path
    name: str
    engine: EngineAddress | None
    display_name: str | None = None
    preset: str | None = None


@dataclass(frozen=True)
class WorkspaceList:
    """The workspaces that were named.

    Attributes:
        served: Those that can be served.
        unavailable: Those that cannot.
        from_file: The settings file names them, not the command line or the environment.
    """

    served: tuple[WorkspaceSetting, ...]
    unavailable: tuple[UnavailableWorkspace, ...]
    from_file: bool


def read_roots(file: Mapping[str, Any], config_path: Path) -> tuple[Path, ...]:
    """The authorised folders of the settings file, resolved.

    Raises:
        UsageError: They are no list of texts.
    """
    raw = file.get("authorizedRoots", [])
    try:
        return tuple(absolute(each, config_path.parent) for each in s.words(raw))
    except ValueError as error:
        raise UsageError(f"authorizedRoots in {config_path}: {error}") from error


def read_workspaces(
    resolved: Resolved, file: Mapping[str, Any], config_path: Path
) -> WorkspaceList:
    """The workspaces of the command line, else the environment, else the file: never mixed.

    Raises:
        UsageError: An entry of the file is wrong; it is named.
        OpenWorkError: ``workspace_unusable``: none of those named by hand can be served.
    """
    given = resolved.get(WORKSPACE)
    if given:
        entries: list[dict[str, Any]] = [{"path": path} for path in given]
        base = Path.cwd()
    else:
        entries, base = _file_entries(file, config_path), config_path.parent
    served: list[WorkspaceSetting] = []
    unavailable: list[UnavailableWorkspace] = []
    for entry in entries:
        path, problem = _look_at(entry, base)
        engine = _Engine(entry, resolved, alone=len(entries) == 1)
        if problem is None:
            served.append(_workspace(entry, Path(path), engine.address(path)))
        else:
            told = build_unavailable(entry, base, path, problem, engine.usable_address(path))
            unavailable.append(told)
    if given and not served:
        first = unavailable[0]
        raise OpenWorkError(
            "workspace_unusable",
            f"Cannot serve the workspace {first.path}: {first.problem.reason}.",
            hint=first.problem.hint,
        )
    return WorkspaceList(tuple(served), tuple(unavailable), from_file=not given)


def _file_entries(file: Mapping[str, Any], config_path: Path) -> list[dict[str, Any]]:
    raw: object = file.get("workspaces", [])
    problem = UsageError(
        f"workspaces in {config_path}: expected a list of objects with a path",
        hint='For example: "workspaces": [{"path": "/home/me/reports"}]',
    )
    if not isinstance(raw, list):
        raise problem
    entries: list[dict[str, Any]] = []
    for each in cast("list[object]", raw):
        if not isinstance(each, dict):
            raise problem
        entry = cast("dict[str, Any]", each)
        if not is_remote(entry) and not text_of(entry, "path"):
            raise problem
        entries.append(entry)
    return entries


def _workspace(
    entry: Mapping[str, Any], path: Path, engine: EngineAddress | None
) -> WorkspaceSetting:
    return WorkspaceSetting(
        path=path,
        name=_text(entry, "name") or path.name,
        engine=engine,
        display_name=text_of(entry, "displayName") or None,
        preset=text_of(entry, "preset") or None,
    )


@dataclass(frozen=True)
class _Engine:
    """What says where the engine of an entry is; ``alone``: it is the only one."""

    entry: Mapping[str, Any]
    resolved: Resolved
    alone: bool

    def address(self, path: str) -> EngineAddress | None:
        """The engine, or None when none is named.

        Raises:
            UsageError: A field is wrong; it is named.
        """
        entry, resolved = self.entry, self.resolved
        base_url = _text(entry, "baseUrl", s.http_origin) or resolved.get(OPENCODE_BASE_URL)
        directory = _text(entry, "directory")
        if directory is None and self.alone:
            directory = resolved.get(OPENCODE_DIRECTORY)
        if not base_url:
            return None
        return EngineAddress(
            base_url=base_url,
            directory=directory or path,
            username=_text(entry, "opencodeUsername") or resolved.get(OPENCODE_USERNAME),
            password=_text(entry, "opencodePassword") or resolved.get(OPENCODE_PASSWORD),
        )

    def usable_address(self, path: str) -> EngineAddress | None:
        """The same for a workspace that is not served: what is wrong is left for when it is."""
        if is_remote(self.entry):
            return None
        try:
            return self.address(path)
        except UsageError:
            return None


def _text(
    entry: Mapping[str, Any], key: str, parse: Callable[[object], str] = s.text
) -> str | None:
    """A field of a workspace in the settings file; None when it is absent, null or empty."""
    value: object = entry.get(key)
    if value is None or value == "":
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise UsageError(
            f"workspaces in the settings file: {key} of {entry['path']}: {error}",
            hint="Repair that line of server.json.",
        ) from error


def _look_at(entry: Mapping[str, Any], base: Path) -> tuple[str, Problem | None]:
    """The folder of an entry, and why it cannot be served, if so."""
    if is_remote(entry):
        return text_of(entry, "path") or text_of(entry, "directory"), remote_problem(entry)
    try:
        path = folder_of(entry, base)
    except ValueError as error:
        text = text_of(entry, "path")
        return text, Problem(f"that is no path: {error}", "Correct its path.")
    return str(path), _problem(path)


def _problem(path: Path) -> Problem | None:
    """Why a folder cannot be served: it is missing, no folder, or not readable."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Problem("it does not exist", f"Create it: mkdir -p {path}")
    except OSError as error:
        reason = f"it cannot be reached: {error.strerror or error}"
        return Problem(reason, f"Check the folders above it: ls -ld {path.parent}")
    if not stat.S_ISDIR(found.st_mode):
        return Problem("it is not a folder", "Give the folder that holds your files.")
    if not os.access(path, os.R_OK | os.X_OK):
        return Problem("it cannot be read", f"Check its owner and permissions: ls -ld {path}")
    return None
