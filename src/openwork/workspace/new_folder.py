"""Which folders may become a workspace: pure rules, before anything is made.

A workspace is what agents read and write. So it is never a folder that holds the system, everything
of a person, keys, or OpenWork's own tokens.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PATH_BYTES = 4096
MAX_NAME_BYTES = 255
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Neither these nor anything below them.
_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin",
    "/sys", "/usr", "/run", "/var/cache", "/var/db", "/var/lib", "/var/log", "/var/mail",
    "/var/root", "/var/run", "/var/spool", "/lost+found",
    "/System", "/Library", "/Applications", "/private/etc", "/private/var/db",
    "/private/var/log", "/private/var/root", "/private/var/run", "/cores",
)  # fmt: skip
_MOUNTED = Path("/run/media")  # disks of a person
# These and new ones directly below / are shared by all; folders below them are not.
_SHARED = frozenset({"home", "Users", "root", "tmp", "opt", "srv", "mnt", "media", "Volumes"})
_PRIVATE = (
    ".aws", ".azure", ".docker", ".gnupg", ".kube", ".password-store", ".ssh", ".openwork",
    ".config/gcloud", ".config/gh", ".config/opencode", ".config/openwork", ".config/systemd",
    ".local/share/keyrings", ".local/share/opencode", "Library/Keychains", "Library/LaunchAgents",
)  # fmt: skip


def check_new_folder(text: str, *, home: Path, own: Iterable[Path]) -> Path:
    """The real path of the folder that ``text`` names, when it may become a workspace.

    Args:
        text: An absolute path, or one that starts with ``~/``; need not exist.
        home: The user's home.
        own: Folders where OpenWork keeps its own files.

    Raises:
        OpenWorkError: ``invalid_path`` 400 saying why not.
    """
    if _UNPRINTABLE.search(text):
        raise refused(text, "it holds a control character or a broken one")
    wanted = text.strip()
    if wanted == "~" or wanted.startswith("~/"):
        wanted = str(home) + wanted[1:]
    if not wanted.startswith("/"):
        raise refused(text, "it is not absolute")
    if len(wanted.encode()) > MAX_PATH_BYTES:
        raise refused(text, f"it is longer than {MAX_PATH_BYTES:,} bytes")
    if any(len(part.encode()) > MAX_NAME_BYTES for part in wanted.split("/")):
        raise refused(text, f"a name in it is longer than {MAX_NAME_BYTES} bytes")
    path = Path(os.path.realpath(wanted))
    reason = _refusal(path, Path(os.path.realpath(home)), [Path(os.path.realpath(p)) for p in own])
    if reason is not None:
        raise refused(text, reason)
    if path.exists() and not path.is_dir():
        raise refused(text, "it is a file")
    return path


def refused(text: str, reason: str) -> OpenWorkError:
    """The one refusal of a folder: ``invalid_path``, 400."""
    shown = text if len(text) <= MAX_NAME_BYTES else text[:MAX_NAME_BYTES] + "…"
    return OpenWorkError(
        "invalid_path",
        f"{shown!r} cannot become a workspace: {reason}.",
        hint="Choose a folder for this work alone, such as ~/OpenWork/reports.",
        status=400,
    )


def _refusal(path: Path, home: Path, own: list[Path]) -> str | None:
    if path == Path("/"):
        return "it is the whole file system"
    if path == home:
        return "it is your home folder"
    if _within(home, path):
        return "it holds your home folder"
    system = [Path(each) for each in _SYSTEM]
    if any(_within(path, each) for each in system) and _MOUNTED not in path.parents:
        return "it is a folder of the system"
    if any(_within(each, path) for each in system):
        return "it holds folders of the system"
    if path.parent == Path("/") and (path.name in _SHARED or not path.exists()):
        return "a folder directly below / belongs to the system"
    if any(_within(path, home / each) or _within(home / each, path) for each in _PRIVATE):
        return "keys or settings of your account are kept there"
    if any(_within(path, each) or _within(each, path) for each in own):
        return "OpenWork keeps its own files there"
    return None


def _within(inner: Path, outer: Path) -> bool:
    """Whether ``inner`` is ``outer`` or lies below it; case does not count, as on some disks."""
    return Path(str(inner).casefold()).is_relative_to(str(outer).casefold())
