"""Files that hold keys by their nature: below owner, their content is not handed out.

They are told by name. Refused instead of blotted out: they are read as written, comments and all,
and a half-hidden one would be saved back by an editor with its keys gone.
"""

from __future__ import annotations

import re

_PRIVATE = re.compile(
    r"opencode\.jsonc?|\.env(?:rc|[.-].*)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials",
    re.IGNORECASE,
)


def is_private(path: str) -> bool:
    """Whether the file of this name holds keys: ``opencode.json(c)``, ``.env``, ``.npmrc``, …"""
    name = re.split(r"[/\\]", path.rstrip("/\\ .\0"))[-1]
    return _PRIVATE.fullmatch(name) is not None
