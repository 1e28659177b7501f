"""Which engine routes a caller may use, and what must be looked at first. No I/O.

The engine trusts whoever has its password with everything, and it lets a caller lift its own
permission prompts in several ways. Here a token's scope decides, by the table of
:mod:`openwork.server.engine_routes`. What is not listed there is for owners only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote

from openwork.common.errors import OpenWorkError
from openwork.server.engine_routes import OWN, READS, WRITES, EngineRule, Routes
from openwork.server.scope import Scope

CACHED_PATHS = 1024
SAFE_METHODS = frozenset({"GET", "HEAD"})
# The engine runs these in the session's own folder, whatever folder the request names.
_IN_SESSION = re.compile(r"/(?:api/|experimental/)?session/([^/]+)(?:/.*)?", re.IGNORECASE)
_NO_SESSION = re.compile(r"/session/status", re.IGNORECASE)


def _compiled(rules: Routes) -> tuple[tuple[re.Pattern[str], EngineRule], ...]:
    # The engine's router takes /PTY for /pty: so must we.
    return tuple((re.compile(pattern, re.IGNORECASE), rule) for pattern, rule in rules)


_COMPILED_READS = _compiled(READS)
_COMPILED_WRITES = _compiled(WRITES)


@lru_cache(maxsize=CACHED_PATHS)
def rule_for(method: str, path: str) -> EngineRule:
    """The rule for a request on the engine's ``path`` (canonical, decoded)."""
    if method in SAFE_METHODS:
        rules, asked = _COMPILED_READS, path
    else:
        rules, asked = _COMPILED_WRITES, f"{method} {path}"
    return next((rule for pattern, rule in rules if pattern.fullmatch(asked)), OWN)


@lru_cache(maxsize=CACHED_PATHS)
def session_in(method: str, path: str) -> str | None:
    """The id of the session that the engine's ``path`` names, or None."""
    found = _IN_SESSION.fullmatch(path)
    if found is None or (method in SAFE_METHODS and _NO_SESSION.fullmatch(path)):
        return None
    return found.group(1)


def is_act(method: str, rule: EngineRule) -> bool:
    """Whether a read-only server refuses it, and an owner's doing it is recorded."""
    return rule.acts or method not in SAFE_METHODS


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
    everybodys = rule.inspect in {"location", "session"}
    return rule.inspect is not None and (everybodys or scope < Scope.OWNER)
