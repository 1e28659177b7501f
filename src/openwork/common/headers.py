"""HTTP headers that proxies and clients need to know about."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# RFC 9110, section 7.6.1, and the older names still seen.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def connection_named(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The further hop-by-hop headers that a ``Connection`` header names; names are lower-case."""
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named.update(part.strip().lower() for part in value.split(b","))
    return frozenset(named)


def first_values(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; of a repeated one the first value."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}


@lru_cache(maxsize=64)
def basic_auth(username: str, password: str) -> str:
    """The value of an ``Authorization`` header for HTTP basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
