"""What a ready host tells: the payload of ``--json`` and the text for people."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openwork.common.ids import workspace_id
from openwork.common.net import is_loopback, lan_address
from openwork.engine.pin import ENGINE_VERSION
from openwork.orchestrator import pairing
from openwork.orchestrator.own_command import own_command
from openwork.orchestrator.server_api import Access
from openwork.version import __version__

if TYPE_CHECKING:
    from openwork.engine.client import EngineClient
    from openwork.engine.locate import EngineBinary
    from openwork.engine.process import Engine
    from openwork.orchestrator.credentials import Credentials
    from openwork.orchestrator.settings import HostSettings

# The engine's own reload timing as existing clients read it; off until the host reloads by itself.
HOT_RELOAD = {"enabled": False, "debounceMs": 700, "cooldownMs": 1500}


@dataclass(frozen=True)
class ReadyHost:
    """A host whose services all answer.

    Attributes:
        settings: What it was told.
        credentials: Its tokens, the owner's included.
        engine: The running engine.
        binary: Where the engine came from.
        server_url: The server as seen from this machine.
        server_port: Its port.
    """

    settings: HostSettings
    credentials: Credentials
    engine: Engine
    binary: EngineBinary
    server_url: str
    server_port: int

    @property
    def workspace_id(self) -> str:
        """The workspace's id."""
        return workspace_id(self.settings.workspace)

    @property
    def connect_url(self) -> str:
        """The server's address for other machines where they may come in, else for this one."""
        settings = self.settings
        if settings.connect_url:
            return settings.connect_url
        host = settings.connect_host
        if not host and settings.reachable_from_outside:
            asked = settings.openwork_host
            any_address = asked in {"0.0.0.0", "::"}  # noqa: S104  # compared, not bound
            host = (lan_address() or f"{platform.node()}.local") if any_address else asked
        if not host:
            return self.server_url
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    @property
    def owner_link(self) -> str:
        """A link that connects with every right (a read-only host issues no owner token)."""
        token = self.credentials.owner or self.credentials.collaborator
        return pairing.web_link(self.connect_url, self.workspace_id, token)

    @property
    def collaborator_link(self) -> str:
        """A link for routine remote use."""
        return pairing.web_link(self.connect_url, self.workspace_id, self.credentials.collaborator)

    def client(self) -> EngineClient:
        """A client of the engine as a collaborator has it, through the server."""
        from openwork.engine.client import EngineClient  # noqa: PLC0415  # slow to load

        return EngineClient(
            f"{self.server_url}/w/{self.workspace_id}/opencode",
            headers=Access(token=self.credentials.collaborator).headers,
        )

    def payload(self) -> dict[str, Any]:
        """The document of ``start --json``, as existing clients read it."""
        settings, engine = self.settings, self.engine
        return {
            "runId": settings.run_id,
            "workspace": str(settings.workspace),
            "workspaceId": self.workspace_id,
            "approval": {
                "mode": settings.approval_mode,
                "timeoutMs": settings.approval_timeout_ms,
                "readOnly": settings.read_only,
            },
            "opencode": {
                "baseUrl": engine.base_url,
                "connectUrl": engine.base_url,
                "username": engine.username,
                "password": engine.password,
                "bindHost": settings.opencode_host,
                "port": engine.port,
                "hotReload": HOT_RELOAD,
                "version": engine.version,
            },
            "openwork": {
                "baseUrl": self.server_url,
                "connectUrl": self.connect_url,
                "host": settings.openwork_host,
                "port": self.server_port,
                "collaboratorToken": self.credentials.collaborator,
                "ownerToken": self.credentials.owner,
                "token": self.credentials.collaborator,
                "hostToken": self.credentials.host,
                "version": __version__,
            },
            "connect": {
                "ownerLink": self.owner_link,
                "collaboratorLink": self.collaborator_link,
            },
            "opencodeRouter": {"enabled": False, "version": None, "healthPort": None},
            "diagnostics": self._diagnostics(),
        }

    def _diagnostics(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "cliVersion": __version__,
            "sidecar": {
                "dir": str(settings.sidecar_dir),
                "baseUrl": None,
                "manifestUrl": None,
                "target": None,
                "source": "bundled",
                "opencodeSource": settings.opencode_source,
                "allowExternal": settings.allow_external,
            },
            "binaries": {
                "opencode": {
                    "path": str(self.binary.path),
                    "source": self.binary.source,
                    "expectedVersion": ENGINE_VERSION,
                    "actualVersion": self.engine.version,
                },
                "openworkServer": {
                    "path": "openwork-server",
                    "source": "bundled",
                    "expectedVersion": __version__,
                    "actualVersion": __version__,
                },
                "opencodeRouter": None,
            },
        }

    def line(self) -> str:
        """One line for a log, with no secret in it."""
        how = self._command("connect")
        return f"ready: {self.settings.workspace} at {self.connect_url}; links to connect: {how}"

    def _command(self, name: str, *words: str) -> str:
        settings = self.settings
        folder = str(settings.workspace)
        return own_command(name, "--workspace", folder, *words, data_dir=settings.run_dir.parent)

    def text(self, *, qr: bool) -> str:
        """The pairing text for a person."""
        lines = ["", "OpenWork is ready.", ""]
        if self.settings.demo:
            lines += [
                "  This is a demo: the answers are scripted and no model is asked. Its folder is",
                "  removed when it stops.",
                "  To work with a real model: openwork start --workspace YOUR_FOLDER, after",
                "  signing in to a provider with: openwork engine auth login (or a provider in",
                "  YOUR_FOLDER/opencode.jsonc).",
                "",
            ]
        lines += [
            "  Open this in your browser:",
            f"    {self.owner_link}",
            "",
            f"  Workspace           {self.settings.workspace}",
            f"  Server              {self.connect_url}",
            f"  Engine              OpenCode {self.engine.version} at {self.engine.base_url}",
            "",
            "  Collaborator token  for routine remote use: give tasks, read, change with approval",
            f"    {self.credentials.collaborator}",
            "  Owner token         also answers permission prompts",
            f"    {self.credentials.owner or '(none: this host is read-only)'}",
            "  Host token          for the approvals command on this machine",
            f"    {self.credentials.host}",
            "",
        ]
        if not is_loopback(urlsplit(self.connect_url).hostname or ""):
            lines += ["  Link for a collaborator:", f"    {self.collaborator_link}", ""]
        else:
            lines += ["  Only this machine can connect; --remote-access lets others in.", ""]
        if qr:
            lines += ["  Scan to connect:", pairing.qr_code(self.owner_link), ""]
        demo = self.settings.demo
        task = "Summarise the expenses of the quarter in summary.md" if demo else "What is in here?"
        lines += [
            "  From another terminal:",
            f"    {self._command('run', task)}",
            "",
            "  Stop: Ctrl+C",
            "",
        ]
        return "\n".join(lines)
