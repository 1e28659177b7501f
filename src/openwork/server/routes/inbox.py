"""The inbox: people upload files for the agent."""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fastapi import Request  # noqa: TC002  # FastAPI reads it
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from openwork.common.errors import OpenWorkError
from openwork.common.files import ensure_private_dir
from openwork.server.access import (
    CLIENT,
    Access,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.downloads import DOCUMENTED, Download
from openwork.server.multipart import MAX_OVERHEAD_BYTES, UploadForm
from openwork.server.scope import Scope
from openwork.workspace import inbox

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace
    from openwork.workspace.artifacts import HandOver

router = guarded_router("inbox")

# The server's own, often lower limit is checked while the upload arrives.
UPLOAD = Access(
    "client",
    Scope.COLLABORATOR,
    writes=True,
    body_limit_bytes=inbox.LARGEST_MAX_BYTES + MAX_OVERHEAD_BYTES,
    streams_body=True,
)
PIECE_BYTES = 256 * 1024
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "path": {"type": "string", "description": "Where to, below the inbox."},
                    },
                }
            }
        },
    }
}


@router.get("/workspace/{workspace_id}/inbox", summary="List the files in the inbox")
@access(CLIENT, answers="InboxItems", raises=(400,))
async def list_inbox(context: Context, workspace: Target) -> dict[str, Any]:
    """``{items: [{id, path, name, size, updatedAt}]}``, newest first; empty when switched off.

    At most 2,000 items; ``truncated: true`` says that there are more.
    """
    async with context.files.of(workspace).listing:
        return (await asyncio.to_thread(_inbox(context, workspace).list)).to_json()


@router.head("/workspace/{workspace_id}/inbox/{item_id}", include_in_schema=False)
@router.get(
    "/workspace/{workspace_id}/inbox/{item_id}",
    response_class=Response,
    responses=DOCUMENTED,
    summary="Download a file from the inbox",
)
@access(CLIENT, raises=(400, 416))
async def read_inbox_item(
    context: Context, actor: Caller, workspace: Target, item_id: str
) -> Download:
    """The bytes of one file; of these one ``Range``, when the request has such a header."""
    files = _inbox(context, workspace)
    opening = files.opened(item_id, private=actor.scope >= Scope.OWNER)
    following = context.downloads.opened(actor.token_hash, workspace.id)
    return Download(opening, files.decode(item_id).name, following)


@router.post(
    "/workspace/{workspace_id}/inbox", openapi_extra=FORM, summary="Upload a file to the inbox"
)
@access(UPLOAD, answers="Uploaded", raises=(409,))
async def upload(
    context: Context, actor: Caller, workspace: Target, request: Request, path: str = ""
) -> dict[str, Any]:
    """Put a file into the inbox: ``{ok, path, bytes}``.

    It goes to ``?path=``, else to the form's field ``path``, else under the file's own name. Until
    it has arrived whole and is approved, it has no name in any folder.
    """
    files = _inbox(context, workspace)
    private = actor.scope >= Scope.OWNER
    if path.strip():
        await asyncio.to_thread(inbox.destination, files, path, private=private)
    files.require_enabled()
    with await asyncio.to_thread(_unnamed_file, context.settings.data_dir) as spool:
        form = await _receive(request, spool, context.settings.inbox_max_bytes)
        given = (path, form.fields.get("path"), form.file_name)
        place = await asyncio.to_thread(inbox.destination, files, *given, private=private)
        async with context.gate.change(
            actor,
            workspace,
            action="workspace.inbox.upload",
            summary=f"Upload {place.name} ({form.size:,} bytes) to the inbox",
            paths=[place.absolute],
        ):
            spool.seek(0)
            uploaded = await asyncio.to_thread(inbox.keep, files, place, spool)
            await asyncio.to_thread(context.files.of(workspace).changed, [place.relative])
    return uploaded.to_json()


def _inbox(context: ServerContext, workspace: Workspace) -> HandOver:
    return inbox.inbox(workspace.root, enabled=context.settings.inbox_enabled)


def _unnamed_file(data_dir: Path) -> BinaryIO:
    """A file that goes with its descriptor, however this process ends; not in a memory disk."""
    return cast("BinaryIO", tempfile.TemporaryFile(dir=ensure_private_dir(data_dir)))


async def _receive(request: Request, spool: BinaryIO, max_bytes: int) -> UploadForm:
    """The form of an upload, its file in ``spool``.

    Raises:
        OpenWorkError: ``invalid_payload`` 400, ``file_required`` 400, ``file_too_large`` 413.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit():
        inbox.require_fits(int(declared) - MAX_OVERHEAD_BYTES, max_bytes)
    form = UploadForm(
        request.headers.get("content-type", ""),
        spool,
        lambda size: inbox.require_fits(size, max_bytes),
    )
    piece = bytearray()
    try:
        async for chunk in request.stream():
            piece += chunk
            if len(piece) >= PIECE_BYTES:
                await asyncio.to_thread(form.feed, bytes(piece))
                piece.clear()
        await asyncio.to_thread(form.feed, bytes(piece))
    except ClientDisconnect as error:
        raise OpenWorkError(
            "upload_broken_off", "The client left before its upload was whole.", status=400
        ) from error
    except OSError as error:
        raise OpenWorkError(
            "upload_failed",
            f"The upload cannot be kept: {error.strerror}.",
            hint="Make room on the server's disk.",
            status=500,
        ) from error
    form.finish()
    return form
