"""Reload events: what the engine should read again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header

from openwork.server.access import CLIENT, Caller, Context, Target, access, guarded_router
from openwork.server.reload_events import event_number
from openwork.server.sse import DOCUMENTED, EventStream

router = guarded_router("events")


@router.get("/workspace/{workspace_id}/events", summary="List reload events")
@access(CLIENT, answers="ReloadEventList")
async def read_events(context: Context, workspace: Target, since: str = "") -> dict[str, Any]:
    """``{items, cursor, workspaceId, disabled, lastReloadAt}``: events after number ``since``."""
    return {
        "items": context.reload_events.since(workspace.id, event_number(since) or 0),
        "cursor": context.reload_events.cursor,
        "workspaceId": workspace.id,
        "disabled": False,
        "lastReloadAt": context.reload_events.last_reload_at_ms(workspace.id),
    }


@router.get(
    "/workspace/{workspace_id}/events/stream",
    response_class=EventStream,
    responses=DOCUMENTED,
    status_code=200,
    summary="Follow reload events as they come",
)
@access(CLIENT)
async def stream_events(
    context: Context,
    actor: Caller,
    workspace: Target,
    since: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> EventStream:
    """The same as server-sent events, from ``Last-Event-ID``, ``since``, or from now on.

    ``engine.reloaded`` {workspaceId, reloadedAt}: the engine has read everything again;
    ``missed`` {workspaceId}: events are gone, look at everything again.
    """
    after = event_number(last_event_id)
    if after is None:
        after = event_number(since)
    if after is None:
        after = context.reload_events.cursor
    events = context.reload_events.follow(workspace.id, after)
    return context.event_streams.response(events, actor, workspace.id)
