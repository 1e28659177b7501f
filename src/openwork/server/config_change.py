"""One change of a workspace's engine configuration, through the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.workspace import config

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
        edit: As ``config.edit_config``; done once more when it is allowed.
        action: For the audit log.
        summary: For the person who approves.
        reload: The event when the text changes.
        detail: For the person who approves, see ``Gate.change``.

    Raises:
        OpenWorkError: As ``config.edit_config`` and ``Gate.change``.
    """
    planned = config.plan_edit(workspace.root, edit)
    async with context.gate.change(
        actor,
        workspace,
        action=action,
        summary=summary,
        paths=[planned.path.absolute],
        reload=reload if planned.new != planned.old else None,
        detail=detail,
    ):
        config.edit_config(workspace.root, edit)
