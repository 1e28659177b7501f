"""The settings of ``openwork start`` and ``serve``: one table, and the typed result."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork.common import log
from openwork.common import settings as s
from openwork.common.errors import UsageError
from openwork.common.ids import new_id
from openwork.common.net import is_loopback
from openwork.common.paths import default_data_dir
from openwork.common.shared_settings import (
    APPROVAL,
    APPROVAL_TIMEOUT,
    CORS,
    LOG_FORMAT,
    LOG_LEVEL,
    READ_ONLY,
    RUN_ID,
    VERBOSE,
    log_level,
)
from openwork.engine.locate import EngineRequest, parse_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.common.settings import Resolved, Setting
    from openwork.engine.locate import EngineSource

DEFAULT_SERVER_PORT = 8787
SHORTEST_SAFE_TOKEN = 16
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ENGINE_LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ONLY_DIGITS = re.compile(r"[0-9.]+")  # an address with a slip in it


def host_name(raw: object) -> str:
    """A host's name or its address, with no port."""
    value = s.text(raw)
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        if not _NAME.fullmatch(value) or _ONLY_DIGITS.fullmatch(value):
            message = "expected a host name or an address such as reports.local or 192.168.1.20"
            raise ValueError(message) from None
    return value


WORKSPACE: Setting[str] = s.Setting(
    "workspace",
    s.text,
    "",
    "The folder to work in (default: the current one); made when missing.",
    env=("OPENWORK_WORKSPACE",),
)
DATA_DIR: Setting[str] = s.Setting(
    "data_dir",
    s.text,
    "",
    "OpenWork's own data: tokens, sessions, engine (default: ~/.openwork/openwork-orchestrator).",
    env=("OPENWORK_DATA_DIR",),
)
OPENCODE_BIN: Setting[str] = s.Setting(
    "opencode_bin",
    s.text,
    "",
    "Run this engine instead of the one OpenWork installs; needs --allow-external.",
    env=("OPENWORK_OPENCODE_BIN",),
)
ALLOW_EXTERNAL: Setting[bool] = s.Setting(
    "allow_external",
    s.boolean,
    False,  # noqa: FBT003  # the table's column says what it is
    "Programs that OpenWork did not install may be run.",
    env=("OPENWORK_ALLOW_EXTERNAL",),
    is_flag=True,
)
OPENCODE_SOURCE: Setting[EngineSource] = s.Setting(
    "opencode_source",
    parse_source,
    "auto",
    "Where the engine may come from: installed before (bundled), installed or downloaded, outside.",
    env=("OPENWORK_OPENCODE_SOURCE",),
    choices=("auto", "bundled", "downloaded", "external"),
)
SIDECAR_DIR: Setting[str] = s.Setting(
    "sidecar_dir",
    s.text,
    "",
    "Where engines are installed (default: <data dir>/sidecars).",
    env=("OPENWORK_SIDECAR_DIR",),
)
OPENCODE_HOST: Setting[str] = s.Setting(
    "opencode_host",
    s.text,
    "127.0.0.1",
    "Address of the engine; loopback only.",
    env=("OPENWORK_OPENCODE_HOST",),
)
OPENCODE_PORT: Setting[int] = s.Setting(
    "opencode_port",
    s.integer(0, 65_535),
    0,
    "Port of the engine; 0 picks a free one.",
    env=("OPENWORK_OPENCODE_PORT",),
)
OPENCODE_LOG_LEVEL: Setting[str] = s.Setting(
    "opencode_log_level",
    s.one_of(*ENGINE_LOG_LEVELS),
    "",
    "How much the engine logs.",
    env=("OPENWORK_OPENCODE_LOG_LEVEL",),
    choices=ENGINE_LOG_LEVELS,
)
OPENWORK_HOST: Setting[str] = s.Setting(
    "openwork_host",
    s.text,
    "127.0.0.1",
    "Address of the OpenWork server.",
    env=("OPENWORK_HOST",),
)
OPENWORK_PORT: Setting[int] = s.Setting(
    "openwork_port",
    s.integer(0, 65_535),
    DEFAULT_SERVER_PORT,
    "Port of the OpenWork server; when not given and taken, the next free one.",
    env=("OPENWORK_PORT",),
)
REMOTE_ACCESS: Setting[bool] = s.Setting(
    "remote_access",
    s.boolean,
    False,  # noqa: FBT003
    "Let other machines of your network in (listens on 0.0.0.0); a token is still needed.",
    env=("OPENWORK_REMOTE_ACCESS",),
    is_flag=True,
)
CONNECT_HOST: Setting[str] = s.Setting(
    "connect_host",
    host_name,
    "",
    "The name or address to put into connect links.",
    env=("OPENWORK_CONNECT_HOST",),
)
CONNECT_URL: Setting[str] = s.Setting(
    "connect_url",
    s.http_origin,
    "",
    "The address others reach this host at, such as https://openwork.example.com, for connect "
    "links: where a proxy adds HTTPS.",
    env=("OPENWORK_CONNECT_URL",),
)
OPENWORK_TOKEN: Setting[str] = s.Setting(
    "openwork_token",
    s.text,
    "",
    "Collaborator token (default: made up once and kept in the data folder). Prefer the variable: "
    "others can read a command line.",
    env=("OPENWORK_TOKEN",),
    secret=True,
)
OPENWORK_HOST_TOKEN: Setting[str] = s.Setting(
    "openwork_host_token",
    s.text,
    "",
    "Host token (default: made up once and kept). Prefer the variable.",
    env=("OPENWORK_HOST_TOKEN",),
    secret=True,
)
COLOR: Setting[bool | None] = s.Setting(
    "color",
    s.boolean,
    None,
    "Colours in log lines (default: on a terminal, unless NO_COLOR is set).",
    env=("OPENWORK_COLOR",),
    is_flag=True,
)

