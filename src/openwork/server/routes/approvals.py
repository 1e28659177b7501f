"""Changes that wait for the host."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from openwork.server.access import HOST, Caller, Context, Mount, access, guarded_router
from openwork.server.sse import DOCUMENTED, EventStream
from openwork.server.wire import WireModel

router = guarded_router("approvals")


class ApprovalReply(WireModel):
    """``POST /approvals/{id}``: ``allow`` allows, whatever else denies."""

    reply: Any = Field(default=None, json_schema_extra={"examples": ["allow", "deny"]})


@router.get("/approvals", summary="List changes that wait for approval")
@access(HOST, answers="WaitingChanges")
async def list_approvals(context: Context, mount: Mount) -> dict[str, Any]:
    """What waits, oldest first; under a mount, of that workspace."""
    items = [context.approvals.describe(each) for each in context.approvals.list(mount)]
    return {"items": items}


@router.get(
    "/approvals/stream",
    response_class=EventStream,
    responses=DOCUMENTED,
    status_code=200,
    summary="Follow changes that wait for approval",
)
@access(HOST)
async def stream_approvals(context: Context, actor: Caller, mount: Mount) -> EventStream:
    """The same as server-sent events: ``list`` {items} first, then ``added`` and ``resolved``."""
    return context.event_streams.response(context.approvals.follow(mount), actor, mount or "")


@router.post("/approvals/{approval_id}", summary="Allow or deny a waiting change")
@access(HOST, answers="ApprovalAnswer", raises=(404,))
async def reply_approval(
    context: Context, actor: Caller, approval_id: str, body: ApprovalReply
) -> dict[str, bool]:
    """Allow or deny a waiting change."""
    allowed = body.reply == "allow"
    context.approvals.reply(approval_id, allow=allowed, by=actor)
    return {"ok": True, "allowed": allowed}
