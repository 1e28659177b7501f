"""The engine's plugins of a workspace: packages named in its configuration, and files in folders.

Changes are functions of the configuration's text, for ``config.plan_edit``. Two specs that differ
only in a version name the same plugin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, jsonc, user_config
from openwork.workspace.secrets import redact_text

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot

Scope = Literal["project", "global"]

LOAD_ORDER = ("config.global", "config.project", "dir.global", "dir.project")
FOLDERS = ("plugins", "plugin")  # the engine reads both
SUFFIXES = (".js", ".ts")
MAX_SPEC_CHARACTERS = 2_000
# An address or a path is taken as it is: an @ in it marks no version.
_LITERAL = re.compile(r"(?:[a-z][a-z0-9+.-]*:|[./~\\])", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin the engine loads.

    Attributes:
        spec: Package with an optional version, or the address of a file.
        source: ``config``, ``dir.project`` or ``dir.global``.
        scope: Whose it is: the workspace's or the user's.
        path: Of a file: relative to the workspace, absolute for the user's; else None.
    """

    spec: str
    source: str
    scope: Scope
    path: str | None = None

    def to_json(self, *, secrets: bool) -> dict[str, str]:
        """``{spec, source, scope, path?}``; a login in an address only with ``secrets``."""
        spec = self.spec if secrets else redact_text(self.spec)
        body = {"spec": spec, "source": self.source, "scope": self.scope}
        return body if self.path is None else body | {"path": self.path}


def list_plugins(
    root: WorkspaceRoot, *, include_global: bool = False, home: Path | None = None
) -> list[Plugin]:
    """The workspace's plugins, and on request the user's, in the order of ``LOAD_ORDER``.

    Raises:
        OpenWorkError: ``invalid_jsonc`` 422 for a damaged configuration; as ``SafePath``.
    """
    found: list[Plugin] = []
    user_root = user_config.user_config_root(home) if include_global else None
    if user_root is not None:
        specs = _specs(config.read_config(user_root))
        found += [Plugin(spec, "config", "global") for spec in specs]
    found += [Plugin(spec, "config", "project") for spec in _specs(config.read_config(root))]
    if user_root is not None:
        found += _files(user_root.top, "global")
    return found + _files(root.top.child(".opencode"), "project")


def package_name(spec: str) -> str:
    """``spec`` without its version: ``@scope/name@1`` is ``@scope/name``; addresses stay whole."""
    spec = spec.strip()
    if _LITERAL.match(spec):
        return spec
    at = spec.find("@", 1)
    return spec if at < 0 else spec[:at]


def shown_name(spec: str) -> str:
    """The package name for logs and approvals: without a login in an address."""
    return redact_text(package_name(spec))


def check_spec(spec: str) -> str:
    """``spec``, trimmed.

    Raises:
        OpenWorkError: ``invalid_plugin_spec`` 400 when no package or address can be meant.
    """
    spec = spec.strip()
    if not spec:
        raise _invalid("A plugin needs a spec: the name of a package, or the address of a file.")
    if len(spec) > MAX_SPEC_CHARACTERS:
        raise _invalid(f"A plugin's spec has at most {MAX_SPEC_CHARACTERS:,} characters.")
    if _UNPRINTABLE.search(spec) or spec.startswith("-"):
        raise _invalid("A plugin's spec holds no control characters and starts with no dash.")
    return spec


def add(text: str, spec: str) -> str:
    """The configuration's text with ``spec`` among its plugins; unchanged when the package is.

    Raises:
        OpenWorkError: ``invalid_plugin_spec`` 400; ``invalid_config`` 422 when ``plugin`` in the
            file is no list; as ``jsonc.set_value``.
    """
    spec = check_spec(spec)
    entries = _entries(text)
    if package_name(spec) in {package_name(_spec_of(entry) or "") for entry in entries}:
        return text
    return jsonc.set_value(text, ["plugin"], [*entries, spec])


def remove(text: str, name: str) -> str:
    """The configuration's text without the plugins of package ``name``, whatever their version.

    Raises:
        OpenWorkError: As ``add``.
    """
    wanted = package_name(check_spec(name))
    entries = _entries(text)
    left = [entry for entry in entries if package_name(_spec_of(entry) or "") != wanted]
    return text if len(left) == len(entries) else jsonc.set_value(text, ["plugin"], left)


def _entries(text: str) -> list[JsonValue]:
    fields = cast("dict[str, JsonValue]", jsonc.parse(text))
    listed = fields.get("plugin", [])
    if isinstance(listed, str):  # the short form for one
        return [listed]
    if not isinstance(listed, list):
        raise OpenWorkError(
            "invalid_config",
            "plugin in the engine's configuration is not a list.",
            hint='Make it one: "plugin": ["name-of-a-package"].',
            status=422,
        )
    return listed


def _specs(fields: dict[str, JsonValue]) -> list[str]:
    listed = fields.get("plugin")
    entries = [listed] if isinstance(listed, str) else listed
    if not isinstance(entries, list):
        return []
    return [spec for spec in map(_spec_of, entries) if spec is not None]


def _spec_of(entry: JsonValue) -> str | None:
    """An entry is a spec, or a spec and its options."""
    if isinstance(entry, list) and entry:
        entry = entry[0]
    return entry if isinstance(entry, str) else None


def _files(folder: SafePath, scope: Scope) -> list[Plugin]:
    found: list[Plugin] = []
    for name in FOLDERS:
        place = folder.child(name)
        for entry in place.entries() if place.is_dir() else []:
            path = entry.path
            if path.name.endswith(SUFFIXES) and _is_file_inside(path):
                shown = path.relative if scope == "project" else str(path)
                found.append(Plugin(f"file://{path}", f"dir.{scope}", scope, shown))
    return found


def _is_file_inside(path: SafePath) -> bool:
    try:
        return path.is_file()
    except OpenWorkError as error:
        if error.code == "invalid_path":  # a link that leads out of the workspace
            return False
        raise


def _invalid(message: str) -> OpenWorkError:
    return OpenWorkError("invalid_plugin_spec", message, status=400)
