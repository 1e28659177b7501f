"""What the routes of one server share, made once at start."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.common.files import use_data_dir
from openwork.server.approvals import Approvals
from openwork.server.audit import AuditLog
from openwork.server.auth import Authenticator
from openwork.server.automations import Automations
from openwork.server.config_answers import ConfigAnswers
from openwork.server.config_store import ConfigStore
from openwork.server.files import Files
from openwork.server.gate import Gate
from openwork.server.github import Hub
from openwork.server.guesses import Guesses
from openwork.server.imports import Interrupted
from openwork.server.metrics import Metrics
from openwork.server.registry import Registry
from openwork.server.reload_events import ReloadEvents
from openwork.server.sse import EventStreams
from openwork.server.streams import OpenStreams
from openwork.server.tokens import TokenStore
from openwork.server.watching import Watching
from openwork.workspace import leftovers

if TYPE_CHECKING:
    from openwork.server.settings import ServerSettings


@dataclass
class ServerContext:
    """The server's parts.

    Attributes:
        settings: What it was told.
        bound_port: The port it really listens on.
        started_at: Monotonic seconds.
    """

    settings: ServerSettings
    tokens: TokenStore
    authenticator: Authenticator
    approvals: Approvals
    audit: AuditLog
    reload_events: ReloadEvents
    gate: Gate
    registry: Registry
    watching: Watching
    config_store: ConfigStore
    automations: Automations
    hub: Hub
    interrupted: Interrupted
    event_streams: EventStreams = field(default_factory=EventStreams)
    files: Files = field(default_factory=Files)
    config_answers: ConfigAnswers = field(default_factory=ConfigAnswers)
    downloads: OpenStreams = field(default_factory=OpenStreams)
    metrics: Metrics = field(default_factory=Metrics)
    bound_port: int = 0
    started_at: float = field(default_factory=time.monotonic)

    @property
    def uptime_ms(self) -> int:
        """Since the start."""
        return int((time.monotonic() - self.started_at) * 1000)

    def stop(self) -> None:
        """The server stops: what would wait for ever is answered now."""
        self.approvals.close()
        self.gate.close()
        self.event_streams.stop()


def build_context(settings: ServerSettings) -> ServerContext:
    """Read the stores and join the parts.

    Raises:
        OpenWorkError: ``file_damaged`` for the token store; ``data_dir_unusable``.
    """
    use_data_dir(settings.data_dir)
    for secret in (settings.token, settings.host_token, settings.control_token):
        log.hide(secret)
    tokens = TokenStore(settings.token_store)
    approvals = Approvals(settings.approval_mode, settings.approval_timeout_ms)
    audit = AuditLog(settings.data_dir)
    reload_events = ReloadEvents()
    registry = Registry(settings.workspaces, settings.authorized_roots, settings.unavailable)
    authenticator = Authenticator(
        settings.token, settings.host_token, tokens, Guesses(settings.failed_auth_per_minute)
    )
    gate = Gate(
        approvals,
        audit,
        reload_events,
        read_only=settings.read_only,
        scope_of=authenticator.scope_now,
    )
    context = ServerContext(
        settings=settings,
        tokens=tokens,
        authenticator=authenticator,
        approvals=approvals,
        audit=audit,
        reload_events=reload_events,
        hub=Hub(settings.hub_api_url, settings.hub_raw_url),
        interrupted=Interrupted(settings.data_dir, audit),
        gate=gate,
        registry=registry,
        watching=Watching(reload_events, registry),
        config_store=ConfigStore(settings.config_path, in_use=settings.workspaces_from_file),
        automations=Automations(
            registry,
            settings.data_dir,
            audit,
            read_only=settings.read_only,
            timeout_s=settings.automation_timeout_ms / 1000,
        ),
        bound_port=settings.port,
    )
    tokens.on_revoke(approvals.revoke)
    tokens.on_revoke(context.files.sessions.end_of_token)
    registry.on_remove(lambda gone: context.files.forget(gone.id))
    registry.on_remove(lambda gone: context.config_answers.forget(gone.id))
    tokens.on_revoke(context.event_streams.cut)
    registry.on_remove(lambda gone: context.event_streams.cut_workspace(gone.id))
    tokens.on_revoke(context.downloads.cut)
    registry.on_remove(lambda gone: context.downloads.cut_workspace(gone.id))
    if not settings.read_only:
        context.interrupted.undo_all(registry.all())
        registry.on_add(lambda added: context.interrupted.undo_all([added]))
        leftovers.sweep_all(each.root for each in registry.all())
    return context
