"""One admitted request for the engine: who, where, by which rule, with which headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common.headers import HOP_BY_HOP, basic_auth, connection_named
from openwork.server.auth import CLIENT_ID_HEADER, HOST_TOKEN_HEADER
from openwork.server.directory_pin import lies_within
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from openwork.server.auth import Actor
    from openwork.server.engine_policy import EngineRule
    from openwork.server.registry import Workspace
    from openwork.server.workspace_settings import EngineAddress

RawHeaders = list[tuple[bytes, bytes]]

# The caller's credentials and origin stop here; the directory is set anew.
_NOT_FORWARDED = HOP_BY_HOP | {
    b"authorization",
    b"cookie",
    b"expect",
    b"host",
    b"origin",
    b"referer",
    CLIENT_ID_HEADER.encode(),
    HOST_TOKEN_HEADER.encode(),
}
# Of the engine's own headers only the pinned folder is sent, added anew: one of them chooses
# another workspace, and a later engine may have more.
_NOT_FORWARDED_PREFIXES = (b"sec-", b"x-forwarded-", b"proxy-", b"x-opencode-")
# The answer to these is not the plain, whole answer.
_CONDITIONS = frozenset(
    {b"accept-encoding", b"range", b"if-none-match", b"if-modified-since", b"if-range"}
)
# What the engine says about its own pages, cookies and passwords means nothing to our clients.
_NOT_RETURNED = HOP_BY_HOP | {
    b"set-cookie",
    b"www-authenticate",
    b"content-security-policy",
    b"x-content-type-options",
}
_ADDED = (b"x-content-type-options", b"nosniff")


@dataclass(slots=True)
class EngineCall:
    """A request that has been let through.

    Attributes:
        actor: Who makes it.
        workspace: For which workspace.
        engine: At which engine.
        rule: The policy's rule for it.
        path: The engine's path, decoded.
        method: Upper-case.
        target: What is asked of the engine: encoded path and pinned query.
        headers: What is sent to the engine, its basic auth included.
        has_body: Whether the caller sends a body.
        session: The id of the session that the path names, or None.
    """

    actor: Actor
    workspace: Workspace
    engine: EngineAddress
    rule: EngineRule
    path: str
    method: bytes
    target: bytes
    headers: RawHeaders
    has_body: bool
    session: str | None = None

    @property
    def hides_errors(self) -> bool:
        """Whether an error of the engine must be looked through before the caller gets it."""
        return self.actor.scope < Scope.OWNER

    def holds(self, directory: str) -> bool:
        """Whether a folder that the engine names lies in the workspace."""
        return lies_within(self.workspace.root, self.engine.directory, directory)


def outgoing_headers(
    raw: RawHeaders, engine: EngineAddress, directory: str, *, plain: bool = False
) -> RawHeaders:
    """The headers for the engine: the caller's credentials out, the engine's in.

    Args:
        raw: The caller's; names are lower-case.
        engine: Whose credentials to add.
        directory: The folder, percent-encoded.
        plain: Ask for an answer that is not compressed, because it must be read here.
    """
    named = connection_named(raw)
    headers = [
        pair
        for pair in raw
        if pair[0] not in _NOT_FORWARDED
        and pair[0] not in named
        and not pair[0].startswith(_NOT_FORWARDED_PREFIXES)
        and not (plain and pair[0] in _CONDITIONS)
    ]
    headers.append((b"x-opencode-directory", directory.encode()))
    if engine.password:
        headers.append((b"authorization", basic_auth(engine.username, engine.password).encode()))
    return headers


def announces_body(raw: RawHeaders) -> bool:
    """Whether a body follows these request headers."""
    for name, value in raw:  # a loop: a generator would cost each request three times as much
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def returned_headers(raw: RawHeaders) -> RawHeaders:
    """The engine's headers as the client gets them; bodies pass unchanged, coding and all."""
    lowered = [(name.lower(), value) for name, value in raw]
    named = connection_named(lowered)
    kept = [pair for pair in lowered if pair[0] not in _NOT_RETURNED and pair[0] not in named]
    kept.append(_ADDED)
    return kept
