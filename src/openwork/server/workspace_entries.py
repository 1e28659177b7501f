"""One entry of ``workspaces`` in server.json: which workspace it names. No I/O but resolving links.

An entry is ``{path, name?, workspaceType? local|remote, baseUrl?, directory?, opencodeUsername?,
opencodePassword?, displayName?, preset?}``; a remote one may also have an ``id`` and what other
clients keep with it (``remoteType``, ``openworkHostUrl``, …).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork.common.ids import workspace_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entry = Mapping[str, Any]

_REMOTE_ID = re.compile(r"rem_[A-Za-z0-9_-]{1,64}")


def absolute(path: str, base: Path | None = None) -> Path:
    """``path`` resolved, links followed; a relative one lies in ``base`` (the current folder)."""
    return Path(os.path.realpath((base or Path.cwd()) / Path(path).expanduser()))


def is_remote(entry: Entry) -> bool:
    """Whether it is a workspace of another server."""
    return entry.get("workspaceType") == "remote"


def text_of(entry: Entry, key: str) -> str:
    """A field that is some text, else ""."""
    value: object = entry.get(key)
    return value if isinstance(value, str) else ""


def folder_of(entry: Entry, base: Path) -> Path:
    """The folder of a local entry, resolved; a relative path lies in ``base``.

    Raises:
        ValueError: No path of this system can be like that.
    """
    path = text_of(entry, "path")
    if not path:
        raise ValueError("it is empty")
    try:
        folder = absolute(path, base)
        str(folder).encode()  # its id is made of that
    except (ValueError, RuntimeError, OSError) as error:  # NUL, half a surrogate, no such user
        raise ValueError(str(error)) from error
    return folder


def id_of(entry: Entry, base: Path) -> str:
    """The id of its workspace, which stays the same while the entry does."""
    if not is_remote(entry):
        try:
            return workspace_id(folder_of(entry, base))
        except ValueError:
            return "ws_" + _digest(text_of(entry, "path"))
    own = text_of(entry, "id")
    if _REMOTE_ID.fullmatch(own):
        return own
    keys = ("baseUrl", "directory", "openworkWorkspaceId", "path")
    return "rem_" + _digest("\n".join(text_of(entry, key) for key in keys))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
