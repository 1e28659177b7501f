"""Files that hold keys by their nature: below owner, the engine does not hand them out. Links are
followed.

They are told by name. Refused instead of blotted out: the files are read by the engine as written,
comments and all, and a half-hidden one would be saved back by an editor with its keys gone.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PRIVATE = re.compile(
    r"opencode\.jsonc?|\.env(?:rc|[.-].*)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials",
    re.IGNORECASE,
)
_READ_ROUTE = re.compile(r"/api/fs/read/(.+)", re.IGNORECASE)


def is_private(path: str) -> bool:
    """Whether the file of this name holds keys: ``opencode.json(c)``, ``.env``, ``.npmrc``, …"""
    name = re.split(r"[/\\]", path.rstrip("/\\ .\0"))[-1]
    return _PRIVATE.fullmatch(name) is not None


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
