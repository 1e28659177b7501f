"""The server's settings: one table, and the typed result."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from openwork.common import settings as s
from openwork.common.errors import OpenWorkError, UsageError
from openwork.common.files import read_json_object
from openwork.common.ids import new_access_token
from openwork.common.net import is_loopback
from openwork.common.paths import default_server_config, default_server_data_dir
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
from openwork.workspace.inbox import DEFAULT_MAX_BYTES, LARGEST_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openwork.common.settings import Resolved, Setting, Source


def secure_address(raw: object) -> str:
    """An ``https://`` address, with a path or not; ``http://`` only on this machine."""
    value = s.text(raw).rstrip("/")
    found = re.fullmatch(
        r"(https?)://([^/\s?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:\d+)?(/[^\s?#]*)?", value
    )
    if found is None or (found[1] == "http" and not is_loopback(found[2])):
        raise ValueError("expected an address like https://github.example.com/api/v3")
    return value


CONFIG: Setting[str] = s.Setting(
    "config", s.text, "", "Settings file.", env=("OPENWORK_SERVER_CONFIG",)
)
HOST: Setting[str] = s.Setting(
    "host",
    s.text,
    "127.0.0.1",
    "Address to listen on; 0.0.0.0 lets other machines in.",
    env=("OPENWORK_HOST",),
    file="host",
)
PORT: Setting[int] = s.Setting(
    "port",
    s.integer(0, 65_535),
    8787,
    "Port to listen on; 0 picks a free one.",
    env=("OPENWORK_PORT",),
    file="port",
)
TOKEN: Setting[str] = s.Setting(
    "token",
    s.text,
    "",
    "Collaborator token for clients (made up when absent). Prefer the variable: others can read a "
    "command line.",
    env=("OPENWORK_TOKEN",),
    file="token",
    secret=True,
)
HOST_TOKEN: Setting[str] = s.Setting(
    "host_token",
    s.text,
    "",
    "Token of whoever runs this host (made up when absent). Prefer the variable.",
    env=("OPENWORK_HOST_TOKEN",),
    file="hostToken",
    secret=True,
)
WORKSPACE: Setting[tuple[str, ...]] = s.Setting(
    "workspace",
    s.words,
    (),
    "A folder to serve (repeatable).",
    env=("OPENWORK_WORKSPACES",),
    repeatable=True,
)
OPENCODE_BASE_URL: Setting[str] = s.Setting(
    "opencode_base_url",
    s.http_origin,
    "",
    "Address of the engine.",
    env=("OPENWORK_OPENCODE_BASE_URL",),
    file="opencodeBaseUrl",
)
OPENCODE_DIRECTORY: Setting[str] = s.Setting(
    "opencode_directory",
    s.text,
    "",
    "The workspace's folder as the engine sees it (one workspace only).",
    env=("OPENWORK_OPENCODE_DIRECTORY",),
    file="opencodeDirectory",
)
OPENCODE_USERNAME: Setting[str] = s.Setting(
    "opencode_username",
    s.text,
    "opencode",
    "User of the engine's basic auth.",
    env=("OPENWORK_OPENCODE_USERNAME",),
    file="opencodeUsername",
)
OPENCODE_PASSWORD: Setting[str] = s.Setting(
    "opencode_password",
    s.text,
    "",
    "Password of the engine's basic auth. Prefer the variable.",
    env=("OPENWORK_OPENCODE_PASSWORD",),
    file="opencodePassword",
    secret=True,
)
ALLOWED_HOST: Setting[tuple[str, ...]] = s.Setting(
    "allowed_host",
    s.words,
    (),
    "A further host name clients may use to reach this server (repeatable), for one behind a "
    "reverse proxy.",
    env=("OPENWORK_ALLOWED_HOSTS",),
    file="allowedHosts",
    repeatable=True,
)
LOG_REQUESTS: Setting[bool] = s.Setting(
    "log_requests",
    s.boolean,
    True,  # noqa: FBT003
    "One log line per request.",
    env=("OPENWORK_LOG_REQUESTS",),
    file="logRequests",
    is_flag=True,
)
OTLP_ENDPOINT: Setting[str] = s.Setting(
    "otlp_endpoint",
    s.http_origin,
    "",
    "OpenTelemetry collector (OTLP over HTTP) that gets a span for each request; off when empty.",
    env=("OTEL_EXPORTER_OTLP_ENDPOINT",),
    file="otlpEndpoint",
)
FAILED_AUTH_PER_MINUTE: Setting[int] = s.Setting(
    "failed_auth_per_minute",
    s.integer(0, 100_000),
    20,
    "Wrong tokens an address may send before it has to wait (429); 0 sets no limit.",
    env=("OPENWORK_FAILED_AUTH_PER_MINUTE",),
    file="failedAuthPerMinute",
)
AUTOMATION_TIMEOUT: Setting[int] = s.Setting(
    "automation_timeout",
    s.integer(1_000, 24 * 3600 * 1000),
    3600 * 1000,
    "Milliseconds a run of an automation may take before it is stopped.",
    env=("OPENWORK_AUTOMATION_TIMEOUT_MS",),
    file="automationTimeoutMs",
)
HUB_API_URL: Setting[str] = s.Setting(
    "hub_api_url",
    secure_address,
    "https://api.github.com",
    "Address of GitHub's REST API, for the skill hub.",
    env=("OPENWORK_HUB_API_URL",),
    file="hubApiUrl",
)
HUB_RAW_URL: Setting[str] = s.Setting(
    "hub_raw_url",
    secure_address,
    "https://raw.githubusercontent.com",
    "Address of GitHub's files, for the skill hub.",
    env=("OPENWORK_HUB_RAW_URL",),
    file="hubRawUrl",
)
TOKEN_STORE: Setting[str] = s.Setting(
    "token_store",
    s.text,
    "",
    "File of issued tokens (default: tokens.json beside the settings file).",
    env=("OPENWORK_TOKEN_STORE",),
)
DATA_DIR: Setting[str] = s.Setting(
    "data_dir", s.text, "", "Folder of the audit log.", env=("OPENWORK_DATA_DIR",)
)
INBOX_ENABLED: Setting[bool] = s.Setting(
    "inbox_enabled",
    s.boolean,
    True,  # noqa: FBT003
    "Take and hand out files of the inbox.",
    env=("OPENWORK_INBOX_ENABLED",),
    file="inboxEnabled",
    is_flag=True,
)
INBOX_MAX_BYTES: Setting[int] = s.Setting(
    "inbox_max_bytes",
    s.integer(1, LARGEST_MAX_BYTES),
    DEFAULT_MAX_BYTES,
    "Largest file the inbox takes.",
    env=("OPENWORK_INBOX_MAX_BYTES",),
    file="inboxMaxBytes",
)
OUTBOX_ENABLED: Setting[bool] = s.Setting(
    "outbox_enabled",
    s.boolean,
    True,  # noqa: FBT003
    "Hand out the files an agent puts into its outbox.",
    env=("OPENWORK_OUTBOX_ENABLED",),
    file="outboxEnabled",
    is_flag=True,
)
CONTROL_BASE_URL: Setting[str] = s.Setting(
    "control_base_url",
    s.http_origin,
    "",
    "Address of the host's control endpoint, for versions and upgrades.",
    env=("OPENWORK_CONTROL_BASE_URL",),
)
CONTROL_TOKEN: Setting[str] = s.Setting(
    "control_token",
    s.text,
    "",
    "Token of that endpoint. Prefer the variable.",
    env=("OPENWORK_CONTROL_TOKEN",),
    secret=True,
)
ROUTER_PORT: Setting[int] = s.Setting(
    "opencode_router_health_port",
    s.integer(0, 65_535),
    0,
    "Control port of the messaging router on this machine; 0: there is none.",
    env=("OPENCODE_ROUTER_HEALTH_PORT",),
)