TABLE: tuple[Setting[Any], ...] = (
    WORKSPACE,
    DATA_DIR,
    OPENWORK_HOST,
    OPENWORK_PORT,
    REMOTE_ACCESS,
    CONNECT_HOST,
    CONNECT_URL,
    OPENWORK_TOKEN,
    OPENWORK_HOST_TOKEN,
    APPROVAL,
    APPROVAL_TIMEOUT,
    READ_ONLY,
    CORS,
    OPENCODE_BIN,
    ALLOW_EXTERNAL,
    OPENCODE_SOURCE,
    SIDECAR_DIR,
    OPENCODE_HOST,
    OPENCODE_PORT,
    OPENCODE_LOG_LEVEL,
    LOG_FORMAT,
    LOG_LEVEL,
    COLOR,
    VERBOSE,
    RUN_ID,
)


@dataclass(frozen=True)
class HostSettings:
    """What one host was told. Attributes are those of the table, with paths resolved.

    Attributes:
        run_dir: Where running hosts are recorded; a demo is recorded beside the real ones.
        port_was_asked_for: A taken port is then an error instead of a reason to take the next.
        demo: Scripted answers in a workspace of its own; nothing of the user's engine is used.
        warnings: What is allowed but unwise, for the one who starts the host.
    """

    workspace: Path
    data_dir: Path
    run_dir: Path
    sidecar_dir: Path
    openwork_host: str
    openwork_port: int
    port_was_asked_for: bool
    connect_host: str
    connect_url: str
    openwork_token: str
    openwork_host_token: str
    approval_mode: str
    approval_timeout_ms: int
    read_only: bool
    cors: tuple[str, ...]
    opencode_bin: Path | None
    allow_external: bool
    opencode_source: EngineSource
    opencode_host: str
    opencode_port: int
    opencode_log_level: str | None
    log_format: str
    color: bool | None
    log_level: str
    run_id: str
    demo: bool
    warnings: tuple[str, ...]
    resolved: Resolved

    @property
    def engine_request(self) -> EngineRequest:
        """Which engine to run, and where it may come from."""
        return EngineRequest(
            sidecar_dir=self.sidecar_dir,
            explicit=self.opencode_bin,
            source=self.opencode_source,
            allow_external=self.allow_external,
        )

    @property
    def reachable_from_outside(self) -> bool:
        """Whether the server listens to more than this machine."""
        return not is_loopback(self.openwork_host)


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    demo_dir: Path | None = None,
    quiet: bool = False,
) -> HostSettings:
    """Settle a host's settings.

    Args:
        flags: Given on the command line, by setting name.
        environ: The environment.
        demo_dir: The folder of a demo run: its workspace and data; None for real work.
        quiet: A person reads along: only warnings and errors unless more is asked for.

    Raises:
        UsageError: A value its setting does not take, or values that contradict each other.
    """
    resolved = s.resolve(TABLE, flags=flags, environ=environ)
    data_dir = _path(resolved.get(DATA_DIR) or str(default_data_dir()))
    run_dir = data_dir / "run"
    sidecar_dir = _path(resolved.get(SIDECAR_DIR) or str(data_dir / "sidecars"))
    workspace = _path(resolved.get(WORKSPACE) or str(Path.cwd()))
    if demo_dir is not None:
        if resolved.source(WORKSPACE) == "cli":
            raise UsageError(
                "--demo works in a folder of its own; --workspace contradicts it.",
                hint="Leave out one of the two.",
            )
        data_dir, workspace = demo_dir / "data", demo_dir / "workspace"
    for secret in (OPENWORK_TOKEN, OPENWORK_HOST_TOKEN):
        log.hide(resolved.get(secret))
    if not is_loopback(resolved.get(OPENCODE_HOST)):
        raise UsageError(
            f"--opencode-host: the engine must stay on loopback, not "
            f"{resolved.get(OPENCODE_HOST)}.",
            hint="Use --remote-access to let others reach the OpenWork server.",
        )
    run_id = resolved.get(RUN_ID)
    if run_id and not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"{resolved.origins[RUN_ID.name]}: {run_id!r} is not allowed: it names a file.",
            hint="Use up to 100 letters, digits, '-', '_' and '.'.",
        )
    binary = resolved.get(OPENCODE_BIN)
    host = _listen_host(resolved)
    return HostSettings(
        workspace=workspace,
        data_dir=data_dir,
        run_dir=run_dir,
        sidecar_dir=sidecar_dir,
        openwork_host=host,
        openwork_port=resolved.get(OPENWORK_PORT),
        port_was_asked_for=resolved.source(OPENWORK_PORT) != "default",
        connect_host=resolved.get(CONNECT_HOST),
        connect_url=resolved.get(CONNECT_URL),
        openwork_token=resolved.get(OPENWORK_TOKEN),
        openwork_host_token=resolved.get(OPENWORK_HOST_TOKEN),
        approval_mode=resolved.get(APPROVAL),
        approval_timeout_ms=resolved.get(APPROVAL_TIMEOUT),
        read_only=resolved.get(READ_ONLY),
        cors=resolved.get(CORS),
        opencode_bin=Path(binary) if binary else None,
        allow_external=resolved.get(ALLOW_EXTERNAL),
        opencode_source=resolved.get(OPENCODE_SOURCE),
        opencode_host=resolved.get(OPENCODE_HOST),
        opencode_port=resolved.get(OPENCODE_PORT),
        opencode_log_level=resolved.get(OPENCODE_LOG_LEVEL) or None,
        log_format=resolved.get(LOG_FORMAT),
        color=resolved.get(COLOR),
        log_level=log_level(resolved, quiet=quiet and resolved.get(LOG_FORMAT) == "pretty"),
        run_id=run_id or new_id(),
        demo=demo_dir is not None,
        warnings=_short_tokens(resolved, reachable=not is_loopback(host)),
        resolved=resolved,
    )


