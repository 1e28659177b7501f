"""Issued tokens: kept as hashes in a private file, revoked at once.

File: ``{schemaVersion: 1, updatedAt, tokens: [{id, hash, scope, createdAt, label?}]}``; times are
milliseconds since the epoch.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object, write_private_json
from openwork.common.ids import new_access_token, new_id, token_hash
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class IssuedToken:
    """A token without its secret."""

    id: str
    hash: str
    scope: Scope
    created_at_ms: int
    label: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As listed: ``{id, scope, createdAt, label?}``."""
        body: dict[str, Any] = {"id": self.id, "scope": self.scope.wire}
        body["createdAt"] = self.created_at_ms
        return body if self.label is None else body | {"label": self.label}


class TokenStore:
    """The issued tokens of one server. One process owns the file."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            OpenWorkError: ``file_damaged``: a broken store is never treated as an empty one.
        """
        self._path = path
        self._by_hash: dict[str, IssuedToken] = {
            token.hash: token for token in _read(path, read_json_object(path))
        }
        self._on_revoke: list[Callable[[str], None]] = []
        self._changing = threading.Lock()

    def scope_of(self, digest: str) -> Scope | None:
        """The scope of the token with this hash. Looked up by hash: no secret is compared."""
        token = self._by_hash.get(digest)
        return None if token is None else token.scope

    def on_revoke(self, callback: Callable[[str], None]) -> None:
        """Call ``callback(hash)`` whenever a token is revoked, so that open streams can be cut."""
        self._on_revoke.append(callback)

    def list(self) -> list[IssuedToken]:
        """All tokens, newest first."""
        return list(reversed(self._by_hash.values()))

    def issue(self, scope: Scope, label: str | None = None) -> tuple[IssuedToken, str]:
        """A new token and its secret, which is told only here.

        Raises:
            OSError: The store cannot be written; nothing was issued.
        """
        secret = new_access_token()
        token = IssuedToken(new_id(), token_hash(secret), scope, _now_ms(), label)
        with self._changing:
            self._save({**self._by_hash, token.hash: token})
        return token, secret

    def revoke(self, token_id: str) -> None:
        """Make a token worthless at once.

        Raises:
            OpenWorkError: ``token_not_found``.
            OSError: The store cannot be written; the token still works.
        """
        with self._changing:
            found = next((each for each in self._by_hash.values() if each.id == token_id), None)
            if found is None:
                raise OpenWorkError("token_not_found", f"There is no token {token_id}.", status=404)
            self._save({key: each for key, each in self._by_hash.items() if each is not found})
        for callback in self._on_revoke:
            callback(found.hash)

    def _save(self, tokens: dict[str, IssuedToken]) -> None:
        records = [each.to_json() | {"hash": each.hash} for each in tokens.values()]
        write_private_json(
            self._path,
            {"schemaVersion": SCHEMA_VERSION, "updatedAt": _now_ms(), "tokens": records},
        )
        self._by_hash = tokens


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _read(path: Path, value: dict[str, Any] | None) -> list[IssuedToken]:
    if value is None:
        return []
    cause: Exception | None = None
    raw: object = value.get("tokens")
    if isinstance(raw, list):
        try:
            return [_record(each) for each in cast("list[dict[str, Any]]", raw)]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            cause = error
    raise OpenWorkError(
        "file_damaged",
        f"{path} is damaged: it does not hold a list of tokens",
        hint="Repair the file, or move it away (every issued token stops working).",
    ) from cause


def _record(raw: dict[str, Any]) -> IssuedToken:
    label = raw.get("label")
    return IssuedToken(
        id=str(raw["id"]),
        hash=str(raw["hash"]),
        scope=Scope.from_wire(raw["scope"]),
        created_at_ms=int(raw["createdAt"]),
        label=None if label is None else str(label),
    )