TABLE: tuple[Setting[Any], ...] = (
    CONFIG,
    HOST,
    PORT,
    TOKEN,
    HOST_TOKEN,
    APPROVAL,
    APPROVAL_TIMEOUT,
    WORKSPACE,
    OPENCODE_BASE_URL,
    OPENCODE_DIRECTORY,
    OPENCODE_USERNAME,
    OPENCODE_PASSWORD,
    CORS,
    ALLOWED_HOST,
    READ_ONLY,
    LOG_FORMAT,
    LOG_LEVEL,
    LOG_REQUESTS,
    VERBOSE,
    RUN_ID,
    OTLP_ENDPOINT,
    FAILED_AUTH_PER_MINUTE,
    AUTOMATION_TIMEOUT,
    TOKEN_STORE,
    DATA_DIR,
    CONTROL_BASE_URL,
    CONTROL_TOKEN,
    ROUTER_PORT,
    INBOX_ENABLED,
    INBOX_MAX_BYTES,
    HUB_API_URL,
    HUB_RAW_URL,
    OUTBOX_ENABLED,
)


@dataclass(frozen=True)
class EngineAddress:
    """Where a workspace's engine answers.

    Attributes:
        base_url: ``http://127.0.0.1:PORT``.
        directory: The workspace's folder as the engine sees it.
        username: Basic auth user.
        password: Basic auth password, "" for none. Never leaves the server.
    """

    base_url: str
    directory: str
    username: str = "opencode"
    password: str = ""


