"""Identifiers and secrets, each made in one place."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def workspace_id(path: str | Path) -> str:
    """The server's id of a workspace folder: ``ws_``, 12 hex digits of its path's SHA-256."""
    return "ws_" + hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:12]


def new_id() -> str:
    """A random id for a record (UUID 4)."""
    return str(uuid.uuid4())


def new_access_token() -> str:
    """A token a client can hold: ``owt_`` + 128 random bits as hex."""
    return "owt_" + secrets.token_hex(16)


def new_password() -> str:
    """A password for one run of a service: 256 random bits, safe in a header and an environment."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """SHA-256 of a token, hex: the only form in which tokens are stored or logged."""
    return hashlib.sha256(token.encode()).hexdigest()


def same_secret(left: str, right: str) -> bool:
    """Compare two secrets in constant time. Never use ``==`` on tokens."""
    return hmac.compare_digest(left.encode(), right.encode())
