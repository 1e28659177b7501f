"""A workspace's configuration: the engine's and ours."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from openwork.common.errors import OpenWorkError
from openwork.server.access import (
    CHANGE,
    CLIENT,
    READS_FILES,
    WRITES_FILES,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.any_json import AnyJson
from openwork.server.imports import journal_of
from openwork.server.reload_events import ReloadTrigger
from openwork.server.scope import Scope
from openwork.server.shown import shown
from openwork.server.wire import WireModel
from openwork.workspace import config, transaction
from openwork.workspace.hidden_values import restore_hidden
from openwork.workspace.transaction import FileChange
from openwork.workspace.untrusted_config import refuse_untrusted

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.server.auth import Actor
    from openwork.server.registry import Workspace
    from openwork.workspace.jsonc import JsonValue

router = guarded_router("config")


class ConfigPatch(WireModel):
    """``PATCH /workspace/{id}/config``: top-level keys to replace in each file."""

    opencode: dict[str, Any] | None = None
    openwork: dict[str, Any] | None = None


@router.get(
    "/workspace/{workspace_id}/config",
    response_class=AnyJson,
    summary="Read a workspace's configuration",
)
@access(CLIENT, answers="ConfigFiles", raises=READS_FILES)
async def read_config(context: Context, actor: Caller, workspace: Target) -> Response:
    """``{opencode, openwork, updatedAt}``: both files parsed; when the workspace last changed.

    Below owner every secret is ``***``.
    """
    newest = await context.audit.tail(workspace.id, 1)
    both = await context.config_answers.read(workspace, hide=actor.scope < Scope.OWNER)
    updated_at = json.dumps(newest[0]["timestamp"] if newest else None).encode()
    return Response(
        both.removesuffix(b"}") + b',"updatedAt":' + updated_at + b"}",
        media_type="application/json",
    )


@router.patch("/workspace/{workspace_id}/config", summary="Change a workspace's configuration")
@access(CHANGE, answers="ConfigChanged", raises=WRITES_FILES)
async def patch_config(
    context: Context, actor: Caller, workspace: Target, body: ConfigPatch
) -> dict[str, Any]:
    """Change top-level keys in place; comments and formatting stay.

    A ``***`` that comes back unchanged means the secret it stood for in the answer to GET.
    """
    if not body.opencode and not body.openwork:
        raise OpenWorkError(
            "invalid_payload", "Nothing to change: give opencode or openwork.", status=400
        )
    writes = await asyncio.to_thread(_plan, workspace, actor, body)
    planned = [each.path for each in writes] or [config.find_config(workspace.root)[0]]
    names = ", ".join(sorted({*(body.opencode or {}), *(body.openwork or {})}))
    trigger = ReloadTrigger("config", action="updated", path=planned[0].relative)
    async with context.gate.change(
        actor,
        workspace,
        action="config.patch",
        summary=f"Change configuration: {names}",
        paths=[path.absolute for path in planned],
        reload=("config", trigger) if body.opencode else None,
        detail=shown(body.model_dump(exclude_none=True)),
    ) as change:
        await context.interrupted.undo(workspace)
        # The files may have changed while the approval was waited for.
        await asyncio.to_thread(
            _apply, workspace, actor, body, journal_of(context.settings.data_dir, workspace)
        )
    return {"updatedAt": change.recorded_at_ms}


def _plan(workspace: Workspace, actor: Actor, body: ConfigPatch) -> list[config.PlannedWrite]:
    root = workspace.root
    opencode = body.opencode and _with_secrets(
        actor, body.opencode, config.read_config(root), "opencode"
    )
    openwork = body.openwork and _with_secrets(
        actor, body.openwork, config.read_openwork(root), "openwork"
    )
    return config.plan(root, opencode=opencode, openwork=openwork)


def _apply(workspace: Workspace, actor: Actor, body: ConfigPatch, journal: Path) -> None:
    changes = [_as_change(each) for each in _plan(workspace, actor, body)]
    transaction.apply(workspace.root, changes, journal)


def _as_change(write: config.PlannedWrite) -> FileChange:
    old = None if write.old is None else write.path.read(max_bytes=config.MAX_CONFIG_BYTES)
    return FileChange(write.path, old, write.new)


def _with_secrets(
    actor: Actor, patch: dict[str, Any], current: dict[str, JsonValue], name: str
) -> dict[str, JsonValue]:
    restored = restore_hidden(patch, current, name=name)
    if actor.scope < Scope.OWNER:
        refuse_untrusted({**current, **restored}, current, name=name)
    return restored
