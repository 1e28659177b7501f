"""The plugins of a workspace's engine."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query

from openwork.server.access import (
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
from openwork.server.query import switch
from openwork.server.reload_events import ReloadTrigger
from openwork.server.scope import Scope
from openwork.server.wire import WireModel
from openwork.workspace import plugins

router = guarded_router("plugins")


class NewPlugin(WireModel):
    """``POST /workspace/{id}/plugins``."""

    spec: str = ""


@router.get("/workspace/{workspace_id}/plugins", summary="List the plugins of a workspace")
@access(CLIENT, answers="PluginList", raises=READS_FILES)
async def list_plugins(
    actor: Caller,
    workspace: Target,
    include_global: Annotated[str, Query(alias="includeGlobal")] = "",
) -> AnyJson:
    """``{items, loadOrder}``: the workspace's plugins; with ``includeGlobal`` the user's too."""
    wanted = switch(include_global, default=False)
    return await asyncio.to_thread(_listing, actor, workspace, include_global=wanted)


@router.post("/workspace/{workspace_id}/plugins", summary="Add a plugin to a workspace")
@access(CHANGE, answers="PluginList", raises=WRITES_FILES)
async def add_plugin(
    context: Context, actor: Caller, workspace: Target, body: NewPlugin
) -> AnyJson:
    """Add one, unless its package is there already, in whatever version."""
    spec = plugins.check_spec(body.spec)
    name = plugins.shown_name(spec)
    await change_config(
        context,
        actor,
        workspace,
        lambda text: plugins.add(text, spec),
        action="plugins.add",
        summary=f"Add the plugin {name}: its code runs on this machine",
        reload=("plugins", ReloadTrigger("plugin", name=name, action="added")),
    )
    return await asyncio.to_thread(_listing, actor, workspace)


@router.delete(
    "/workspace/{workspace_id}/plugins/{name:path}", summary="Remove a plugin from a workspace"
)
@access(CHANGE, answers="PluginList", raises=WRITES_FILES)
async def remove_plugin(context: Context, actor: Caller, workspace: Target, name: str) -> AnyJson:
    """Remove every version of a package. One that is not there is fine."""
    plugins.check_spec(name)
    shown = plugins.shown_name(name)
    await change_config(
        context,
        actor,
        workspace,
        lambda text: plugins.remove(text, name),
        action="plugins.remove",
        summary=f"Remove the plugin {shown}",
        reload=("plugins", ReloadTrigger("plugin", name=shown, action="removed")),
    )
    return await asyncio.to_thread(_listing, actor, workspace)


def _listing(actor: Caller, workspace: Target, *, include_global: bool = False) -> AnyJson:
    found = plugins.list_plugins(workspace.root, include_global=include_global)
    secrets = actor.scope >= Scope.OWNER
    items = [each.to_json(secrets=secrets) for each in found]
    return AnyJson({"items": items, "loadOrder": plugins.LOAD_ORDER})
