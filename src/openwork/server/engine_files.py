"""Private files, asked for through the engine: refused below owner. Links are followed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from openwork.common.errors import OpenWorkError
from openwork.server.directory_pin import DIRECTORY_QUERIES
from openwork.server.engine_paths import places, readings
from openwork.workspace.private_files import is_private

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHOOSING = DIRECTORY_QUERIES | {"path"}
_READ_ROUTE = re.compile(r"/api/fs/read/(.+)", re.IGNORECASE)


def refuse_private_file(path: str, query: str, folders: Iterable[str]) -> None:
    """Refuse a request for the content of a private file, also through a link.

    Args:
        path: The engine's path, decoded.
        query: Its query, encoded.
        folders: What a relative path may be relative to.

    Raises:
        OpenWorkError: ``forbidden``; ``invalid_path`` for one that goes up or cannot be judged;
            ``invalid_payload`` for two paths.
    """
    chosen = [
        (name.lower(), value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name.lower() in _CHOOSING
    ]
    given = dict(chosen)
    if len(given) < len(chosen):
        raise OpenWorkError(
            "invalid_payload", "A query parameter that names a file is given twice.", status=400
        )
    in_path = _READ_ROUTE.fullmatch(path)
    wanted = [given.pop("path", None), in_path.group(1) if in_path is not None else None]
    for each in wanted:
        if each is not None:
            _refuse_private(each, {*folders, *given.values()})


def _refuse_private(wanted: str, bases: set[str]) -> None:
    spelled = readings(wanted)
    if spelled is None:
        raise OpenWorkError(
            "invalid_path",
            f"{wanted[:200]!r} is not a plain path.",
            hint="Name the file below the folder, without '..'.",
            status=400,
        )
    names = {*spelled, *(real for each in spelled for base in bases for real in places(base, each))}
    if any(is_private(name) for name in names):
        raise OpenWorkError(
            "forbidden",
            f"{wanted[:200]} may hold keys: only owners read it as it stands.",
            hint="GET /workspace/ID/config shows the configuration without them.",
            status=403,
        )
