"""The MCP servers of a workspace: ``mcp`` in its configuration, over the user's own.

Changes are functions of the configuration's text, for ``config.plan_edit``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, jsonc, user_config
from openwork.workspace.secrets import HIDDEN, redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import WorkspaceRoot

    Fields = dict[str, JsonValue]

MAX_NAME_CHARACTERS = 64
MAX_TIMEOUT_MS = 2**31 - 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_BROKEN = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class McpServer:
    """One configured server.

    Attributes:
        name: Its key.
        config: As in the file.
        source: Which file.
        disabled_by_tools: The engine's ``tools.deny`` names it.
    """

    name: str
    config: Fields
    source: Literal["config.project", "config.global"]
    disabled_by_tools: bool = False

    def to_json(self, *, secrets: bool) -> Fields:
        """``{name, config, source, disabledByTools?}``; headers and keys only with ``secrets``."""
        shown = self.config if secrets else redact(self.config)
        body = cast("Fields", {"name": self.name, "config": shown, "source": self.source})
        return body | {"disabledByTools": True} if self.disabled_by_tools else body


def list_mcp(root: WorkspaceRoot, *, home: Path | None = None) -> list[McpServer]:
    """The user's servers that the workspace does not override, then the workspace's.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 for a damaged configuration; as ``SafePath``.
    """
    ours, users = config.read_config(root), user_config.read_user_config(home)
    denied = [*_denied(users), *_denied(ours)]
    project, inherited = _servers(ours), _servers(users)
    return [
        *(
            McpServer(name, fields, "config.global", _is_denied(name, denied))
            for name, fields in inherited.items()
            if name not in project
        ),
        *(
            McpServer(name, fields, "config.project", _is_denied(name, denied))
            for name, fields in project.items()
        ),
    ]


def check_name(name: str) -> str:
    """``name``, when a server may have it.

    Raises:
        OpenWorkError: ``invalid_mcp_name`` 400.
    """
    if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise OpenWorkError(
            "invalid_mcp_name",
            "An MCP server's name has letters, digits, _ and -, does not start with -, and is at "
            f"most {MAX_NAME_CHARACTERS} characters long.",
            status=400,
        )
    return name


def check_config(fields: dict[str, JsonValue]) -> None:
    """Refuse what is no server's configuration, before the engine has to make sense of it.

    Raises:
        OpenWorkError: ``invalid_mcp_config`` 400 naming the field.
    """
    jsonc.require_json(cast("object", fields))
    kind = fields.get("type")
    if kind not in ("local", "remote"):
        raise _invalid("type must be local or remote")
    needed, optional = _RULES[kind]
    for key, (accepts, wanted) in {**needed, **optional, **_COMMON}.items():
        if (key in needed or key in fields) and not accepts(fields.get(key)):
            raise _invalid(f"{key} must be {wanted}")
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _invalid("texts hold half a surrogate pair") from None
    if _holds(fields, HIDDEN):
        raise _invalid(f"{HIDDEN} stands for a hidden value: give the value itself")


def add(text: str, name: str, fields: dict[str, JsonValue]) -> str:
    """The configuration's text with server ``name`` set to ``fields``.

    Raises:
        OpenWorkError: ``invalid_mcp_name`` or ``invalid_mcp_config`` 400; ``invalid_config`` 422
            when ``mcp`` in the file is no object; as ``jsonc.set_value``.
    """
    check_config(fields)
    _require_object(text)
    return jsonc.set_value(text, ["mcp", check_name(name)], fields)


def remove(text: str, name: str) -> str:
    """The configuration's text without server ``name``.

    Raises:
        OpenWorkError: As ``add``.
    """
    _require_object(text)
    return jsonc.remove(text, ["mcp", check_name(name)])


def _require_object(text: str) -> None:
    fields = cast("Fields", jsonc.parse(text))
    if not isinstance(fields.get("mcp", {}), dict):
        raise OpenWorkError(
            "invalid_config",
            "mcp in the engine's configuration is not an object.",
            hint='Make it one: "mcp": {"name": {"type": "remote", "url": "https://…"}}.',
            status=422,
        )


def _servers(fields: Fields) -> dict[str, Fields]:
    listed = fields.get("mcp")
    if not isinstance(listed, dict):
        return {}
    return {name: each for name, each in listed.items() if isinstance(each, dict)}


def _denied(fields: Fields) -> list[str]:
    tools = fields.get("tools")
    patterns = tools.get("deny") if isinstance(tools, dict) else None
    if not isinstance(patterns, list):
        return []
    return [pattern for pattern in patterns if isinstance(pattern, str)]


def _is_denied(name: str, patterns: list[str]) -> bool:
    meant = (f"mcp.{name}", f"mcp.{name}.*", f"mcp:{name}", f"mcp:{name}:*", "mcp.*", "mcp:*")
    return any(fnmatchcase(each, pattern) for pattern in patterns for each in meant)


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str) and bool(value.strip()) and _BROKEN.search(value) is None


def _is_command(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_argument(each) for each in value)


def _is_argument(value: JsonValue) -> bool:
    return isinstance(value, str) and _BROKEN.search(value) is None


def _is_texts(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(_is_argument(each) for each in value.values())


def _is_boolean(value: JsonValue) -> bool:
    return isinstance(value, bool)


def _is_timeout(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_TIMEOUT_MS


def _is_oauth(value: JsonValue) -> bool:
    return value is False or isinstance(value, dict)


_Rule = tuple["Callable[[JsonValue], bool]", str]
_COMMON: dict[str, _Rule] = {
    "enabled": (_is_boolean, "true or false"),
    "timeout": (_is_timeout, "a number of milliseconds above 0"),
}
_LOCAL: dict[str, _Rule] = {"command": (_is_command, "a list of the program and its arguments")}
_LOCAL_TOO: dict[str, _Rule] = {
    "environment": (_is_texts, "an object of texts"),
    "cwd": (_is_text, "a folder"),
}
_REMOTE: dict[str, _Rule] = {"url": (_is_text, "the address of the server")}
_REMOTE_TOO: dict[str, _Rule] = {
    "headers": (_is_texts, "an object of texts"),
    "oauth": (_is_oauth, "an object or false"),
}
_RULES = {"local": (_LOCAL, _LOCAL_TOO), "remote": (_REMOTE, _REMOTE_TOO)}


def _holds(value: JsonValue, text: str) -> bool:
    if isinstance(value, dict):
        return any(_holds(each, text) for each in value.values())
    if isinstance(value, list):
        return any(_holds(each, text) for each in value)
    return value == text


def _invalid(reason: str) -> OpenWorkError:
    return OpenWorkError("invalid_mcp_config", f"The MCP server's {reason}.", status=400)