def _listen_host(resolved: Resolved) -> str:
    host = resolved.get(OPENWORK_HOST)
    if not resolved.get(REMOTE_ACCESS):
        return host
    if resolved.source(OPENWORK_HOST) != "default" and is_loopback(host):
        raise UsageError(
            f"--remote-access contradicts --openwork-host {host}.", hint="Leave out one of the two."
        )
    return host if resolved.source(OPENWORK_HOST) != "default" else "0.0.0.0"  # noqa: S104  # asked for


def _short_tokens(resolved: Resolved, *, reachable: bool) -> tuple[str, ...]:
    """Warnings of given tokens that can be guessed.

    Raises:
        UsageError: One, and other machines may try.
    """
    warnings: list[str] = []
    for setting in (OPENWORK_TOKEN, OPENWORK_HOST_TOKEN):
        if not 0 < len(resolved.get(setting)) < SHORTEST_SAFE_TOKEN:
            continue
        origin = resolved.origins[setting.name]
        short = f"{origin}: a token of under {SHORTEST_SAFE_TOKEN} characters can be guessed"
        if reachable:
            raise UsageError(
                f"{short}, and other machines may try.",
                hint="Leave it out, and a good one is made up and kept; or make a longer one: "
                "openssl rand -hex 16",
            )
        warnings.append(f"{short}. Leave it out, and a good one is made up and kept.")
    return tuple(warnings)


def _path(text: str) -> Path:
    return Path(os.path.realpath(Path(text).expanduser()))
