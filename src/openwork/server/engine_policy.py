"""Which engine routes a caller may use, and what must be looked at first. No I/O.

The engine trusts whoever has its password with everything, and it lets a caller lift its own
permission prompts in several ways. Here a token's scope decides. What is not listed may be read by
viewers and written by owners only. Source of the routes: OpenCode 1.18, ``GET /doc``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote, unquote, urlsplit

from openwork.common.errors import OpenWorkError
from openwork.server.auth import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Inspection = Literal["session", "prompt", "command", "location"]
SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class EngineRule:
    """How one kind of request is treated.

    Attributes:
        least: The lowest scope that may make it.
        inspect: What its JSON body must be checked for before it is passed on, or None.
        is_permission_reply: A person answers a tool call: recorded in the audit log.
    """

    least: Scope
    inspect: Inspection | None = None
    is_permission_reply: bool = False


VIEW = EngineRule(Scope.VIEWER)
WORK = EngineRule(Scope.COLLABORATOR)
OWN = EngineRule(Scope.OWNER)
REPLY = EngineRule(Scope.OWNER, is_permission_reply=True)

_READS: tuple[tuple[str, EngineRule], ...] = (
    # A terminal is a shell with no questions asked, although it is opened with a GET.
    (r"/(api/)?pty/[^/]+/connect", OWN),
)
_WRITES: tuple[tuple[str, EngineRule], ...] = (
    (r"/permission/[^/]+/reply", REPLY),
    (r"/session/[^/]+/permissions/[^/]+", REPLY),
    (r"/api/session/[^/]+/permission/[^/]+/reply", REPLY),
    (r"/session", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (r"/session/[^/]+", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (r"/session/[^/]+/(message|prompt_async)", EngineRule(Scope.COLLABORATOR, inspect="prompt")),
    (r"/session/[^/]+/command", EngineRule(Scope.COLLABORATOR, inspect="command")),
    (r"/session/[^/]+/(abort|fork|init|revert|share|summarize|unrevert)", WORK),
    (r"/session/[^/]+/message/[^/]+(/part/[^/]+)?", WORK),
    (r"/question/[^/]+/(reply|reject)", WORK),
    (r"/mcp/[^/]+/(connect|disconnect)", WORK),
    (r"/instance/dispose", WORK),
    (r"/log", WORK),
    (r"/api/session", EngineRule(Scope.OWNER, inspect="location")),
    (r"/sync/.*", EngineRule(Scope.OWNER, inspect="location")),
    (r"/experimental/.*", EngineRule(Scope.OWNER, inspect="location")),
)
_COMPILED_READS = tuple((re.compile(pattern), rule) for pattern, rule in _READS)
_COMPILED_WRITES = tuple((re.compile(pattern), rule) for pattern, rule in _WRITES)


def rule_for(method: str, path: str) -> EngineRule:
    """The rule for a request on the engine's ``path`` (canonical, decoded)."""
    reads = method in SAFE_METHODS
    for pattern, rule in _COMPILED_READS if reads else _COMPILED_WRITES:
        if pattern.fullmatch(path):
            return rule
    return VIEW if reads else OWN


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


def check_body(inspection: Inspection, body: object, inside: Callable[[str], bool]) -> None:
    """Refuse a body that would lift permissions, run a shell unasked, or leave the workspace.

    Args:
        inspection: What to look for.
        body: The parsed JSON.
        inside: Whether a path (absolute, or relative to the workspace) lies in the workspace.

    Raises:
        OpenWorkError: ``forbidden``, naming the field.
    """
    if not isinstance(body, dict):
        return
    fields = cast("Mapping[str, Any]", body)
    if inspection == "location":
        for name in ("location", "directory"):
            if fields.get(name) is not None:
                raise _refused(f"'{name}' is set by OpenWork and cannot be chosen")
    elif inspection == "session":
        if _allows(fields.get("permission")):
            raise _refused("'permission' may not allow tools: only owners lift permission prompts")
    else:
        _check_prompt(fields, inside)


def _check_prompt(fields: Mapping[str, Any], inside: Callable[[str], bool]) -> None:
    tools = fields.get("tools")
    if isinstance(tools, dict) and any(cast("dict[str, object]", tools).values()):
        raise _refused("'tools' may not allow tools: only owners lift permission prompts")
    arguments = str(fields.get("arguments") or "")
    # The engine runs !`…` in a command's text, arguments included, without asking.
    if "!`" in arguments:
        raise _refused("'arguments' may not hold !`…`: it would run a shell command unasked")
    # The engine reads @path in a command's text, arguments included, without asking.
    mentioned = [unquote(each) for each in re.findall(r"@([^\s`,]+)", arguments)]
    mentioned += _attached_files(fields.get("parts"))
    for path in mentioned:
        if path.startswith("~") or not inside(path):
            raise _refused(f"the file {path} lies outside the workspace")


def _attached_files(parts: object) -> list[str]:
    if not isinstance(parts, list):
        return []
    paths: list[str] = []
    for part in cast("list[object]", parts):
        url = cast("dict[str, object]", part).get("url") if isinstance(part, dict) else None
        if isinstance(url, str) and not url.lower().startswith(("data:", "http:", "https:")):
            paths.append(unquote(urlsplit(url).path) if "://" in url else url)
    return paths


def needs_inspection(rule: EngineRule, scope: Scope) -> bool:
    """Whether the body must be read first. Owners may lift permissions, nobody leaves the folder."""
    return rule.inspect is not None and (rule.inspect == "location" or scope < Scope.OWNER)


def _allows(ruleset: object) -> bool:
    """Whether a permission ruleset holds anything but ``deny`` and ``ask``."""
    if ruleset is None:
        return False
    if not isinstance(ruleset, list):
        return True
    for each in cast("list[object]", ruleset):
        action = cast("dict[str, object]", each).get("action") if isinstance(each, dict) else None
        if action not in {"deny", "ask"}:
            return True
    return False


def _refused(message: str) -> OpenWorkError:
    return OpenWorkError("forbidden", f"The request was refused: {message}.", status=403)