@dataclass(frozen=True)
class WorkspaceSetting:
    """One workspace as configured.

    Attributes:
        path: Its folder, resolved.
        name: What people see.
        engine: Its engine, or None.
        display_name: The name a person gave it, or None.
        preset: The starter files it was made with, or None.
    """

    path: Path
    name: str
    engine: EngineAddress | None
    display_name: str | None = None
    preset: str | None = None


@dataclass(frozen=True)
class ServerSettings:
    """Everything the server was told, settled once at start.

    Attributes are those of the table, with paths resolved and tokens made up where absent.
    """

    config_path: Path
    config_exists: bool
    host: str
    port: int
    token: str
    host_token: str
    token_source: Source
    host_token_source: Source
    approval_mode: Literal["manual", "auto"]
    approval_timeout_ms: int
    automation_timeout_ms: int
    workspaces: tuple[WorkspaceSetting, ...]
    authorized_roots: tuple[Path, ...]
    cors_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    read_only: bool
    log_format: str
    log_requests: bool
    log_level: str
    run_id: str
    otlp_endpoint: str
    failed_auth_per_minute: int
    token_store: Path
    data_dir: Path
    control_base_url: str
    control_token: str
    router_port: int
    inbox_enabled: bool
    inbox_max_bytes: int
    hub_api_url: str
    hub_raw_url: str
    outbox_enabled: bool
    resolved: Resolved

    def engine_for(self, folder: Path) -> EngineAddress | None:
        """The engine of a workspace that is added later, when one engine was named for all."""
        base_url = self.resolved.get(OPENCODE_BASE_URL)
        if not base_url:
            return None
        return EngineAddress(
            base_url=base_url.rstrip("/"),
            directory=str(folder),
            username=self.resolved.get(OPENCODE_USERNAME),
            password=self.resolved.get(OPENCODE_PASSWORD),
        )


def load(flags: Mapping[str, Any], environ: Mapping[str, str]) -> ServerSettings:
    """Settle the server's settings.

    Raises:
        UsageError: A value that its setting does not take.
        OpenWorkError: ``file_damaged`` or ``file_unreadable`` for the settings file,
            ``workspace_unusable`` for a folder that cannot be served.
    """
    early = s.resolve((CONFIG,), flags=flags, environ=environ)
    config_path = _absolute(early.get(CONFIG) or str(default_server_config()))
    file = read_json_object(config_path)
    if file is None and early.source(CONFIG) == "cli":
        raise OpenWorkError(
            "file_missing",
            f"There is no settings file at {config_path}.",
            hint="Create it, or leave out --config.",
        )
    resolved = s.resolve(TABLE, flags=flags, environ=environ, file=file, file_name=str(config_path))
    token, token_source = _secret(resolved, TOKEN)
    host_token, host_token_source = _secret(resolved, HOST_TOKEN)
    workspaces = _workspaces(resolved, file or {}, config_path)
    roots = _roots(file or {}, config_path) or tuple(each.path for each in workspaces)
    return ServerSettings(
        config_path=config_path,
        config_exists=file is not None,
        host=resolved.get(HOST),
        port=resolved.get(PORT),
        token=token,
        host_token=host_token,
        token_source=token_source,
        host_token_source=host_token_source,
        approval_mode=cast("Literal['manual', 'auto']", resolved.get(APPROVAL)),
        approval_timeout_ms=resolved.get(APPROVAL_TIMEOUT),
        automation_timeout_ms=resolved.get(AUTOMATION_TIMEOUT),
        workspaces=workspaces,
        authorized_roots=roots,
        cors_origins=resolved.get(CORS),
        allowed_hosts=resolved.get(ALLOWED_HOST),
        read_only=resolved.get(READ_ONLY),
        log_format=resolved.get(LOG_FORMAT),
        log_requests=resolved.get(LOG_REQUESTS),
        log_level=log_level(resolved),
        run_id=resolved.get(RUN_ID),
        otlp_endpoint=resolved.get(OTLP_ENDPOINT),
        failed_auth_per_minute=resolved.get(FAILED_AUTH_PER_MINUTE),
        token_store=_absolute(
            resolved.get(TOKEN_STORE) or str(config_path.with_name("tokens.json"))
        ),
        data_dir=_absolute(resolved.get(DATA_DIR) or str(default_server_data_dir())),
        control_base_url=resolved.get(CONTROL_BASE_URL),
        control_token=resolved.get(CONTROL_TOKEN),
        router_port=resolved.get(ROUTER_PORT),
        inbox_enabled=resolved.get(INBOX_ENABLED),
        inbox_max_bytes=resolved.get(INBOX_MAX_BYTES),
        hub_api_url=resolved.get(HUB_API_URL),
        hub_raw_url=resolved.get(HUB_RAW_URL),
        outbox_enabled=resolved.get(OUTBOX_ENABLED),
        resolved=resolved,
    )


