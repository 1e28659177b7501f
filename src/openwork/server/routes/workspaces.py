"""Choose the active workspace. Listing is beside status; the rest comes with the API."""

from __future__ import annotations

from typing import Any

from openwork.server.access import HOST, Caller, Context, access, guarded_router
from openwork.server.audit import AuditRecord

router = guarded_router("workspaces")


@router.post("/workspaces/{workspace_id}/activate")
@access(HOST)
async def activate(context: Context, actor: Caller, workspace_id: str) -> dict[str, Any]:
    """Make a workspace the active one until the server ends."""
    workspace = context.registry.activate(workspace_id)
    await context.audit.append(
        AuditRecord(
            workspace.id,
            actor,
            "workspace.activate",
            str(workspace.path),
            f"Made {workspace.name} the active workspace",
        )
    )
    return {"activeId": workspace.id, "workspace": workspace.to_json()}
