"""Blot out secrets in the engine's JSON answers for those who may not see them. No I/O."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import cast

HIDDEN = "***"
# Names whose text is a secret, and names under which every text may be one.
_SECRET = re.compile(
    r"key|.*(api|access|secret|private|auth|subscription)[_-]?key|.*token|.*secret|.*password"
    r"|(proxy[_-]?)?authorization|.*credentials?|.*bearer|cookie|refresh|access",
    re.IGNORECASE,
)
_HOLDERS = frozenset({"headers", "env", "environment"})
_USER_IN_URL = re.compile(r"(\w://)[^/@\s]+@")


def redact_json(raw: bytes) -> bytes:
    """``raw`` with the values of secret-looking keys replaced by ``***``.

    Raises:
        ValueError: It is not JSON.
    """
    return json.dumps(redact(json.loads(raw)), ensure_ascii=False, separators=(",", ":")).encode()


def redact(value: object, *, hide: bool = False) -> object:
    """A copy of ``value`` without secrets.

    Args:
        value: Parsed JSON.
        hide: Whether every text in it is a secret.
    """
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: redact(each, hide=hide or _hides(key, each)) for key, each in fields.items()}
    if isinstance(value, list):
        return [redact(each, hide=hide) for each in cast("list[object]", value)]
    if not isinstance(value, str):
        return value
    if hide and value:
        return HIDDEN
    return _USER_IN_URL.sub(rf"\1{HIDDEN}@", value) if "://" in value else value


def _hides(key: str, value: object) -> bool:
    if key.lower() in _HOLDERS:
        return isinstance(value, dict)  # a provider's "env" is a list of variables' names
    return _names_a_secret(key)


@lru_cache(maxsize=4096)
def _names_a_secret(key: str) -> bool:
    return _SECRET.fullmatch(key) is not None
