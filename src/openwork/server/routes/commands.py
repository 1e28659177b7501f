"""The commands of a workspace's engine."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002  # FastAPI reads it

from openwork.server.access import (
    CHANGE,
    CLIENT,
    WRITES_FILES,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.auth import address_of
from openwork.server.document_change import DocumentKind, change_document
from openwork.server.wire import WireModel
from openwork.workspace import commands
from openwork.workspace.user_config import user_config_root

if TYPE_CHECKING:
    from openwork.workspace.paths import WorkspaceRoot

router = guarded_router("commands")

KIND = DocumentKind("commands", "command", mark="/")


class NewCommand(WireModel):
    """``POST /workspace/{id}/commands``."""

    name: str = ""
    template: str = ""
    description: str | None = None
    agent: str | None = None
    model: str | None = None
    subtask: bool | None = None


@router.get("/workspace/{workspace_id}/commands", summary="List the commands of a workspace")
@access(CLIENT, answers="CommandList", raises=(400,))
async def list_commands(
    request: Request, context: Context, workspace: Target, scope: str = ""
) -> dict[str, Any]:
    """``{items, problems?}``: the workspace's commands; for the host, with ``global``, the user's.

    ``problems`` names the files that were left out, and why.
    """
    if scope != "global":
        return await _listing(workspace.root)
    context.authenticator.host(request.headers, address_of(request.scope))
    return await asyncio.to_thread(_user_commands)


@router.post("/workspace/{workspace_id}/commands", summary="Add or change a command")
@access(CHANGE, answers="CommandList", raises=WRITES_FILES)
async def upsert_command(
    context: Context, actor: Caller, workspace: Target, body: NewCommand
) -> dict[str, Any]:
    """Write a command; the workspace's commands afterwards."""
    new = commands.NewCommand(
        body.name, body.template, body.description, body.agent, body.model, body.subtask
    )
    name, plan = commands.checked_name(body.name), partial(commands.plan, workspace.root, new)
    await change_document(context, actor, workspace, KIND, name, plan, text=body.template)
    return await _listing(workspace.root)


@router.delete(
    "/workspace/{workspace_id}/commands/{name:path}", summary="Delete a command of a workspace"
)
@access(CHANGE, answers="Ok", raises=(400, 409))
async def delete_command(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """Delete a command. One that is not there is fine."""
    name = commands.checked_name(name)
    plan = partial(commands.plan_removal, workspace.root, name)
    await change_document(context, actor, workspace, KIND, name, plan)
    return {"ok": True}


async def _listing(root: WorkspaceRoot) -> dict[str, Any]:
    folder = commands.workspace_folder(root)
    return (await asyncio.to_thread(commands.list_commands, folder, "workspace")).to_json()


def _user_commands() -> dict[str, Any]:
    root = user_config_root()
    if root is None:
        return {"items": []}
    return commands.list_commands(root.top.child(*commands.USER_FOLDER), "global").to_json()
