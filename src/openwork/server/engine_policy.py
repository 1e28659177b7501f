"""Which engine routes a caller may use, and what must be looked at first. No I/O.

The engine trusts whoever has its password with everything, and it lets a caller lift its own
permission prompts in several ways. Here a token's scope decides. What is not listed may be read by
viewers and written by owners only. Source of the routes: OpenCode 1.18, ``GET /doc``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from openwork.common.errors import OpenWorkError
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from openwork.server.engine_bodies import Inspection

CACHED_PATHS = 1024
SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class EngineRule:
    """How one kind of request is treated.

    Attributes:
        least: The lowest scope that may make it.
        inspect: What its JSON body must be checked for before it is passed on, or None.
        is_permission_reply: A person answers a tool call: recorded in the audit log.
        holds_secrets: The answer holds providers' keys: blotted out for all but owners.
    """

    least: Scope
    inspect: Inspection | None = None
    is_permission_reply: bool = False
    holds_secrets: bool = False


VIEW = EngineRule(Scope.VIEWER)
WORK = EngineRule(Scope.COLLABORATOR)
OWN = EngineRule(Scope.OWNER)
REPLY = EngineRule(Scope.OWNER, is_permission_reply=True)
SECRETS = EngineRule(Scope.VIEWER, holds_secrets=True)

_READS: tuple[tuple[str, EngineRule], ...] = (
    # A terminal is a shell with no questions asked, although it is opened with a GET.
    (r"/(api/)?pty/[^/]+/connect", OWN),
    # Takes a request out of the queue that steers the engine's own terminal interface.
    (r"/tui/control/next", OWN),
    (r"/(global/)?config(/providers)?", SECRETS),
    (r"/provider", SECRETS),
    (r"/api/(provider|integration)(/.*)?", SECRETS),
)
_WRITES: tuple[tuple[str, EngineRule], ...] = (
    (r"/permission/[^/]+/reply", REPLY),
    (r"/session/[^/]+/permissions/[^/]+", REPLY),
    (r"/api/session/[^/]+/permission/[^/]+/reply", REPLY),
    (r"/session", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (r"/session/[^/]+", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (r"/session/[^/]+/(message|prompt_async)", EngineRule(Scope.COLLABORATOR, inspect="prompt")),
    (r"/session/[^/]+/command", EngineRule(Scope.COLLABORATOR, inspect="command")),
    (r"/session/[^/]+/(abort|fork|init|revert|summarize|unrevert)", WORK),
    # Publishes the conversation on the engine vendor's site.
    (r"/session/[^/]+/share", OWN),
    (r"/session/[^/]+/message/[^/]+(/part/[^/]+)?", WORK),
    (r"/question/[^/]+/(reply|reject)", WORK),
    (r"/mcp/[^/]+/(connect|disconnect)", WORK),
    (r"/instance/dispose", WORK),
    (r"/log", WORK),
    (r"/api/session", EngineRule(Scope.OWNER, inspect="location")),
    (r"/sync/.*", EngineRule(Scope.OWNER, inspect="location")),
    (r"/experimental/.*", EngineRule(Scope.OWNER, inspect="location")),
)


def _compiled(
    rules: tuple[tuple[str, EngineRule], ...],
) -> tuple[tuple[re.Pattern[str], EngineRule], ...]:
    # The engine's router takes /PTY for /pty: so must we.
    return tuple((re.compile(pattern, re.IGNORECASE), rule) for pattern, rule in rules)


_COMPILED_READS = _compiled(_READS)
_COMPILED_WRITES = _compiled(_WRITES)


@lru_cache(maxsize=CACHED_PATHS)
def rule_for(method: str, path: str) -> EngineRule:
    """The rule for a request on the engine's ``path`` (canonical, decoded)."""
    reads = method in SAFE_METHODS
    for pattern, rule in _COMPILED_READS if reads else _COMPILED_WRITES:
        if pattern.fullmatch(path):
            return rule
    return VIEW if reads else OWN


@lru_cache(maxsize=CACHED_PATHS)
def canonical_path(raw_path: str) -> tuple[str, str]:
    """An engine path as (decoded, encoded): what is judged is exactly what is sent on.

    Args:
        raw_path: As it came, percent-encoded, beginning with ``/``.

    Raises:
        OpenWorkError: ``invalid_path`` for dot segments, or an encoded slash, backslash or control
            character: the engine could read those differently from us.
    """
    segments: list[str] = []
    for raw in raw_path.split("/"):
        if not raw:
            continue
        try:
            segment = unquote(raw, errors="strict")
        except UnicodeDecodeError:
            segment = "\x00"
        if segment in {".", ".."} or re.search(r"[/\\\x00-\x1f\x7f]", segment):
            raise OpenWorkError("invalid_path", "The path is not a plain path.", status=400)
        segments.append(segment)
    decoded = "/" + "/".join(segments)
    return decoded, "/" + "/".join(quote(each, safe="!$&'()*+,;=:@-._~") for each in segments)


def needs_inspection(rule: EngineRule, scope: Scope) -> bool:
    """Whether the body is read first. Owners may lift permissions, nobody leaves the folder."""
    return rule.inspect is not None and (rule.inspect == "location" or scope < Scope.OWNER)
