"""What the server was told, settled once at start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from openwork.common import settings as s
from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object
from openwork.common.ids import new_access_token
from openwork.common.paths import (
    default_router_data_dir,
    default_server_config,
    default_server_data_dir,
)
from openwork.common.shared_settings import (
    APPROVAL,
    APPROVAL_TIMEOUT,
    CORS,
    LOG_FORMAT,
    READ_ONLY,
    RUN_ID,
    log_level,
)
from openwork.server.settings_table import (
    ALLOWED_HOST,
    AUTOMATION_TIMEOUT,
    BROWSER_PROVIDER,
    CONFIG,
    CONTROL_BASE_URL,
    CONTROL_TOKEN,
    DATA_DIR,
    FAILED_AUTH_PER_MINUTE,
    HOST,
    HOST_TOKEN,
    HUB_API_URL,
    HUB_RAW_URL,
    INBOX_ENABLED,
    INBOX_MAX_BYTES,
    LOG_REQUESTS,
    OPENCODE_BASE_URL,
    OPENCODE_PASSWORD,
    OPENCODE_USERNAME,
    OTLP_ENDPOINT,
    OUTBOX_ENABLED,
    PORT,
    ROUTER_CONFIG,
    ROUTER_DATA_DIR,
    ROUTER_PORT,
    SANDBOX_BACKEND,
    SANDBOX_ENABLED,
    TABLE,
    TOKEN,
    TOKEN_STORE,
)
from openwork.server.workspace_entries import absolute
from openwork.server.workspace_settings import (
    EngineAddress,
    WorkspaceSetting,
    read_roots,
    read_workspaces,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openwork.common.settings import Resolved, Setting, Source
    from openwork.server.unavailable import UnavailableWorkspace


@dataclass(frozen=True)
class ServerSettings:
    """Everything the server was told, settled once at start.

    Attributes are those of the table, with paths resolved and tokens made up where absent.
    """

    config_path: Path
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
    unavailable: tuple[UnavailableWorkspace, ...]
    workspaces_from_file: bool
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
    sandbox_enabled: bool
    sandbox_backend: str
    browser_provider: str
    control_base_url: str
    control_token: str
    router_port: int
    router_config: Path
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
            ``workspace_unusable``: no folder named by hand can be served.
    """
    early = s.resolve((CONFIG,), flags=flags, environ=environ)
    config_path = absolute(early.get(CONFIG) or str(default_server_config()))
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
    workspaces = read_workspaces(resolved, file or {}, config_path)
    roots = read_roots(file or {}, config_path) or tuple(each.path for each in workspaces.served)
    return ServerSettings(
        config_path=config_path,
        host=resolved.get(HOST),
        port=resolved.get(PORT),
        token=token,
        host_token=host_token,
        token_source=token_source,
        host_token_source=host_token_source,
        approval_mode=cast("Literal['manual', 'auto']", resolved.get(APPROVAL)),
        approval_timeout_ms=resolved.get(APPROVAL_TIMEOUT),
        automation_timeout_ms=resolved.get(AUTOMATION_TIMEOUT),
        workspaces=workspaces.served,
        unavailable=workspaces.unavailable,
        workspaces_from_file=workspaces.from_file,
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
        token_store=absolute(
            resolved.get(TOKEN_STORE) or str(config_path.with_name("tokens.json"))
        ),
        data_dir=absolute(resolved.get(DATA_DIR) or str(default_server_data_dir())),
        sandbox_enabled=resolved.get(SANDBOX_ENABLED),
        sandbox_backend=resolved.get(SANDBOX_BACKEND),
        browser_provider=resolved.get(BROWSER_PROVIDER),
        control_base_url=resolved.get(CONTROL_BASE_URL),
        control_token=resolved.get(CONTROL_TOKEN),
        router_port=resolved.get(ROUTER_PORT),
        router_config=_router_config(resolved),
        inbox_enabled=resolved.get(INBOX_ENABLED),
        inbox_max_bytes=resolved.get(INBOX_MAX_BYTES),
        hub_api_url=resolved.get(HUB_API_URL),
        hub_raw_url=resolved.get(HUB_RAW_URL),
        outbox_enabled=resolved.get(OUTBOX_ENABLED),
        resolved=resolved,
    )


def _router_config(resolved: Resolved) -> Path:
    """Where the router reads its identities from, settled as it does."""
    if resolved.get(ROUTER_CONFIG):
        return absolute(resolved.get(ROUTER_CONFIG))
    folder = resolved.get(ROUTER_DATA_DIR) or str(default_router_data_dir())
    return absolute(folder) / "opencode-router.json"


def _secret(resolved: Resolved, setting: Setting[str]) -> tuple[str, Source]:
    if resolved.get(setting):
        return resolved.get(setting), resolved.source(setting)
    return new_access_token(), "generated"
