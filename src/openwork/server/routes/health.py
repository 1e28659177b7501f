"""Is it there, what is it, who am I to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from openwork.server.access import (
    CLIENT,
    PUBLIC,
    Caller,
    Context,
    Mount,
    access,
    authorized,
    guarded_router,
)
from openwork.server.wire import WireModel
from openwork.version import __version__
from openwork.workspace.skill_hub import HUB

if TYPE_CHECKING:
    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace

router = guarded_router("server")

_BROWSER_PLACES = {"sandbox": "in-sandbox", "host": "host-machine", "client": "client-machine"}


class HealthBody(WireModel):
    """``GET /health``."""

    ok: Literal[True] = True
    version: str
    uptime_ms: int


class WhoAmI(WireModel):
    """``GET /whoami``."""

    ok: Literal[True] = True
    actor: dict[str, Any]


@router.get("/health", summary="Ask whether the server is up")
@access(PUBLIC, answers="Health")
async def health(context: Context) -> HealthBody:
    """Whether the server is up. The only thing told to everybody."""
    return HealthBody(version=__version__, uptime_ms=context.uptime_ms)


@router.get("/whoami", summary="Tell who the caller is")
@access(CLIENT, answers="WhoAmI")
async def whoami(actor: Caller) -> WhoAmI:
    """The caller as the server sees it."""
    return WhoAmI(actor=actor.to_json())


@router.get("/status", summary="Read the state of the server")
@access(CLIENT, answers="Status")
async def status(context: Context, mount: Mount) -> dict[str, Any]:
    """The server's state; under a mount, as if that were the only workspace."""
    settings = context.settings
    workspace = context.registry.active if mount is None else authorized(context, mount)
    return {
        "ok": True,
        "version": __version__,
        "uptimeMs": context.uptime_ms,
        "readOnly": settings.read_only,
        "approval": {"mode": settings.approval_mode, "timeoutMs": settings.approval_timeout_ms},
        "corsOrigins": list(settings.cors_origins),
        "workspaceCount": len(context.registry.all()) if mount is None else 1,
        "activeWorkspaceId": workspace.id if workspace else None,
        "workspace": workspace.to_json() if workspace else None,
        "authorizedRoots": [str(root) for root in context.registry.roots],
        "server": {
            "host": settings.host,
            "port": context.bound_port,
            "configPath": str(settings.config_path),
        },
        "tokenSource": {"client": settings.token_source, "host": settings.host_token_source},
    }


@router.get("/capabilities", summary="Tell what this server can do")
@access(CLIENT, answers="Capabilities")
async def capabilities(context: Context, mount: Mount) -> dict[str, Any]:
    """What this server can do. Parts that are not there yet say so."""
    workspace = context.registry.active if mount is None else authorized(context, mount)
    return _capabilities(context, workspace)


def _capabilities(context: ServerContext, workspace: Workspace | None) -> dict[str, Any]:
    settings = context.settings
    write = not settings.read_only
    return {
        "schemaVersion": 1,
        "serverVersion": __version__,
        "skills": {"read": True, "write": write, "source": "openwork"},
        "hub": {
            "skills": {
                "read": True,
                "install": write,
                "repo": {"owner": HUB.owner, "name": HUB.repo, "ref": HUB.ref},
            }
        },
        "plugins": {"read": True, "write": write},
        "mcp": {"read": True, "write": write},
        "commands": {"read": True, "write": write},
        "config": {"read": True, "write": write},
        "approvals": {"mode": settings.approval_mode, "timeoutMs": settings.approval_timeout_ms},
        "sandbox": {"enabled": settings.sandbox_enabled, "backend": settings.sandbox_backend},
        "ui": {"toy": True},
        "tokens": {"scoped": True, "scopes": ["owner", "collaborator", "viewer"]},
        "proxy": {
            "opencode": workspace is not None and workspace.engine is not None,
            "opencodeRouter": settings.router_port != 0,
        },
        "toolProviders": {
            "browser": describe_browser(settings.browser_provider),
            "files": {
                "injection": settings.inbox_enabled and write,
                "outbox": settings.outbox_enabled,
                "inboxPath": ".opencode/openwork/inbox/",
                "outboxPath": ".opencode/openwork/outbox/",
                "maxBytes": settings.inbox_max_bytes,
            },
        },
    }


def describe_browser(provider: str) -> dict[str, Any]:
    """``{enabled, placement, mode}`` of the setting's word, such as ``host-interactive``."""
    where, _, mode = provider.partition("-")
    if where not in _BROWSER_PLACES:
        return {"enabled": False, "placement": "external", "mode": "none"}
    return {"enabled": True, "placement": _BROWSER_PLACES[where], "mode": mode}


@router.get("/workspaces", tags=["workspaces"], summary="List the workspaces")
@access(CLIENT, answers="WorkspaceList")
async def list_workspaces(context: Context, mount: Mount) -> dict[str, Any]:
    """All workspaces, the active one first; under a mount, that one.

    One that cannot be served comes last, and says why: ``unavailable: {reason, hint}``.
    """
    if mount is not None:
        only = context.registry.get(mount)
        return {"items": [only.to_json()], "activeId": only.id}
    return {"items": context.registry.to_json(), "activeId": context.registry.active_id}
