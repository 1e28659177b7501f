"""Files that hold keys by their nature: below owner, their content is not handed out.

They are told by name. Refused instead of blotted out: they are read as written, comments and all,
and a half-hidden one would be saved back by an editor with its keys gone. Because the name is what
protects them, below owner they keep it: neither they nor a folder that holds one is moved,
deleted or written over.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import descent

if TYPE_CHECKING:
    from openwork.workspace.paths import SafePath

_CONFIGURATION = re.compile(r"opencode\.jsonc?", re.IGNORECASE)
_PRIVATE = re.compile(
    rf"(?:.*/)?(?:{_CONFIGURATION.pattern}|\.env(?:rc|[.-][^/]*)?|\.netrc|\.npmrc|\.pypirc"
    r"|\.git-credentials|\.git/(?:.*/)?config(?:\.worktree)?|\.docker/config\.json"
    r"|\.aws/credentials|\.kube/config|\.ssh/[^/]+|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?"
    r"|[^/]*\.(?:pem|p12|pfx))",
    re.IGNORECASE | re.DOTALL,
)
# Unicode's default ignorables: file systems that fold names take no notice of them.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)


def is_private(path: str) -> bool:
    """Whether the file of this name holds keys: ``opencode.json(c)``, ``.env``, ``.git/config``, …

    So does a name that some file system takes for one of these: in other letters that fold to the
    same, or with characters in it that are not seen.
    """
    return _PRIVATE.fullmatch(_plain(path)) is not None


def refuse_private(path: str) -> None:
    """Refuse the file of this name to who may not see keys.

    Raises:
        OpenWorkError: ``file_access_denied`` 403.
    """
    if is_private(path):
        raise OpenWorkError(
            "file_access_denied",
            f"{path[:200]!r} may hold keys: only owners read, move or replace it.",
            hint="GET /workspace/ID/config shows the configuration without them.",
            status=403,
        )


def refuse_overwriting_private(place: SafePath) -> None:
    """Refuse to write over a private file, also through a link; a new one may be made.

    But no engine configuration: it can name files and variables whose content it then shows.

    Raises:
        OpenWorkError: ``file_access_denied`` 403; as ``SafePath``.
    """
    if place.stat() is not None or _CONFIGURATION.fullmatch(_plain(place.name)):
        refuse_private(place.relative)
        refuse_private(place.followed().relative)


def refuse_holding_private(place: SafePath) -> None:
    """Refuse the file or folder when it is private or holds what is. Blocking.

    A folder is looked through to its end: its cost is that of deleting it. Links in it are not
    followed, they are moved and deleted themselves.

    Raises:
        OpenWorkError: ``file_access_denied`` 403, also for a folder that cannot be looked into;
            as ``SafePath``.
    """
    refuse_private(place.relative)
    above = place.parent.followed()
    refuse_private("/".join((*above.parts, place.name)))
    with (
        descent.told_as_openwork_errors(place.relative),
        descent.open_folder(above.root.path, above.parts) as folder,
    ):
        found = descent.lstat(folder, place.name)
        waiting: list[tuple[str, ...]] = []
        if found is not None and stat.S_ISDIR(found.st_mode):
            waiting.append((place.name,))
        while waiting:
            parts = waiting.pop()
            with (
                suppress(FileNotFoundError),  # it has gone meanwhile
                descent.open_folder(folder, parts) as here,
                os.scandir(here) as entries,
            ):
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((*parts, entry.name))
                    else:
                        refuse_private("/".join((*above.parts, *parts, entry.name)))


def _plain(path: str) -> str:
    """A path as a file system that folds names takes it, with ``/`` between them."""
    parts = re.split(r"[/\\]+", path)
    return "/".join(_plain_name(part.rstrip(" .\0") or part) for part in parts if part).rstrip("/.")


def _plain_name(name: str) -> str:
    return (
        name if name.isascii() else unicodedata.normalize("NFKC", _UNSEEN.sub("", name).casefold())
    )
