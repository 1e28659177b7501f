"""The configuration a workspace holds: the engine's ``opencode.json(c)`` and ``openwork.json``.

Reading and changing are two steps: ``plan`` works out the new texts and refuses what is wrong
before anything is written; ``apply`` writes them. Who calls them serialises changes of a workspace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace import jsonc
from openwork.workspace.jsonc_tree import syntax_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot

CONFIG_NAMES = ("opencode.jsonc", "opencode.json")
OPENWORK_NAMES = (".opencode", "openwork.json")
CONFIG_SCHEMA = "https://opencode.ai/config.json"
MAX_CONFIG_BYTES = 5_000_000
NEW_CONFIG_TEXT = f'{{\n  "$schema": "{CONFIG_SCHEMA}"\n}}\n'
# The engine refuses a whole workspace for any other word.
PERMISSION_ACTIONS = frozenset({"ask", "allow", "deny"})


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A file's new text.

    Attributes:
        path: The file.
        old: Its bytes now, None when it does not exist.
        new: Its bytes after the change, None when it stays missing.
    """

    path: SafePath
    old: bytes | None
    new: bytes | None


def find_config(root: WorkspaceRoot) -> tuple[SafePath, bool]:
    """The engine's configuration file, and whether it exists.

    ``opencode.jsonc``, else ``opencode.json``, else ``opencode.jsonc`` to be made.
    """
    candidates = [root.top.child(name) for name in CONFIG_NAMES]
    for candidate in candidates:
        if candidate.stat() is not None:
            return candidate, True
    return candidates[0], False


def parse_config(data: bytes, name: str) -> dict[str, JsonValue]:
    """The engine's configuration in ``data``.

    Args:
        data: Content of the file.
        name: The file's path, for messages.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 when it is not one object of JSON with comments.
    """
    return _parse_object(_decode(data, name), name)


def read_config(root: WorkspaceRoot) -> dict[str, JsonValue]:
    """The engine's configuration of the workspace; empty when there is no file.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422; ``file_too_large`` 413; others as ``SafePath.read``.
    """
    path, exists = find_config(root)
    return parse_config(_read(path), str(path)) if exists else {}


