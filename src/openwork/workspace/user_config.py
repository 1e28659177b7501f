"""The user's own engine configuration, ``~/.config/opencode``: read here, never written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import config
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from openwork.workspace.jsonc import JsonValue


def user_config_root(home: Path | None = None) -> WorkspaceRoot | None:
    """The folder ``.config/opencode`` below ``home`` (the user's when None), if there is one."""
    try:
        return WorkspaceRoot((home or Path.home()) / ".config" / "opencode")
    except OpenWorkError as error:
        if error.code == "workspace_not_found":
            return None
        raise


def read_user_config(home: Path | None = None) -> dict[str, JsonValue]:
    """The configuration in that folder; empty when there is none.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 naming the file; others as ``config.read_config``.
    """
    root = user_config_root(home)
    return {} if root is None else config.read_config(root)
