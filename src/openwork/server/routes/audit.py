"""Who changed what, newest first."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from openwork.server.access import CLIENT, HOST, Context, Target, access, guarded_router
from openwork.server.audit import SERVER_LOG
from openwork.server.audit_export import MEDIA_TYPES, ExportFormat, export
from openwork.server.audit_pages import AuditFilter

router = guarded_router("audit")

_TEXT = {"schema": {"type": "string"}}
EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The log as a file.",
        "content": {"application/x-ndjson": _TEXT, "text/csv": _TEXT},
    }
}
DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
LARGEST_DIGITS = 9

FilterText = Annotated[str, Query(max_length=200)]


@router.get("/audit", summary="Read the audit log of the server")
@access(HOST, answers="AuditPage", raises=(400,))
async def read_server_audit(
    context: Context,
    limit: str = "",
    before: FilterText = "",
    action: FilterText = "",
    actor: FilterText = "",
) -> dict[str, Any]:
    """What concerns the server and no workspace: tokens issued and revoked. Queries as below."""
    wanted = AuditFilter(action, actor)
    return (await context.audit.page(SERVER_LOG, _limit(limit), wanted, before)).to_json()


@router.get("/workspace/{workspace_id}/audit", summary="Read the audit log of a workspace")
@access(CLIENT, answers="AuditPage", raises=(400,))
async def read_audit(
    context: Context,
    workspace: Target,
    limit: str = "",
    before: FilterText = "",
    action: FilterText = "",
    actor: FilterText = "",
) -> dict[str, Any]:
    """``{items, nextBefore?}``: at most ``limit`` entries (default 50, at most 200; junk is 50).

    ``before`` is an entry's id, a time in milliseconds or a page's ``nextBefore``; ``action`` one
    action, or ``config.*``; ``actor`` a client id, a scope, or 6 digits or more of a token's hash.
    """
    wanted = AuditFilter(action, actor)
    page = await context.audit.page(workspace.id, _limit(limit), wanted, before)
    return page.to_json()


@router.get("/workspace/{workspace_id}/audit/verify", summary="Verify the chain of the audit log")
@access(CLIENT, answers="AuditVerdict")
async def verify_audit(context: Context, workspace: Target) -> dict[str, Any]:
    """``{ok, entries, legacy, torn, head, firstBad?: {line, reason}}``: is it as it was written?

    ``legacy`` counts entries of a server before this one: they are as the first entry found them.
    """
    return (await context.audit.verify(workspace.id)).to_json()


@router.get(
    "/workspace/{workspace_id}/audit/export",
    response_class=StreamingResponse,
    responses=EXPORTED,
    summary="Export the audit log as a file",
)
@access(CLIENT, raises=(400,))
async def export_audit(
    context: Context,
    workspace: Target,
    format: ExportFormat = "jsonl",  # noqa: A002  # the query's name
    before: Annotated[
        int | None, Query(ge=0, le=10**15, description="Only entries before this time, in ms.")
    ] = None,
    action: FilterText = "",
    actor: FilterText = "",
) -> StreamingResponse:
    """The log, oldest first, as JSON lines or CSV; ``before`` is a time in milliseconds."""
    entries = context.audit.entries(workspace.id, await context.audit.size(workspace.id))
    name = f"audit-{workspace.id}.{format}"
    return StreamingResponse(
        export(entries, AuditFilter(action, actor, before), format),
        media_type=MEDIA_TYPES[format],
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= LARGEST_DIGITS:
        return DEFAULT_LIMIT
    return min(int(text) or DEFAULT_LIMIT, LARGEST_LIMIT)