def _absolute(path: str, base: Path | None = None) -> Path:
    return Path(os.path.realpath((base or Path.cwd()) / Path(path).expanduser()))


def _secret(resolved: Resolved, setting: Setting[str]) -> tuple[str, Source]:
    if resolved.get(setting):
        return resolved.get(setting), resolved.source(setting)
    return new_access_token(), "generated"


def _roots(file: Mapping[str, Any], config_path: Path) -> tuple[Path, ...]:
    raw = file.get("authorizedRoots", [])
    try:
        return tuple(_absolute(each, config_path.parent) for each in s.words(raw))
    except ValueError as error:
        raise UsageError(f"authorizedRoots in {config_path}: {error}") from error


def _workspaces(
    resolved: Resolved, file: Mapping[str, Any], config_path: Path
) -> tuple[WorkspaceSetting, ...]:
    """The workspaces of the command line, else the environment, else the file: never mixed."""
    given = resolved.get(WORKSPACE)
    if given:
        entries: list[dict[str, Any]] = [{"path": path} for path in given]
        base = Path.cwd()
    else:
        entries, base = _file_entries(file, config_path), config_path.parent
    return tuple(_workspace(entry, base, resolved, alone=len(entries) == 1) for entry in entries)


def _file_entries(file: Mapping[str, Any], config_path: Path) -> list[dict[str, Any]]:
    raw: object = file.get("workspaces", [])
    problem = UsageError(
        f"workspaces in {config_path}: expected a list of objects with a path",
        hint='For example: "workspaces": [{"path": "/home/me/reports"}]',
    )
    if not isinstance(raw, list):
        raise problem
    entries: list[dict[str, Any]] = []
    for each in cast("list[object]", raw):
        if not isinstance(each, dict):
            raise problem
        entry = cast("dict[str, Any]", each)
        if not isinstance(entry.get("path"), str) or not entry["path"]:
            raise problem
        entries.append(entry)
    return entries


def _workspace(
    entry: Mapping[str, Any], base: Path, resolved: Resolved, *, alone: bool
) -> WorkspaceSetting:
    path = _absolute(str(entry["path"]), base)
    check_folder(path)
    base_url = _text(entry, "baseUrl", s.http_origin) or resolved.get(OPENCODE_BASE_URL)
    directory = _text(entry, "directory") or (resolved.get(OPENCODE_DIRECTORY) if alone else "")
    engine = None
    if base_url:
        engine = EngineAddress(
            base_url=base_url,
            directory=directory or str(path),
            username=_text(entry, "opencodeUsername") or resolved.get(OPENCODE_USERNAME),
            password=_text(entry, "opencodePassword") or resolved.get(OPENCODE_PASSWORD),
        )
    return WorkspaceSetting(
        path=path,
        name=_text(entry, "name") or path.name,
        engine=engine,
        display_name=_text_or_none(entry.get("displayName")),
        preset=_text_or_none(entry.get("preset")),
    )


def _text(
    entry: Mapping[str, Any], key: str, parse: Callable[[object], str] = s.text
) -> str | None:
    """A field of a workspace in the settings file; None when it is absent, null or empty."""
    value: object = entry.get(key)
    if value is None or value == "":
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise UsageError(
            f"workspaces in the settings file: {key} of {entry['path']}: {error}",
            hint="Repair that line of server.json.",
        ) from error


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def check_folder(path: Path) -> None:
    """Refuse a workspace that is missing, no folder, or not readable.

    Raises:
        OpenWorkError: ``workspace_unusable`` naming the folder and the reason.
    """
    if not path.exists():
        reason, hint = "it does not exist", f"Create it: mkdir -p {path}"
    elif not path.is_dir():
        reason, hint = "it is not a folder", "Give the folder that holds your files."
    elif not os.access(path, os.R_OK | os.X_OK):
        reason, hint = "it cannot be read", f"Check its owner and permissions: ls -ld {path}"
    else:
        return
    raise OpenWorkError(
        "workspace_unusable", f"Cannot serve the workspace {path}: {reason}.", hint=hint
    )
