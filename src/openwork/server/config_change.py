"""One change of a workspace's engine configuration, through the gate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openwork.server.scope import Scope
from openwork.workspace import config
from openwork.workspace.untrusted_config import refuse_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace
    from openwork.server.reload_events import Reason, ReloadTrigger


async def change_config(
    context: ServerContext,
    actor: Actor,
    workspace: Workspace,
    edit: Callable[[str], str],
    *,
    action: str,
    summary: str,
    reload: tuple[Reason, ReloadTrigger],
    detail: str = "",
) -> None:
    """Edit ``opencode.json(c)`` when the gate lets it through.

    What is wrong with the edit or the file is told before anybody is asked. An edit that changes
    nothing is recorded, but the engine need not read anything again.

    Args:
        context: The server.
        actor: Who wants it.
        workspace: Where.
        edit: As ``config.plan_edit``; done once more when it is allowed.
        action: For the audit log.
        summary: For the person who approves.
        reload: The event when the text changes; its path is filled in.
        detail: For the person who approves, see ``Gate.change``.

    Raises:
        OpenWorkError: As ``config.plan_edit``, ``Gate.change`` and, below owner,
            ``refuse_untrusted``.
    """
    planned = await asyncio.to_thread(_plan, actor, workspace, edit)
    reload[1].path = planned.path.relative
    async with context.gate.change(
        actor,
        workspace,
        action=action,
        summary=summary,
        paths=[planned.path.absolute],
        reload=reload if planned.new != planned.old else None,
        detail=detail,
    ):
        await asyncio.to_thread(lambda: config.apply([_plan(actor, workspace, edit)]))


def _plan(actor: Actor, workspace: Workspace, edit: Callable[[str], str]) -> config.PlannedWrite:
    planned = config.plan_edit(workspace.root, edit)
    if actor.scope < Scope.OWNER and planned.new is not None:
        name = str(planned.path)
        old = {} if planned.old is None else config.parse_config(planned.old, name)
        refuse_untrusted(config.parse_config(planned.new, name), old, name="opencode")
    return planned
