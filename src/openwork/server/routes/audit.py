"""Who changed what, newest first."""

from __future__ import annotations

from typing import Any

from openwork.server.access import CLIENT, Context, Target, access, guarded_router

router = guarded_router("audit")

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200


@router.get("/workspace/{workspace_id}/audit")
@access(CLIENT)
async def read_audit(context: Context, workspace: Target, limit: str = "") -> dict[str, Any]:
    """``{items}``: at most ``limit`` entries (default 50, at most 200; anything else means 50)."""
    wanted = int(limit) if limit.isdecimal() and int(limit) > 0 else DEFAULT_LIMIT
    return {"items": await context.audit.tail(workspace.id, min(wanted, LARGEST_LIMIT))}
