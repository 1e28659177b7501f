"""Where an engine keeps its state, and the environment it runs in.

Layout below the data folder::

    opencode-config/    OPENCODE_CONFIG_DIR: tools and agents that OpenWork adds
    engine/data|state|cache    the engine's XDG folders: sessions, logs, caches
    engine/defaults.json       OPENCODE_CONFIG: our safe defaults, below the workspace's own config
    engine/config|home         only when isolated: nothing of the user's own OpenCode is seen
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork.common.files import ensure_private_dir, replace_file
from openwork.engine.outside import outside_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINE_USERNAME = "opencode"

# The engine allows everything by default; OpenWork asks first. A workspace's own opencode.json(c)
# is read after this file and overrides it.
SAFE_DEFAULTS: dict[str, Any] = {
    "$schema": "https://opencode.ai/config.json",
    "permission": {
        "edit": "ask",
        "bash": "ask",
        "webfetch": "ask",
        "websearch": "ask",
        "external_directory": "ask",
    },
}
# The engine's own provider answers without a key, from its vendor's servers, and would be taken
# when there is no other: whose servers see a task is for the user to choose.
HOSTED_PROVIDER = "opencode"
_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_CLIENT": "openwork",
    "OPENWORK": "1",
}
# Nobody listens there: port 9 of this machine, "discard", is not served.
_NO_PROXY_THERE = "http://127.0.0.1:9"
# With no network the engine must not try to refresh its model list or fetch plugins. Some of what
# it loads cannot be switched off (ripgrep, when none is on PATH): its proxy is one that is none.
_OFFLINE = {
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_SHARE": "1",
    "npm_config_offline": "true",
    "npm_config_registry": _NO_PROXY_THERE,
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NO_PROXY_THERE),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1"),
}
# The engine installs this package into each of its configuration folders in the background, for
# tools written in TypeScript; not where a folder of packages says that it is there. Ours hold none.
_PLUGIN_PACKAGE = "@opencode-ai/plugin"
_INSTALLED = {
    "name": "opencode-config",
    "lockfileVersion": 3,
    "packages": {"": {"dependencies": {_PLUGIN_PACKAGE: "*"}}},
}


@dataclass(frozen=True)
class EngineHome:
    """The folders of one engine.

    Attributes:
        data_dir: OpenWork's data folder.
        isolated: True hides the user's own OpenCode configuration and sign-ins and stays offline
            (the demo and the tests); False uses them, while sessions stay in ``data_dir``.
    """

    data_dir: Path
    isolated: bool = False

    @property
    def _engine(self) -> Path:
        return self.data_dir / "engine"

    @property
    def _no_models(self) -> Path:
        """Instead of the engine's list of all models of all providers: 1 s and 150 MB a start."""
        return self._engine / "models.json"

    def prepare(self) -> None:
        """Create the folders, write the defaults, and link the user's sign-ins when shared.

        Raises:
            OSError: The data folder cannot be written.
        """
        _seem_installed(ensure_private_dir(self.data_dir / "opencode-config"))
        for name in ("data", "state", "cache"):
            ensure_private_dir(self._engine / name)
        if self.isolated:
            _seem_installed(ensure_private_dir(self._engine / "config" / "opencode"))
            ensure_private_dir(self._engine / "home")
            if not self._no_models.exists():
                replace_file(self._no_models, b"{}\n")
        defaults = (json.dumps(self._defaults(), indent=2) + "\n").encode()
        path = self._engine / "defaults.json"
        if not path.exists() or path.read_bytes() != defaults:
            replace_file(path, defaults)
        if not self.isolated:
            self._link_sign_ins()

    def _defaults(self) -> dict[str, Any]:
        """Our defaults; a workspace's ``"disabled_providers": []`` brings the hosted one back."""
        if not self.isolated and _signed_in_to_hosted():
            return SAFE_DEFAULTS
        return {**SAFE_DEFAULTS, "disabled_providers": [HOSTED_PROVIDER]}

    def _link_sign_ins(self) -> None:
        theirs = _sign_ins()
        ours = ensure_private_dir(self._engine / "data" / "opencode") / "auth.json"
        if theirs.exists() and not ours.exists() and not ours.is_symlink():
            ours.symlink_to(theirs)

    def environment(
        self,
        environ: Mapping[str, str],
        *,
        password: str,
        run_id: str,
        config_content: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """The engine's whole environment.

        Args:
            environ: Ours; OpenWork's own secrets are not handed down.
            password: Of the engine's basic auth (user ``opencode``).
            run_id: Marks the engine and all it starts as ours (``OPENWORK_RUN_ID``).
            config_content: Extra engine configuration that wins over every file.
        """
        env = outside_environment(environ) | _QUIET
        env["OPENCODE_SERVER_USERNAME"] = ENGINE_USERNAME
        env["OPENCODE_SERVER_PASSWORD"] = password
        env["OPENWORK_RUN_ID"] = run_id
        env["OPENCODE_CONFIG_DIR"] = str(self.data_dir / "opencode-config")
        env.setdefault("OPENCODE_CONFIG", str(self._engine / "defaults.json"))
        for name in ("data", "state", "cache"):
            env[f"XDG_{name.upper()}_HOME"] = str(self._engine / name)
        if self.isolated:
            env |= _OFFLINE
            env.setdefault("OPENCODE_MODELS_PATH", str(self._no_models))
            env["XDG_CONFIG_HOME"] = str(self._engine / "config")
            env["HOME"] = str(self._engine / "home")
            env["OPENCODE_CONFIG"] = str(self._engine / "defaults.json")
        if config_content is not None:
            env["OPENCODE_CONFIG_CONTENT"] = json.dumps(config_content)
        return env


def _sign_ins() -> Path:
    """Where the user's own OpenCode keeps its sign-ins."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "opencode" / "auth.json"


def _signed_in_to_hosted() -> bool:
    if os.environ.get("OPENCODE_API_KEY"):
        return True
    try:
        kept: object = json.loads(_sign_ins().read_bytes())
    except (OSError, ValueError):  # none, or damaged: the engine tells
        return False
    return isinstance(kept, dict) and HOSTED_PROVIDER in kept


def _seem_installed(folder: Path) -> None:
    """Make the engine install no packages into a configuration folder, once it is new."""
    packages = folder / "node_modules"
    if not packages.exists():
        replace_file(folder / "package-lock.json", (json.dumps(_INSTALLED) + "\n").encode())
        packages.mkdir(mode=0o700)
