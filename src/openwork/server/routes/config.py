"""A workspace's configuration: the engine's and ours."""

from __future__ import annotations

from typing import Any

from openwork.common.errors import OpenWorkError
from openwork.server.access import CHANGE, CLIENT, Caller, Context, Target, access, guarded_router
from openwork.server.reload_events import ReloadTrigger
from openwork.server.wire import WireModel
from openwork.workspace import config

router = guarded_router("config")


class ConfigPatch(WireModel):
    """``PATCH /workspace/{id}/config``: top-level keys to replace in each file."""

    opencode: dict[str, Any] | None = None
    openwork: dict[str, Any] | None = None


@router.get("/workspace/{workspace_id}/config")
@access(CLIENT)
async def read_config(context: Context, workspace: Target) -> dict[str, Any]:
    """``{opencode, openwork, updatedAt}``: both files parsed; when the workspace last changed."""
    newest = await context.audit.tail(workspace.id, 1)
    return {
        "opencode": config.read_config(workspace.root),
        "openwork": config.read_openwork(workspace.root),
        "updatedAt": newest[0]["timestamp"] if newest else None,
    }


@router.patch("/workspace/{workspace_id}/config")
@access(CHANGE)
async def patch_config(
    context: Context, actor: Caller, workspace: Target, body: ConfigPatch
) -> dict[str, Any]:
    """Change top-level keys in place; comments and formatting stay."""
    if not body.opencode and not body.openwork:
        raise OpenWorkError(
            "invalid_payload", "Nothing to change: give opencode or openwork.", status=400
        )
    root = workspace.root
    planned = config.plan(root, opencode=body.opencode, openwork=body.openwork)
    paths = [each.path.absolute for each in planned] or [config.find_config(root)[0].absolute]
    names = ", ".join(sorted({*(body.opencode or {}), *(body.openwork or {})}))
    trigger = ReloadTrigger("config", action="updated", path=paths[0].name)
    async with context.gate.change(
        actor,
        workspace,
        action="config.patch",
        summary=f"Change configuration: {names}",
        paths=paths,
        reload=("config", trigger) if body.opencode else None,
    ) as change:
        # The files may have changed while the approval was waited for.
        config.apply(config.plan(root, opencode=body.opencode, openwork=body.openwork))
    return {"updatedAt": change.recorded_at_ms}
