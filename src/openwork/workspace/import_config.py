"""The configuration's part of an import: joined with what is there, checked, written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, jsonc, mcp, plugins
from openwork.workspace.config import PERMISSION_ACTIONS
from openwork.workspace.hidden_values import restore_hidden, spelled
from openwork.workspace.transaction import FileChange
from openwork.workspace.untrusted_config import refuse_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import FileContent, SafePath, WorkspaceRoot

# Lists of things that are added to each other; any other list is one value.
_ADDED_LISTS = frozenset({"plugin", "instructions"})
# Of these the engine refuses an entry with a key that is null.
_ENTRIES = ("mcp", "agent", "command", "provider")
_EMPTY_TEXT = "{}\n"


def plan_opencode(
    root: WorkspaceRoot, sent: Mapping[str, JsonValue], *, whole: bool, trusted: bool
) -> FileChange:
    """The engine's configuration after an import; comments of what stays are kept.

    Args:
        root: The workspace.
        sent: The bundle's section.
        whole: Whether it takes the place of what is there, instead of being merged into it.
        trusted: Whether the caller may see the stored secrets. Others cannot make an address
            theirs and keep the secret that is sent to it.

    Raises:
        OpenWorkError: ``invalid_payload``, ``invalid_mcp_config``, ``invalid_plugin_spec``,
            ``hidden_value`` or ``secret_redirected`` 400; ``invalid_jsonc`` 422.
    """
    path, exists = config.find_config(root)
    old = path.read(max_bytes=config.MAX_CONFIG_BYTES) if exists else None
    current = config.parse_config(old.data, str(path)) if old is not None else {}
    wanted = _wanted(sent, current, "opencode", whole=whole, trusted=trusted)
    check_opencode(wanted, sent)
    text = _EMPTY_TEXT if old is None else old.data.decode()
    return _change(path, old, wanted, current, lambda: jsonc.set_value(text, [], wanted))


def plan_openwork(
    root: WorkspaceRoot, sent: Mapping[str, JsonValue], *, whole: bool, trusted: bool
) -> FileChange:
    """``.opencode/openwork.json`` after an import. Arguments and errors as ``plan_opencode``."""
    path = root.top.child(*config.OPENWORK_NAMES)
    current = config.read_openwork(root)
    old = None if path.stat() is None else path.read(max_bytes=config.MAX_CONFIG_BYTES)
    wanted = _wanted(sent, current, "openwork", whole=whole, trusted=trusted)
    return _change(path, old, wanted, current, lambda: f"{jsonc.dump(wanted)}\n")


def check_opencode(wanted: Mapping[str, JsonValue], sent: Mapping[str, JsonValue]) -> None:
    """Refuse what would keep the engine from loading the workspace at all.

    Args:
        wanted: The whole configuration as it would be.
        sent: What of it is new: only that is looked at.

    Raises:
        OpenWorkError: ``invalid_payload``, ``invalid_mcp_config``, ``invalid_plugin_spec`` 400.
    """
    for key, value in sent.items():
        if value is None:
            raise _invalid(f"{spelled(('opencode', key))} is null; leave the key out")
    for section in _ENTRIES:
        named, entries = sent.get(section, {}), wanted.get(section, {})
        if not isinstance(named, dict) or not isinstance(entries, dict):
            raise _invalid(f"opencode.{section} must be an object")
        for name in named:
            _check_entry(section, name, entries[name])
    _check_plugins(sent.get("plugin", []))
    _check_permission(sent.get("permission", {}))


def merged(old: JsonValue, new: JsonValue, *, key: str = "") -> JsonValue:
    """``new`` laid over ``old``: objects member by member, other values replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        joined = {name: merged(old.get(name), value, key=name) for name, value in new.items()}
        return {**old, **joined}
    if isinstance(old, list) and isinstance(new, list) and key in _ADDED_LISTS:
        return [*old, *(each for each in new if each not in old)]
    return new


def _wanted(
    sent: Mapping[str, JsonValue],
    current: dict[str, JsonValue],
    name: str,
    *,
    whole: bool,
    trusted: bool,
) -> dict[str, JsonValue]:
    jsonc.require_json(dict(sent))
    restored = restore_hidden(sent, current, name=name)
    if whole:
        ordered = {key: restored[key] for key in current if key in restored}
        wanted = {**ordered, **restored}
    else:
        wanted = cast("dict[str, JsonValue]", merged(current, restored))
    if not trusted:
        refuse_untrusted(wanted, current, name=name)
    return wanted


def _change(
    path: SafePath,
    old: FileContent | None,
    wanted: dict[str, JsonValue],
    current: dict[str, JsonValue],
    written: Callable[[], str],
) -> FileChange:
    if jsonc.dump(wanted) == jsonc.dump(current):
        return FileChange(path, old, None if old is None else old.data)
    data = written().encode()
    if len(data) > config.MAX_CONFIG_BYTES:
        raise _invalid(f"{path.relative} would be larger than {config.MAX_CONFIG_BYTES:,} bytes")
    return FileChange(path, old, data)


def _check_entry(section: str, name: str, entry: JsonValue) -> None:
    place = spelled(("opencode", section, name))
    if not isinstance(entry, dict):
        raise _invalid(f"{place} must be an object")
    for key, value in entry.items():
        if value is None:
            raise _invalid(f"{place}.{spelled((key,))} is null; leave the key out")
    # Without a type it only switches a server of the user's own on or off.
    if section == "mcp" and "type" in entry:
        try:
            mcp.check_config(entry)
        except OpenWorkError as error:
            error.message = f"{place}: {error.message}"
            raise


def _check_plugins(listed: JsonValue) -> None:
    entries = [listed] if isinstance(listed, str) else listed
    if not isinstance(entries, list):
        raise _invalid("opencode.plugin must be a list")
    for entry in entries:
        spec = entry[0] if isinstance(entry, list) and entry else entry
        if not isinstance(spec, str):
            raise _invalid("opencode.plugin must hold names of packages or addresses of files")
        plugins.check_spec(spec)


def _check_permission(rules: JsonValue) -> None:
    tools = rules.values() if isinstance(rules, dict) else [rules]
    for tool in tools:
        actions = tool.values() if isinstance(tool, dict) else [tool]
        if not all(isinstance(each, str) and each in PERMISSION_ACTIONS for each in actions):
            raise _invalid("opencode.permission must give ask, allow or deny to each tool")


def _invalid(reason: str) -> OpenWorkError:
    return OpenWorkError("invalid_payload", f"{reason}.", status=400)
