"""Private files, asked for through the engine: refused below owner. Links are followed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from openwork.common.errors import OpenWorkError
from openwork.workspace.private_files import is_private

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ_ROUTE = re.compile(r"/api/fs/read/(.+)", re.IGNORECASE)


def refuse_private_file(path: str, query: str, folders: Iterable[str]) -> None:
    """Refuse a request for the content of a private file, also through a link.

    Args:
        path: The engine's path, decoded.
        query: Its query, encoded.
        folders: What a relative path may be relative to.

    Raises:
        OpenWorkError: ``forbidden``.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    wanted = [value for name, value in pairs if name.lower() == "path"]
    bases = [*folders, *(value for name, value in pairs if "directory" in name)]
    in_path = _READ_ROUTE.fullmatch(path)
    if in_path is not None:
        wanted.append(in_path.group(1))
    for each in wanted:
        for spelled in {each, unquote(each)}:
            real = [_real(os.path.join(base, spelled)) for base in bases]  # noqa: PTH118  # any text
            if any(is_private(candidate) for candidate in (spelled, *real)):
                raise OpenWorkError(
                    "forbidden",
                    f"{spelled[:200]} may hold keys: only owners read it as it stands.",
                    hint="GET /workspace/ID/config shows the configuration without them.",
                    status=403,
                )


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a NUL, a loop of links: no file
        return path
