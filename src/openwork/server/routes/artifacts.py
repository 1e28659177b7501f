"""Artifacts: the files an agent hands to people, in the workspace's outbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from openwork.server.access import (
    CLIENT,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.downloads import DOCUMENTED, Download
from openwork.server.scope import Scope
from openwork.workspace.artifacts import outbox

if TYPE_CHECKING:
    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace
    from openwork.workspace.artifacts import HandOver

router = guarded_router("artifacts")


@router.get("/workspace/{workspace_id}/artifacts", summary="List the files an agent handed over")
@access(CLIENT, answers="Artifacts", raises=(400,))
async def list_artifacts(context: Context, workspace: Target) -> dict[str, Any]:
    """``{items: [{id, path, size, updatedAt}]}``, newest first; empty when switched off.

    At most 2,000 items; ``truncated: true`` says that there are more.
    """
    async with context.files.of(workspace).listing:
        return (await asyncio.to_thread(_outbox(context, workspace).list)).to_json()


@router.head("/workspace/{workspace_id}/artifacts/{artifact_id}", include_in_schema=False)
@router.get(
    "/workspace/{workspace_id}/artifacts/{artifact_id}",
    response_class=Response,
    responses=DOCUMENTED,
    summary="Download a file an agent handed over",
)
@access(CLIENT, raises=(400, 416))
async def read_artifact(
    context: Context, actor: Caller, workspace: Target, artifact_id: str
) -> Download:
    """The bytes of one file; of these one ``Range``, when the request has such a header."""
    files = _outbox(context, workspace)
    opening = files.opened(artifact_id, private=actor.scope >= Scope.OWNER)
    following = context.downloads.opened(actor.token_hash, workspace.id)
    return Download(opening, files.decode(artifact_id).name, following)


def _outbox(context: ServerContext, workspace: Workspace) -> HandOver:
    return outbox(workspace.root, enabled=context.settings.outbox_enabled)
