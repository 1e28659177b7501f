"""Workspaces that are named and cannot be served: they are listed, and say why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from openwork.common.errors import OpenWorkError
from openwork.server.workspace_entries import id_of, is_remote, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openwork.server.workspace_settings import EngineAddress

# What clients are told of an entry beside its name. Its credentials and tokens are not among it.
_TOLD = (
    "preset",
    "directory",
    "remoteType",
    "openworkWorkspaceId",
    "openworkWorkspaceName",
    "sandboxBackend",
    "sandboxRunId",
    "sandboxContainerName",
)
_TOLD_ADDRESSES = ("baseUrl", "openworkHostUrl")


@dataclass(frozen=True)
class Problem:
    """Why a workspace cannot be served: ``it does not exist``; and the next step."""

    reason: str
    hint: str


@dataclass(frozen=True)
class UnavailableWorkspace:
    """A workspace that is named and cannot be served.

    Attributes:
        id: As it would be if it could, or of the remote one.
        name: What people see.
        default_name: Its name when nobody gives it one.
        path: Its folder; of a remote one what the entry says, perhaps nothing.
        problem: Why.
        fields: What else its entry tells, without secrets.
        engine: Its engine, or None.
        display_name: The name a person gave it, or None.
    """

    id: str
    name: str
    default_name: str
    path: str
    problem: Problem
    fields: Mapping[str, Any]
    engine: EngineAddress | None = None
    display_name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As clients see it: like any workspace, and why it is unavailable."""
        body: dict[str, Any] = {"id": self.id, "name": self.name, "path": self.path, **self.fields}
        if self.display_name is not None:
            body["displayName"] = self.display_name
        return body | {"unavailable": {"reason": self.problem.reason, "hint": self.hint}}

    @property
    def hint(self) -> str:
        """The next step, for whoever cannot use it."""
        again = "" if self.is_remote else "then start the server again, "
        remove = f"or remove the workspace: DELETE /workspaces/{self.id}"
        return f"{self.problem.hint.removesuffix('.')} ({again}{remove})"

    @property
    def is_remote(self) -> bool:
        """Whether it is a workspace of another server."""
        return self.fields["workspaceType"] == "remote"

    @property
    def folder(self) -> str:
        """Its folder on this machine, "" of a remote one."""
        return "" if self.is_remote else self.path

    def renamed(self, name: str | None) -> UnavailableWorkspace:
        """With another name; None gives back its own."""
        return replace(self, name=name or self.default_name, display_name=name)

    def error(self) -> OpenWorkError:
        """What each of its routes answers."""
        return OpenWorkError(
            "workspace_unavailable",
            f"The workspace {self.path or self.name} is not available: {self.problem.reason}.",
            hint=self.hint,
            status=409,
            details={"workspaceId": self.id, "reason": self.problem.reason},
        )


def remote_problem(entry: Mapping[str, Any]) -> Problem:
    """Why a remote workspace is not served here, and where it is."""
    address = _address(text_of(entry, "openworkHostUrl")) or _address(text_of(entry, "baseUrl"))
    return Problem(
        "it is a workspace of another server",
        f"Connect to {address or 'that server'} itself: this one serves folders of this machine.",
    )


def build_unavailable(
    entry: Mapping[str, Any], base: Path, path: str, problem: Problem, engine: EngineAddress | None
) -> UnavailableWorkspace:
    """The workspace of an entry that cannot be served.

    Args:
        entry: As the settings file has it.
        base: What its path is relative to.
        path: Its folder, resolved where that is possible.
        problem: Why it cannot be served.
        engine: Its engine, or None.
    """
    fields: dict[str, Any] = {"workspaceType": "remote" if is_remote(entry) else "local"}
    fields |= {key: text for key in _TOLD if (text := text_of(entry, key))}
    fields |= {key: text for key in _TOLD_ADDRESSES if (text := _address(text_of(entry, key)))}
    if "baseUrl" in fields:
        fields["opencode"] = {"baseUrl": fields["baseUrl"]}
        if directory := fields.get("directory", "" if is_remote(entry) else path):
            fields["opencode"]["directory"] = directory
    display_name = text_of(entry, "displayName") or None
    default_name = _default_name(entry, path)
    return UnavailableWorkspace(
        id=id_of(entry, base),
        name=text_of(entry, "name") or display_name or default_name,
        default_name=default_name,
        path=path,
        problem=problem,
        fields=fields,
        engine=engine,
        display_name=display_name,
    )


def _default_name(entry: Mapping[str, Any], path: str) -> str:
    last = path.rstrip("/").rpartition("/")[2]
    named = text_of(entry, "openworkWorkspaceName") if is_remote(entry) else ""
    return named or last or _address(text_of(entry, "baseUrl")) or "workspace"


def _address(text: str) -> str:
    """An address without what may be a secret in it: user, query, fragment; "" when it is none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) if parts.scheme and host else ""
