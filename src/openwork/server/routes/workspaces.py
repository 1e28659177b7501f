"""Make, name, choose and remove workspaces. Listing is beside status."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from openwork.common.errors import OpenWorkError
from openwork.common.ids import workspace_id as id_of
from openwork.server.access import HOST, HOST_CHANGE, Caller, Context, access, guarded_router
from openwork.server.audit import AuditRecord
from openwork.server.gate import require_writable
from openwork.server.registry import Workspace
from openwork.server.wire import WireModel
from openwork.workspace import presets
from openwork.workspace.new_folder import check_new_folder, refused
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from openwork.server.context import ServerContext
    from openwork.server.unavailable import UnavailableWorkspace
    from openwork.workspace.presets import Preset

    Named = Workspace | UnavailableWorkspace

router = guarded_router("workspaces")

LONGEST_NAME = 200
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class NewWorkspace(WireModel):
    """``POST /workspaces/local``: an absolute path; preset starter, automation or minimal."""

    folder_path: str = ""
    name: str | None = Field(default=None, max_length=LONGEST_NAME)
    preset: str = "starter"


class DisplayName(WireModel):
    """``PATCH /workspaces/{id}/display-name``: blank or null gives the folder's name back."""

    display_name: str | None = Field(default=None, max_length=LONGEST_NAME)


class Activation(WireModel):
    """``POST /workspaces/{id}/activate``: ``persist`` keeps the choice in the settings file."""

    persist: bool = False


@router.post("/workspaces/local", status_code=201, summary="Make a local workspace")
@access(HOST_CHANGE, answers="ChangedWorkspaces", raises=(404, 409, 422))
async def create(context: Context, actor: Caller, body: NewWorkspace) -> dict[str, Any]:
    """Make a folder with its starter files and serve it, as the active workspace."""
    if not body.folder_path.strip():
        raise OpenWorkError("invalid_payload", "folderPath is missing.", status=400)
    preset = presets.preset_named(body.preset)
    name = _clean(body.name)
    settings = context.settings
    own = (settings.data_dir, settings.config_path, settings.token_store)
    folder = check_new_folder(body.folder_path, home=Path.home(), own=own)
    async with context.registry.changing:
        await asyncio.to_thread(context.config_store.check)
        root = await asyncio.to_thread(_lay_out, folder, preset, name or folder.name)
        workspace = _served(context, root, preset, name)
        persisted = await asyncio.to_thread(context.config_store.add, workspace)
        context.registry.add(workspace)
    await context.interrupted.record()
    await _record(context, actor, workspace, "workspace.create", f"Added {workspace.name}")
    return _listing(context, persisted=persisted)


@router.patch("/workspaces/{target_id}/display-name", summary="Give a workspace a name")
@access(HOST_CHANGE, answers="ChangedWorkspaces", raises=(404, 422))
async def rename(
    context: Context, actor: Caller, target_id: str, body: DisplayName
) -> dict[str, Any]:
    """Give a workspace a name; its folder keeps its own."""
    name = _clean(body.display_name)
    async with context.registry.changing:
        old = context.registry.named(target_id)
        planned = old.renamed(name)
        persisted = await asyncio.to_thread(context.config_store.rename, planned)
        context.registry.rename(target_id, name)
    await _record(
        context, actor, planned, "workspace.rename", f"Renamed {old.name} to {planned.name}"
    )
    return _listing(context, persisted=persisted)


@router.post("/workspaces/{workspace_id}/activate", summary="Make a workspace the active one")
@access(HOST, answers="ActiveWorkspace", raises=(422,))
async def activate(
    context: Context,
    actor: Caller,
    workspace_id: str,
    body: Activation | None = None,
    *,
    persist: bool = False,
) -> dict[str, Any]:
    """Make a workspace the active one until the server ends; with ``persist`` also after that."""
    persisted = False
    async with context.registry.changing:
        workspace = context.registry.get(workspace_id)
        if persist or (body is not None and body.persist):
            require_writable(read_only=context.settings.read_only)
            persisted = await asyncio.to_thread(context.config_store.activate, workspace)
        context.registry.activate(workspace_id)
    await _record(
        context, actor, workspace, "workspace.activate",
        f"Made {workspace.name} the active workspace",
    )  # fmt: skip
    return {"activeId": workspace.id, "workspace": workspace.to_json(), "persisted": persisted}


@router.delete("/workspaces/{target_id}", summary="Stop serving a workspace")
@access(HOST_CHANGE, answers="DeletedWorkspace", raises=(404, 422))
async def delete(context: Context, actor: Caller, target_id: str) -> dict[str, Any]:
    """Serve a workspace no more. Its folder stays; its streams end, what waits is denied."""
    async with context.registry.changing:
        gone = context.registry.named(target_id)
        persisted = await asyncio.to_thread(context.config_store.remove, gone)
        context.registry.remove(target_id)
    _deny_waiting(context, target_id)
    await _record(context, actor, gone, "workspace.delete", f"Removed {gone.name}")
    return {
        "ok": True,
        "deleted": True,
        "persisted": persisted,
        "activeId": context.registry.active_id,
        "items": context.registry.to_json(),
    }


def _clean(name: str | None) -> str | None:
    """The name, trimmed; None when there is nothing of it."""
    if name is not None and _UNPRINTABLE.search(name):
        raise OpenWorkError("invalid_payload", "A name has no control characters.", status=400)
    return (name or "").strip() or None


def _lay_out(folder: Path, preset: Preset, name: str) -> WorkspaceRoot:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OpenWorkError(
            "workspace_unusable",
            f"{folder} cannot be made: {error.strerror or error}.",
            hint="Choose a folder in a place that is yours.",
            status=400,
        ) from error
    root = WorkspaceRoot(folder)
    if root.path != folder:  # a link was put there meanwhile
        raise refused(str(folder), f"it leads to {root.path}")
    presets.lay_out(root, preset, name)
    return root


def _served(
    context: ServerContext, root: WorkspaceRoot, preset: Preset, name: str | None
) -> Workspace:
    """The workspace of a folder; one that is served already keeps its engine and its name."""
    key = id_of(root.path)
    known = next((each for each in context.registry.all() if each.id == key), None)
    if known is not None:
        return known if name is None else replace(known, name=name, display_name=name)
    engine = context.settings.engine_for(root.path)
    gone = context.registry.unavailable(key)
    if gone is not None:  # its folder was missing until now
        shown, given = name or gone.name, name or gone.display_name
        return Workspace(key, shown, root, gone.engine or engine, given, preset)
    return Workspace(key, name or root.path.name, root, engine, name, preset)


def _deny_waiting(context: ServerContext, workspace_id: str) -> None:
    for request in context.approvals.list(workspace_id):
        try:
            context.approvals.reply(request.id, allow=False)
        except OpenWorkError as error:
            if error.code != "approval_not_found":  # answered a moment ago
                raise


async def _record(
    context: ServerContext, actor: Caller, workspace: Named, action: str, summary: str
) -> None:
    await context.audit.append(
        AuditRecord(workspace.id, actor, action, str(workspace.path), summary)
    )


def _listing(context: ServerContext, *, persisted: bool) -> dict[str, Any]:
    return {
        "activeId": context.registry.active_id,
        "workspaces": context.registry.to_json(),
        "persisted": persisted,
    }
