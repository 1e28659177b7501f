"""Markdown files, read and saved as text."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from openwork.server.access import (
    CLIENT,
    READS_FILES,
    Access,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.scope import Scope
from openwork.server.shown import shown
from openwork.server.wire import WireModel
from openwork.workspace.text_files import TextWrite, check_write, read_text, write_text

router = guarded_router("files")

# The longest text (5 MB) with every second character escaped.
SAVE = Access("client", Scope.COLLABORATOR, writes=True, body_limit_bytes=12_000_000)


class ContentWrite(WireModel):
    """``POST /workspace/{id}/files/content``."""

    path: str
    content: str
    base_updated_at: float | None = Field(default=None, allow_inf_nan=False)
    force: bool = False


@router.get("/workspace/{workspace_id}/files/content", summary="Read a Markdown file as text")
@access(CLIENT, answers="TextFile", raises=READS_FILES)
async def read_content(actor: Caller, workspace: Target, path: str = "") -> dict[str, Any]:
    """``{path, content, bytes, updatedAt}`` of a Markdown file."""
    private = actor.scope >= Scope.OWNER
    return (await asyncio.to_thread(read_text, workspace.root, path, private=private)).to_json()


@router.post("/workspace/{workspace_id}/files/content", summary="Save a Markdown file as text")
@access(SAVE, answers="TextWritten", raises=(409,))
async def write_content(
    context: Context, actor: Caller, workspace: Target, body: ContentWrite
) -> dict[str, Any]:
    """Save a Markdown file: ``{ok, path, bytes, updatedAt, revision}``.

    ``baseUpdatedAt`` is the ``updatedAt`` of the version that was edited: when the file has changed
    since, the answer is 409 ``conflict``, unless ``force``.
    """
    write = TextWrite(
        body.path,
        body.content,
        body.base_updated_at,
        body.force,
        private=actor.scope >= Scope.OWNER,
    )
    place = await asyncio.to_thread(check_write, workspace.root, write)
    files = context.files.of(workspace)
    async with context.gate.change(
        actor,
        workspace,
        action="workspace.file.write",
        summary=f"Write {place.relative}",
        detail=shown(body.content),
        paths=[place.absolute],
    ):
        written = await asyncio.to_thread(write_text, workspace.root, write)
        files.events.record("write", written.path, revision=written.stat.revision)
        await asyncio.to_thread(files.changed, [written.path])
    return written.to_json()
