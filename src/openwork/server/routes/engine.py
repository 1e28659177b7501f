"""The engine reads a workspace's configuration again: it is made to, or it was restarted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pydantic import Field

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.server.access import (
    ASKS_ENGINE,
    COLLABORATOR,
    HOST,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.wire import WireModel

if TYPE_CHECKING:
    from openwork.server.registry import Workspace

router = guarded_router("engine")

LONGEST_ADDRESS = 2_000


class RestartedEngine(WireModel):
    """``POST /engine/restarted``: the address of the engine."""

    base_url: str = Field(max_length=LONGEST_ADDRESS)


@router.post(
    "/workspace/{workspace_id}/engine/reload", summary="Make the engine reload its settings"
)
@access(COLLABORATOR, answers="EngineReloaded", raises=(*ASKS_ENGINE, 503))
async def reload_engine(context: Context, actor: Caller, workspace: Target) -> dict[str, Any]:
    """Dispose the engine's instance of the workspace; it is made afresh on the next request."""
    from openwork.engine.client import EngineClient  # noqa: PLC0415  # loads aiohttp: 15 MB

    engine = workspace.engine
    if engine is None:
        raise OpenWorkError("opencode_unconfigured", "This workspace has no engine.", status=400)
    headers = {"Authorization": basic_auth(engine.username, engine.password)}
    async with (
        context.gate.change(
            actor,
            workspace,
            action="engine.reload",
            summary="Reload the engine (running tasks are interrupted)",
            paths=[workspace.path],
            writes=False,
        ),
        EngineClient(engine.base_url, headers=headers, directory=engine.directory) as client,
    ):
        try:
            await client.dispose()
        except OpenWorkError as error:
            raise OpenWorkError(
                "opencode_reload_failed",
                error.message,
                hint=error.hint,
                status=502,
                details=error.details,
            ) from error
    reloaded_at_ms = time.time_ns() // 1_000_000
    context.reload_events.engine_reloaded(workspace.id, reloaded_at_ms)
    return {"ok": True, "reloadedAt": reloaded_at_ms}


@router.post("/engine/restarted", summary="Tell that the engine was restarted")
@access(HOST, answers="EngineRestarted")
async def engine_restarted(context: Context, body: RestartedEngine) -> dict[str, Any]:
    """Whoever runs the engine started it again: clients learn of it as of a reload.

    ``{ok, workspaceIds, reloadedAt}``: the workspaces that this engine works for.
    """
    reloaded_at_ms = time.time_ns() // 1_000_000
    base_url = body.base_url.rstrip("/")
    told = [each.id for each in context.registry.all() if _is_of(each, base_url)]
    for workspace_id in told:
        context.reload_events.engine_reloaded(workspace_id, reloaded_at_ms)
    return {"ok": True, "workspaceIds": told, "reloadedAt": reloaded_at_ms}


def _is_of(workspace: Workspace, base_url: str) -> bool:
    return workspace.engine is not None and workspace.engine.base_url == base_url
