"""Which folders a server serves, as it was told."""

from __future__ import annotations

import os
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openwork.common.settings import Resolved


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


def absolute(path: str, base: Path | None = None) -> Path:
    """``path`` resolved, links followed; a relative one lies in ``base`` (the current folder)."""
    return Path(os.path.realpath((base or Path.cwd()) / Path(path).expanduser()))


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
) -> tuple[WorkspaceSetting, ...]:
    """The workspaces of the command line, else the environment, else the file: never mixed.

    Raises:
        UsageError: An entry of the file is wrong; it is named.
        OpenWorkError: ``workspace_unusable``.
    """
    given = resolved.get(WORKSPACE)
    if given:
        entries: list[dict[str, Any]] = [{"path": path} for path in given]
        base = Path.cwd()
    else:
        entries, base = _file_entries(file, config_path), config_path.parent
    return tuple(_workspace(entry, base, resolved, alone=len(entries) == 1) for entry in entries)


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
        if not isinstance(entry.get("path"), str) or not entry["path"]:
            raise problem
        entries.append(entry)
    return entries


def _workspace(
    entry: Mapping[str, Any], base: Path, resolved: Resolved, *, alone: bool
) -> WorkspaceSetting:
    path = absolute(str(entry["path"]), base)
    _check_folder(path)
    base_url = _text(entry, "baseUrl", s.http_origin) or resolved.get(OPENCODE_BASE_URL)
    directory = _text(entry, "directory") or (resolved.get(OPENCODE_DIRECTORY) if alone else "")
    engine = None
    if base_url:
        engine = EngineAddress(
            base_url=base_url,
            directory=directory or str(path),
            username=_text(entry, "opencodeUsername") or resolved.get(OPENCODE_USERNAME),
            password=_text(entry, "opencodePassword") or resolved.get(OPENCODE_PASSWORD),
        )
    return WorkspaceSetting(
        path=path,
        name=_text(entry, "name") or path.name,
        engine=engine,
        display_name=_text_or_none(entry.get("displayName")),
        preset=_text_or_none(entry.get("preset")),
    )


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


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _check_folder(path: Path) -> None:
    """Refuse a workspace that is missing, no folder, or not readable.

    Raises:
        OpenWorkError: ``workspace_unusable`` naming the folder and the reason.
    """
    if not path.exists():
        reason, hint = "it does not exist", f"Create it: mkdir -p {path}"
    elif not path.is_dir():
        reason, hint = "it is not a folder", "Give the folder that holds your files."
    elif not os.access(path, os.R_OK | os.X_OK):
        reason, hint = "it cannot be read", f"Check its owner and permissions: ls -ld {path}"
    else:
        return
    raise OpenWorkError(
        "workspace_unusable", f"Cannot serve the workspace {path}: {reason}.", hint=hint
    )
