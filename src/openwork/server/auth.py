"""Who is calling, and how much they may do."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.errors import OpenWorkError
from openwork.common.ids import same_secret, token_hash
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope as ConnectionScope

    from openwork.server.guesses import Guesses
    from openwork.server.tokens import TokenStore

HOST_TOKEN_HEADER = "x-openwork-host-token"  # noqa: S105  # a header's name
CLIENT_ID_HEADER = "x-openwork-client-id"
LONGEST_CLIENT_ID = 200


@dataclass(slots=True)
class Actor:
    """Who made a request, or what the server did on its own.

    Attributes:
        kind: ``host`` when the host token was used, ``system`` for the server itself, else
            ``remote``.
        token_hash: SHA-256 of the token, hex.
        scope: What the token allows. Nothing a client sends can raise it.
        client_id: What the client calls itself, or None.
    """

    kind: Literal["remote", "host", "system"]
    token_hash: str
    scope: Scope
    client_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{type, clientId?, tokenHash, scope}``."""
        body: dict[str, Any] = {"type": self.kind}
        if self.client_id is not None:
            body["clientId"] = self.client_id
        return body | {"tokenHash": self.token_hash, "scope": self.scope.wire}


class Authenticator:
    """Turns request headers into an :class:`Actor`.

    Args:
        client_token: The configured token, scope collaborator.
        host_token: The host's token.
        tokens: The issued tokens.
        guesses: Slows down whoever tries tokens out.
    """

    def __init__(
        self, client_token: str, host_token: str, tokens: TokenStore, guesses: Guesses
    ) -> None:
        if not client_token or not host_token:
            raise OpenWorkError(
                "token_missing", "The server cannot start without its tokens.", hint=None
            )
        self._client_hash = token_hash(client_token)
        self._host_hash = token_hash(host_token)
        self._tokens = tokens
        self.guesses = guesses
        tokens.on_revoke(guesses.forget)

    def client(
        self, headers: Mapping[str, str], address: str, *, allow_basic: bool = False
    ) -> Actor:
        """The caller, by bearer token.

        Args:
            headers: Request headers, lower-case names.
            address: Where the connection comes from.
            allow_basic: Also take basic auth with a token as the password (the engine proxy: the
                engine's own commands know nothing else).

        Raises:
            OpenWorkError: ``unauthorized``, or ``too_many_attempts``.
        """
        token = _presented(headers, allow_basic=allow_basic)
        actor = self._by_token(token, headers, address) if token else None
        if actor is None:
            raise _unauthorized("Missing or invalid bearer token.")
        return actor

    def host(self, headers: Mapping[str, str], address: str) -> Actor:
        """The caller, by host token or an owner's bearer token.

        Raises:
            OpenWorkError: ``unauthorized``, also for valid tokens of a lower scope; or
                ``too_many_attempts``.
        """
        presented = headers.get(HOST_TOKEN_HEADER)
        if presented is not None:
            digest = token_hash(presented)
            page = _of_foreign_page(headers)
            self.guesses.check(address, digest, foreign_page=page)
            if same_secret(digest, self._host_hash):
                self.guesses.right(address, digest)
                return Actor("host", digest, Scope.OWNER, _client_id(headers))
            self.guesses.wrong(address, foreign_page=page)
            raise _unauthorized("Invalid host token.")
        token = _presented(headers, allow_basic=False)
        actor = self._by_token(token, headers, address) if token else None
        if actor is None or actor.scope < Scope.OWNER:
            raise _unauthorized("Missing or invalid host token.")
        return actor

    def scope_now(self, actor: Actor) -> Scope | None:
        """What the token of somebody who came in before allows now; None when it was revoked."""
        if actor.kind != "remote" or same_secret(actor.token_hash, self._client_hash):
            return actor.scope
        return self._tokens.scope_of(actor.token_hash)

    def _by_token(self, token: str, headers: Mapping[str, str], address: str) -> Actor | None:
        digest = token_hash(token)
        page = _of_foreign_page(headers)
        self.guesses.check(address, digest, foreign_page=page)
        scope: Scope | None = Scope.COLLABORATOR
        if not same_secret(digest, self._client_hash):
            scope = self._tokens.scope_of(digest)
        if scope is None:
            self.guesses.wrong(address, foreign_page=page)
            return None
        self.guesses.right(address, digest)
        return Actor("remote", digest, scope, _client_id(headers))


def require(actor: Actor, least: Scope) -> None:
    """Refuse an actor below ``least``.

    Raises:
        OpenWorkError: ``forbidden`` with ``details {required, scope}``.
    """
    if actor.scope < least:
        raise OpenWorkError(
            "forbidden",
            f"This needs a token of scope {least.wire}; yours is {actor.scope.wire}.",
            status=403,
            details={"required": least.wire, "scope": actor.scope.wire},
        )


def address_of(scope: ConnectionScope) -> str:
    """Where a connection comes from: the peer's address; what a client claims does not count."""
    client = scope.get("client")
    return client[0] if client else ""


def _presented(headers: Mapping[str, str], *, allow_basic: bool) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value or None
    if allow_basic and scheme.lower() == "basic":
        _refuse_foreign_page(headers)
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except ValueError:  # not ASCII, not base64, or not UTF-8
            return None
        return decoded.partition(":")[2] or None
    return None


def _refuse_foreign_page(headers: Mapping[str, str]) -> None:
    """A browser may send remembered basic credentials for a page of another origin."""
    if _of_foreign_page(headers):
        raise OpenWorkError(
            "forbidden",
            "Basic authentication is not accepted from a page of another origin.",
            hint="Send the token as 'Authorization: Bearer …'.",
            status=403,
        )


def _of_foreign_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin makes the request."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


def _client_id(headers: Mapping[str, str]) -> str | None:
    value = headers.get(CLIENT_ID_HEADER, "").strip()
    return value[:LONGEST_CLIENT_ID] or None


def _unauthorized(message: str) -> OpenWorkError:
    return OpenWorkError("unauthorized", message, status=401)
