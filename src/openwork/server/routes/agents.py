"""The agents of a workspace's engine."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

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
from openwork.server.document_change import DocumentKind, change_document
from openwork.server.query import switch
from openwork.server.wire import WireModel
from openwork.workspace import agents
from openwork.workspace.user_config import user_config_root

if TYPE_CHECKING:
    from openwork.workspace.paths import WorkspaceRoot

router = guarded_router("agents")

KIND = DocumentKind("agents", "agent")


class NewAgent(WireModel):
    """``POST /workspace/{id}/agents``."""

    name: str = ""
    content: str = ""


@router.get("/workspace/{workspace_id}/agents", summary="List the agents of a workspace")
@access(CLIENT, answers="AgentList", raises=(400,))
async def list_agents(
    workspace: Target, include_global: Annotated[str, Query(alias="includeGlobal")] = ""
) -> dict[str, Any]:
    """``{items, problems?}``: the workspace's agents; with ``includeGlobal`` the user's too.

    ``problems`` names the files that were left out, and why.
    """
    wanted = switch(include_global, default=False)
    return await asyncio.to_thread(_listing, workspace.root, include_global=wanted)


@router.get("/workspace/{workspace_id}/agents/{name:path}", summary="Read an agent and its file")
@access(CLIENT, answers="AgentFile", raises=READS_FILES)
async def read_agent(workspace: Target, name: str) -> dict[str, Any]:
    """``{item, content}``: one agent of the workspace and its file."""
    agent, content = await asyncio.to_thread(agents.read_agent, workspace.root, name)
    return {"item": agent.to_json(), "content": content}


@router.post("/workspace/{workspace_id}/agents", summary="Add or change an agent")
@access(CHANGE, answers="AgentInfo", raises=WRITES_FILES)
async def upsert_agent(
    context: Context, actor: Caller, workspace: Target, body: NewAgent
) -> dict[str, Any]:
    """Write an agent's file as it is given, once it is sure that the engine takes it."""
    name = agents.checked_name(body.name)
    plan = partial(agents.plan, workspace.root, name, body.content)
    await change_document(context, actor, workspace, KIND, name, plan, text=body.content)
    agent, _ = await asyncio.to_thread(agents.read_agent, workspace.root, name)
    return agent.to_json()


@router.delete(
    "/workspace/{workspace_id}/agents/{name:path}", summary="Delete an agent of a workspace"
)
@access(CHANGE, answers="Removed", raises=(400, 409))
async def delete_agent(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """Delete an agent: ``{ok, name, path}``."""
    name = agents.checked_name(name)
    plan = partial(agents.plan_removal, workspace.root, name)
    path = await change_document(context, actor, workspace, KIND, name, plan)
    return {"ok": True, "name": name, "path": str(path)}


def _listing(root: WorkspaceRoot, *, include_global: bool) -> dict[str, Any]:
    user = user_config_root() if include_global else None
    return agents.list_agents(root, user).to_json()