def read_openwork(root: WorkspaceRoot) -> dict[str, JsonValue]:
    """The workspace's ``.opencode/openwork.json``; empty when there is no file.

    Raises:
        OpenWorkError: ``invalid_json`` 422 when it is damaged; others as ``SafePath.read``.
    """
    path = root.top.child(*OPENWORK_NAMES)
    return {} if path.stat() is None else _parse_openwork(_read(path), str(path))


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Both files as they are.

    Attributes:
        opencode: The engine's, with its path; None when there is none.
        openwork: ``openwork.json``, likewise.
    """

    opencode: tuple[SafePath, bytes] | None
    openwork: tuple[SafePath, bytes] | None

    @property
    def digest(self) -> str:
        """The same as long as both files are."""
        both = (self.opencode, self.openwork)
        return " ".join("-" if each is None else sha256(each[1]).hexdigest() for each in both)

    def parse(self) -> dict[str, dict[str, JsonValue]]:
        """``{opencode, openwork}``; empty objects for missing files.

        Raises:
            OpenWorkError: ``invalid_jsonc`` or ``invalid_json`` 422.
        """
        opencode, openwork = self.opencode, self.openwork
        return {
            "opencode": {} if opencode is None else parse_config(opencode[1], str(opencode[0])),
            "openwork": {} if openwork is None else _parse_openwork(openwork[1], str(openwork[0])),
        }


def read_files(root: WorkspaceRoot) -> ConfigFiles:
    """Both files, not parsed.

    Raises:
        OpenWorkError: ``file_too_large`` 413; others as ``SafePath.read``.
    """
    opencode, exists = find_config(root)
    openwork = root.top.child(*OPENWORK_NAMES)
    return ConfigFiles(
        (opencode, _read(opencode)) if exists else None,
        None if openwork.stat() is None else (openwork, _read(openwork)),
    )


def plan_edit(root: WorkspaceRoot, edit: Callable[[str], str]) -> PlannedWrite:
    """Work out a change of the engine's configuration by a function of its text.

    A missing file starts as an object with only ``$schema``; it is made only when ``edit``, such as
    ``jsonc.remove``, changes that text.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422; whatever ``edit`` raises; others as ``SafePath``.
    """
    path, exists = find_config(root)
    old = _read(path) if exists else None
    text = NEW_CONFIG_TEXT if old is None else _decode(old, str(path))
    _parse_object(text, str(path))
    edited = edit(text)
    if old is None and edited == text:
        return PlannedWrite(path, None, None)
    return PlannedWrite(path, old, edited.encode())


def ensure_config(root: WorkspaceRoot) -> bool:
    """Make ``opencode.jsonc`` with only ``$schema`` when there is no file; whether it was made."""
    path, exists = find_config(root)
    if not exists:
        path.write_bytes(NEW_CONFIG_TEXT.encode())
    return not exists


def plan(
    root: WorkspaceRoot, *, opencode: object = None, openwork: object = None
) -> list[PlannedWrite]:
    """Work out both patches, without writing.

    Args:
        root: The workspace.
        opencode: Each key replaces that key of the engine's configuration, comments kept. Of
            ``permission`` only ``external_directory`` is taken: it replaces what is there, and
            without it (or null) it is removed, and ``permission`` too when that leaves it empty.
            Its other keys must be as they are: they decide what the agent may do unasked.
        openwork: Each key replaces that key of ``openwork.json``.

    Raises:
        OpenWorkError: ``invalid_payload`` 400 when neither is given or one is of the wrong shape;
            ``invalid_jsonc`` or ``invalid_json`` 422 when a file is damaged; as ``SafePath.read``.
    """
    if opencode is None and openwork is None:
        raise _invalid("Give opencode, openwork or both.")
    config_patch = _object_or_none(opencode, "opencode")
    openwork_patch = _object_or_none(openwork, "openwork")
    writes: list[PlannedWrite] = []
    if config_patch is not None:
        _check_permission(config_patch, read_config(root))
        writes.append(plan_edit(root, lambda text: _patched(text, config_patch)))
    if openwork_patch is not None:
        writes.append(_plan_openwork(root, openwork_patch))
    return [write for write in writes if write.new != write.old]


def apply(writes: list[PlannedWrite]) -> list[SafePath]:
    """Write what was planned, and name the files that changed.

    When one cannot be written, those written before it are put back.

    Raises:
        OpenWorkError: As ``SafePath.write_bytes``.
    """
    done: list[PlannedWrite] = []
    try:
        for write in writes:
            if write.new is not None and write.new != write.old:
                write.path.write_bytes(write.new)
                done.append(write)
    except OpenWorkError:
        for write in reversed(done):
            if write.old is None:
                write.path.delete()
            else:
                write.path.write_bytes(write.old)
        raise
    return [write.path for write in done]


def _plan_openwork(root: WorkspaceRoot, patch: dict[str, JsonValue]) -> PlannedWrite:
    path = root.top.child(*OPENWORK_NAMES)
    old = None if path.stat() is None else _read(path)
    current: dict[str, JsonValue] = {} if old is None else _parse_openwork(old, str(path))
    merged = {**current, **patch}
    if jsonc.dump(merged) == jsonc.dump(current):
        return PlannedWrite(path, old, old)
    return PlannedWrite(path, old, f"{jsonc.dump(merged)}\n".encode())


def _patched(text: str, patch: dict[str, JsonValue]) -> str:
    for key, value in patch.items():
        if key == "permission":
            text = _with_external_directory(text, cast("dict[str, JsonValue]", value))
        else:
            text = jsonc.set_value(text, [key], value)
    return text


def _with_external_directory(text: str, patch: dict[str, JsonValue]) -> str:
    wanted = patch.get("external_directory")
    current = cast("dict[str, JsonValue]", jsonc.parse(text)).get("permission")
    if wanted is None:
        text = jsonc.remove(text, ["permission", "external_directory"])
        left = cast("dict[str, JsonValue]", jsonc.parse(text)).get("permission")
        return jsonc.remove(text, ["permission"]) if left == {} else text
    if isinstance(current, str):  # the engine's short form: one action for every tool
        spelled_out: JsonValue = {"*": current, "external_directory": wanted}
        return jsonc.set_value(text, ["permission"], spelled_out)
    return jsonc.set_value(text, ["permission", "external_directory"], wanted)


def _check_permission(patch: dict[str, JsonValue], current: dict[str, JsonValue]) -> None:
    if "permission" not in patch:
        return
    permission = patch["permission"]
    if not isinstance(permission, dict):
        raise _invalid("opencode.permission must be an object with external_directory.")
    there = current.get("permission")
    kept = there if isinstance(there, dict) else {}
    changed = [
        key
        for key, value in permission.items()
        if key != "external_directory" and (key not in kept or kept[key] != value)
    ]
    if changed:
        raise _invalid(
            f"opencode.permission.{changed[0]} cannot be changed here, external_directory alone.",
            hint="Whoever owns the folder edits it in opencode.jsonc.",
        )
    wanted = permission.get("external_directory")
    rules = wanted if isinstance(wanted, dict) else {"*": wanted}
    if wanted is not None and not all(
        isinstance(action, str) and action in PERMISSION_ACTIONS for action in rules.values()
    ):
        raise _invalid(
            "opencode.permission.external_directory must be ask, allow or deny, "
            "or an object that gives one of them to each folder pattern."
        )


def _object_or_none(value: object, name: str) -> dict[str, JsonValue] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _invalid(f"{name} must be an object.")
    jsonc.require_json(cast("object", value))
    return cast("dict[str, JsonValue]", value)


def _invalid(message: str, hint: str | None = None) -> OpenWorkError:
    return OpenWorkError("invalid_payload", message, hint=hint, status=400)


def _read(path: SafePath) -> bytes:
    return path.read_bytes(max_bytes=MAX_CONFIG_BYTES)


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        text = before + data[error.start :].decode(errors="replace")
        raise syntax_error(text, name, len(before), 1, "InvalidCharacter") from error


def _parse_object(text: str, name: str) -> dict[str, JsonValue]:
    value = jsonc.parse(text, name=name)
    if not isinstance(value, dict):
        raise syntax_error(text, name, 0, len(text), "ObjectExpected")
    return value


def _parse_openwork(data: bytes, name: str) -> dict[str, JsonValue]:
    try:
        value: object = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(name, "it must hold one JSON object")
    try:
        jsonc.require_json(cast("object", value))
    except OpenWorkError as error:
        raise _damaged(name, error.message) from error
    return cast("dict[str, JsonValue]", value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _damaged(name: str, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_json",
        f"{name} is not valid JSON: {reason}.",
        hint="Repair the file, or move it away to start afresh. Nothing was changed.",
        status=422,
    )
