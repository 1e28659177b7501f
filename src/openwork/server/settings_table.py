"""The server's settings: one table, with names, defaults and what each takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from openwork.common import settings as s
from openwork.common.net import is_loopback
from openwork.common.shared_settings import (
    APPROVAL,
    APPROVAL_TIMEOUT,
    CORS,
    LOG_FORMAT,
    LOG_LEVEL,
    READ_ONLY,
    RUN_ID,
    VERBOSE,
)
from openwork.workspace.inbox import DEFAULT_MAX_BYTES, LARGEST_MAX_BYTES

if TYPE_CHECKING:
    from openwork.common.settings import Setting


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
    "A folder to serve (repeatable); without one, those of the settings file.",
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
SANDBOX_ENABLED: Setting[bool] = s.Setting(
    "sandbox_enabled",
    s.boolean,
    False,  # noqa: FBT003
    "Tell clients that tasks run in a sandbox here. Whoever starts this server in one sets it.",
    env=("OPENWORK_SANDBOX_ENABLED",),
    file="sandboxEnabled",
    is_flag=True,
)
SANDBOX_BACKENDS = ("none", "docker", "container")
SANDBOX_BACKEND: Setting[str] = s.Setting(
    "sandbox_backend",
    s.one_of(*SANDBOX_BACKENDS),
    "none",
    "Which sandbox clients are told of.",
    env=("OPENWORK_SANDBOX_BACKEND",),
    file="sandboxBackend",
    choices=SANDBOX_BACKENDS,
)
BROWSER_PROVIDERS = ("none", "sandbox-headless", "host-interactive", "client-interactive")
BROWSER_PROVIDER: Setting[str] = s.Setting(
    "browser_provider",
    s.one_of(*BROWSER_PROVIDERS),
    "none",
    "Which browser the agent has, for clients to show: in the sandbox, on this machine, or theirs.",
    env=("OPENWORK_BROWSER_PROVIDER",),
    file="browserProvider",
    choices=BROWSER_PROVIDERS,
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
ROUTER_DATA_DIR: Setting[str] = s.Setting(
    "opencode_router_data_dir",
    s.text,
    "",
    "The messaging router's data folder, as the router itself is told.",
    env=("OPENCODE_ROUTER_DATA_DIR",),
)
ROUTER_CONFIG: Setting[str] = s.Setting(
    "opencode_router_config_path",
    s.text,
    "",
    "The messaging router's configuration file (default: opencode-router.json in its data folder).",
    env=("OPENCODE_ROUTER_CONFIG_PATH",),
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
    SANDBOX_ENABLED,
    SANDBOX_BACKEND,
    BROWSER_PROVIDER,
    CONTROL_BASE_URL,
    CONTROL_TOKEN,
    ROUTER_PORT,
    ROUTER_DATA_DIR,
    ROUTER_CONFIG,
    INBOX_ENABLED,
    INBOX_MAX_BYTES,
    HUB_API_URL,
    HUB_RAW_URL,
    OUTBOX_ENABLED,
)
