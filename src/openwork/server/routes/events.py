"""Reload events: what the engine should read again."""

from __future__ import annotations

from typing import Any

from openwork.server.access import CLIENT, Context, Target, access, guarded_router

router = guarded_router("events")


@router.get("/workspace/{workspace_id}/events")
@access(CLIENT)
async def read_events(context: Context, workspace: Target, since: str = "0") -> dict[str, Any]:
    """``{items, cursor, workspaceId, disabled}``: the kept events after number ``since``."""
    after = int(since) if since.isdecimal() else 0
    return {
        "items": context.reload_events.since(workspace.id, after),
        "cursor": context.reload_events.cursor,
        "workspaceId": workspace.id,
        "disabled": False,
    }
