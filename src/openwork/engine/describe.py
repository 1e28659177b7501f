"""What a permission prompt asks for, in words a person can read."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_SHOWN = 300


def describe_permission(permission: str, patterns: Sequence[str], workspace: str) -> str:
    """``edit summary.md``: the tool and what it wants to touch, on a line to be shown.

    A text that was cut says so: what is hidden behind the cut may be what matters. Arguments as for
    :func:`permission_text`.
    """
    text = permission_text(permission, patterns, workspace)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def permission_text(permission: str, patterns: Sequence[str], workspace: str) -> str:
    """The tool and what it wants to touch, all of it.

    The engine names files from its worktree, which is ``/`` in a folder without git; files of the
    workspace are named from the workspace.

    Args:
        permission: ``edit``, ``bash``, ….
        patterns: As the engine sent them.
        workspace: The workspace's folder, or "" when not known.
    """
    named = [_from_workspace(pattern, workspace) for pattern in patterns]
    return " ".join([permission, ", ".join(named)]).strip()


def _from_workspace(pattern: str, workspace: str) -> str:
    if not workspace:
        return pattern
    for candidate in (pattern, "/" + pattern):
        path = PurePosixPath(candidate)
        if path.is_relative_to(workspace):
            return str(path.relative_to(workspace))
    return pattern


def describe_error(error: object, *, stopped: str, unknown: str) -> str:
    """The engine's error, ``{name, data {message}}``, in words.

    Args:
        error: As the engine tells it.
        stopped: The words for a task that was stopped.
        unknown: The words for an error of no known form.
    """
    if not isinstance(error, dict):
        return unknown
    fields = cast("dict[str, Any]", error)
    name = str(fields.get("name") or "error")
    if name == "MessageAbortedError":
        return stopped
    data: object = fields.get("data")
    message: object = cast("dict[str, Any]", data).get("message") if isinstance(data, dict) else ""
    return str(message or name)
