"""The commands of a workspace's engine."""

from __future__ import annotations

import asyncio
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
from openwork.server.reload_events import ReloadTrigger
from openwork.server.shown import shown
from openwork.server.wire import WireModel
from openwork.workspace import commands
from openwork.workspace.user_config import user_config_root

if TYPE_CHECKING:
    from openwork.workspace.paths import WorkspaceRoot

router = guarded_router("commands")


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
    planned = await asyncio.to_thread(commands.plan, workspace.root, new)
    name, path = commands.checked_name(body.name), planned.path
    trigger = ReloadTrigger("command", name, planned.action, str(path))
    async with context.gate.change(
        actor,
        workspace,
        action="commands.upsert",
        summary=f"{'Change' if planned.exists else 'Add'} the command /{name}",
        detail=shown(body.template),
        paths=[path.absolute],
        reload=("commands", trigger),
    ):
        # The folder may have changed while the approval was waited for.
        trigger.action = await asyncio.to_thread(lambda: commands.plan(workspace.root, new).apply())
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
    found = await asyncio.to_thread(commands.find, workspace.root, name)
    path = found[0] if found else commands.default_path(workspace.root, name)
    trigger = ReloadTrigger("command", name, "removed", str(path))
    async with context.gate.change(
        actor,
        workspace,
        action="commands.delete",
        summary=f"Delete the command /{name}",
        paths=[each.absolute for each in found] or [path.absolute],
        reload=("commands", trigger) if found else None,
    ):
        await asyncio.to_thread(commands.delete, workspace.root, name)
    return {"ok": True}


async def _listing(root: WorkspaceRoot) -> dict[str, Any]:
    folder = commands.workspace_folder(root)
    return (await asyncio.to_thread(commands.list_commands, folder, "workspace")).to_json()


def _user_commands() -> dict[str, Any]:
    root = user_config_root()
    if root is None:
        return {"items": []}
    return commands.list_commands(root.top.child(*commands.USER_FOLDER), "global").to_json()
