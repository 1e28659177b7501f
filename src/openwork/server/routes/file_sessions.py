"""File sessions: made, renewed and ended; the catalog of the files and their changes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.responses import Response

from openwork.server.access import CLIENT, Caller, Context, Target, access, guarded_router
from openwork.server.file_session import (  # noqa: TC001  # FastAPI reads them
    InSession,
    SessionTarget,
)
from openwork.server.query import switch, whole_number
from openwork.server.scope import Scope
from openwork.server.wire import Ok, WireModel
from openwork.workspace.catalog import DEFAULT_LIMIT, CatalogQuery
from openwork.workspace.file_events import now_ms

if TYPE_CHECKING:
    from openwork.server.files import WorkspaceFiles

router = guarded_router("files")


class NewFileSession(WireModel):
    """``POST /workspace/{id}/files/sessions``; the time is brought into 30 s to 24 h."""

    ttl_seconds: float | None = Field(default=None, allow_inf_nan=False)
    write: bool = True


class Renewal(WireModel):
    """``POST /files/sessions/{id}/renew``."""

    ttl_seconds: float | None = Field(default=None, allow_inf_nan=False)


@router.post(
    "/workspace/{workspace_id}/files/sessions", summary="Begin a file session in a workspace"
)
@access(CLIENT, answers="FileSessionAnswer")
async def create_session(
    context: Context, actor: Caller, workspace: Target, body: NewFileSession
) -> dict[str, Any]:
    """``{session}``; without ``canWrite`` for viewers, on a read-only server, or when declined."""
    may_write = actor.scope >= Scope.COLLABORATOR and not context.settings.read_only
    session = context.files.sessions.create(
        workspace.id,
        actor.token_hash,
        can_write=body.write and may_write,
        ttl_s=body.ttl_seconds,
    )
    await context.files.tidy()
    return context.files.sessions.wire(session)


@router.post("/files/sessions/{session_id}/renew", summary="Make a file session last longer")
@access(CLIENT, answers="FileSessionAnswer")
async def renew_session(
    context: Context, actor: Caller, target: InSession, body: Renewal
) -> dict[str, Any]:
    """``{session}``, which ends so much time from now."""
    sessions = context.files.sessions
    return sessions.wire(
        sessions.renew(target.session.id, actor.token_hash, ttl_s=body.ttl_seconds)
    )


@router.delete("/files/sessions/{session_id}", summary="End a file session")
@access(CLIENT, answers="Ok")
async def close_session(context: Context, actor: Caller, target: InSession) -> Ok:
    """End it."""
    context.files.sessions.close(target.session.id, actor.token_hash)
    await context.files.tidy()
    return Ok()


@router.get(
    "/files/sessions/{session_id}/catalog/snapshot",
    response_class=JSONResponse,
    summary="List files and folders page by page",
)
@access(CLIENT, answers="CatalogSnapshot", raises=(400,))
async def read_catalog(
    context: Context,
    target: InSession,
    prefix: str = "",
    after: str = "",
    limit: str = "",
    includeDirs: str = "",  # noqa: N803  # the query's name
    includeIgnored: str = "",  # noqa: N803  # the query's name
) -> Response:
    """One page of the files and folders, sorted by path.

    ``{sessionId, workspaceId, generatedAt, cursor, total, truncated, nextAfter?, items: [{path,
    kind, size, mtimeMs, revision}]}``. ``limit`` is 2,000 by default and at most 10,000. ``.git``
    and ``node_modules`` are left out unless ``includeIgnored=true``; symbolic links always.
    """
    query = CatalogQuery.of(
        prefix,
        after,
        whole_number(limit, DEFAULT_LIMIT),
        include_dirs=switch(includeDirs, default=True),
        include_ignored=switch(includeIgnored, default=False),
    )
    files = context.files.of(target.workspace)
    async with files.listing:
        body = await asyncio.to_thread(_snapshot, target, files, query)
    return Response(body, media_type="application/json")


def _snapshot(target: SessionTarget, files: WorkspaceFiles, query: CatalogQuery) -> bytes:
    # The cursor is read first: what changes meanwhile is told as an event too, never missed.
    body: dict[str, Any] = {
        "sessionId": target.session.id,
        "workspaceId": target.workspace.id,
        "generatedAt": now_ms(),
        "cursor": files.events.cursor,
    }
    return json.dumps(body | files.catalog.page(query).to_json()).encode()


@router.get(
    "/files/sessions/{session_id}/catalog/events", summary="List changes of files since a number"
)
@access(CLIENT, answers="FileChanges")
async def read_file_events(context: Context, target: InSession, since: str = "") -> dict[str, Any]:
    """``{items, cursor}``: what was changed through this server after number ``since``.

    ``missed: true`` says that some of it is kept no more: read the catalog again.
    """
    return context.files.of(target.workspace).events.since(whole_number(since, 0)).to_json()
