"""Make the engine read a workspace's configuration again."""

from __future__ import annotations

import time
from typing import Any

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.server.access import (
    COLLABORATOR,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)

router = guarded_router("engine")


@router.post("/workspace/{workspace_id}/engine/reload")
@access(COLLABORATOR)
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
