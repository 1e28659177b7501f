"""Which path texts a client may name: pure rules, before any file is touched."""

from __future__ import annotations

import re
import unicodedata

from openwork.common.errors import OpenWorkError

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4096
_DEVICE_NAME = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE
)


def invalid_path(path: str, reason: str) -> OpenWorkError:
    """The one refusal of a path: ``invalid_path``, 400."""
    shown = path if len(path) <= MAX_NAME_BYTES else path[:MAX_NAME_BYTES] + "…"
    return OpenWorkError(
        "invalid_path",
        f"{shown!r} cannot be used as a workspace path: {reason}",
        hint="Give a path relative to the workspace folder, such as notes/today.md.",
        status=400,
    )


def normalize(text: str) -> str:
    r"""The relative path that ``text`` names, with ``/`` between its parts.

    Trims white space, turns ``\`` into ``/``, drops leading ``/`` and ``./``, then one
    ``workspace/`` prefix (as agents in a sandbox name the folder), and doubled slashes. Names that
    another system could not hold, or would read as something else, are refused everywhere, so that
    a workspace can move between machines.

    Raises:
        OpenWorkError: ``invalid_path`` for an empty path, ``.`` and ``..`` parts, control
            characters, colons, names ending in a dot or a space, Windows device names, names over
            255 bytes, and paths over 4,096 bytes.
    """
    if "\0" in text:
        raise invalid_path(text, "it holds a NUL character")
    path = re.sub(r"^(?:\.?/+)+", "", text.strip().replace("\\", "/")).removeprefix("workspace/")
    parts = [part for part in path.split("/") if part]
    if not parts:
        raise invalid_path(text, "it names no file")
    for part in parts:
        reason = _refusal(part)
        if reason is not None:
            raise invalid_path(text, reason)
    normal = "/".join(parts)
    if len(normal.encode()) > MAX_PATH_BYTES:
        raise invalid_path(text, f"it is longer than {MAX_PATH_BYTES:,} bytes")
    return normal


def is_device_name(name: str) -> bool:
    """Whether Windows takes a file of this name, whatever its ending, for a device."""
    return _DEVICE_NAME.fullmatch(name.split(".", 1)[0].rstrip(" ")) is not None


def _refusal(name: str) -> str | None:
    """Why ``name`` cannot be one part of a path, or None."""
    if name in {".", ".."}:
        return f"{name!r} is not allowed as a part"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "it holds a control character or a broken one"
    if ":" in name:
        return "it holds a colon"
    if name[-1] in ". ":
        return f"the name {name!r} ends in a dot or a space"
    if is_device_name(name):
        return f"{name!r} is a device name on Windows"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"a name in it is longer than {MAX_NAME_BYTES} bytes"
    return None
