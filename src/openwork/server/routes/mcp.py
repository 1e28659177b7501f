"""The MCP servers of a workspace's engine."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from openwork.common.errors import OpenWorkError
from openwork.server.access import (
    ASKS_ENGINE,
    CHANGE,
    CLIENT,
    READS_FILES,
    WRITES_FILES,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.any_json import AnyJson
from openwork.server.config_change import change_config
from openwork.server.forward import ask_engine, engine_service
from openwork.server.reload_events import ReloadTrigger
from openwork.server.scope import Scope
from openwork.server.shown import shown
from openwork.server.wire import Ok, WireModel
from openwork.workspace import mcp

router = guarded_router("mcp")

logger = logging.getLogger(__name__)


class NewMcpServer(WireModel):
    """``POST /workspace/{id}/mcp``: ``config`` as the engine takes it."""

    name: str = ""
    config: dict[str, Any] | None = None


@router.get("/workspace/{workspace_id}/mcp", summary="List the MCP servers of a workspace")
@access(CLIENT, answers="McpServerList", raises=READS_FILES)
async def list_mcp(actor: Caller, workspace: Target) -> AnyJson:
    """``{items}``: the user's servers, then the workspace's. Only owners see keys and headers."""
    return await asyncio.to_thread(_listing, actor, workspace)


@router.post("/workspace/{workspace_id}/mcp", summary="Add or replace an MCP server")
@access(CHANGE, answers="McpServerList", raises=WRITES_FILES)
async def add_mcp(
    context: Context, actor: Caller, workspace: Target, body: NewMcpServer
) -> AnyJson:
    """Add a server, or replace the one of that name."""
    fields = body.config
    if fields is None:
        raise OpenWorkError("invalid_payload", "config is missing.", status=400)
    name = mcp.check_name(body.name)
    mcp.check_config(fields)
    await change_config(
        context,
        actor,
        workspace,
        lambda text: mcp.add(text, name, fields),
        action="mcp.add",
        summary=f"Add the MCP server {name}",
        detail=shown(fields),
        reload=("mcp", ReloadTrigger("mcp", name=name, action="added")),
    )
    return await asyncio.to_thread(_listing, actor, workspace)


@router.delete(
    "/workspace/{workspace_id}/mcp/{name}", summary="Remove an MCP server from a workspace"
)
@access(CHANGE, answers="McpServerList", raises=WRITES_FILES)
async def remove_mcp(context: Context, actor: Caller, workspace: Target, name: str) -> AnyJson:
    """Remove a server from the workspace's configuration. One that is not there is fine."""
    mcp.check_name(name)
    await change_config(
        context,
        actor,
        workspace,
        lambda text: mcp.remove(text, name),
        action="mcp.remove",
        summary=f"Remove the MCP server {name}",
        reload=("mcp", ReloadTrigger("mcp", name=name, action="removed")),
    )
    return await asyncio.to_thread(_listing, actor, workspace)


@router.delete(
    "/workspace/{workspace_id}/mcp/{name}/auth", summary="Sign the engine out of an MCP server"
)
@access(CHANGE, answers="Ok", raises=ASKS_ENGINE)
async def sign_out_of_mcp(context: Context, actor: Caller, workspace: Target, name: str) -> Ok:
    """Make the engine forget its sign-in at a server. One it does not know is fine."""
    mcp.check_name(name)
    engine_service(workspace)
    async with context.gate.change(
        actor,
        workspace,
        action="mcp.auth.remove",
        summary=f"Sign out of the MCP server {name}",
        paths=[],
        target=f"mcp:{name}",
    ):
        try:
            await ask_engine(workspace, "POST", f"/mcp/{name}/disconnect")
        except OpenWorkError as error:  # it may not be connected; the sign-out is what counts
            logger.info("could not disconnect the MCP server %s: %s", name, error)
        await ask_engine(workspace, "DELETE", f"/mcp/{name}/auth")
    return Ok()


def _listing(actor: Caller, workspace: Target) -> AnyJson:
    secrets = actor.scope >= Scope.OWNER
    found = mcp.list_mcp(workspace.root)
    return AnyJson({"items": [each.to_json(secrets=secrets) for each in found]})
