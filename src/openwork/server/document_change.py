"""One change of a skill, a command or an agent, through the gate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openwork.server.reload_events import ReloadTrigger
from openwork.server.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace
    from openwork.workspace.documents import PlannedDocument, PlannedRemoval
    from openwork.workspace.paths import SafePath

_VERBS = {"added": "Add", "updated": "Change", "removed": "Delete", None: "Delete"}


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """What a kind of documents is called.

    Attributes:
        reason: In reload events and, with the verb behind it, in the audit log.
        type: In reload events' triggers, and to people.
        mark: What people write before its name.
    """

    reason: Literal["skills", "commands", "agents"]
    type: Literal["skill", "command", "agent"]
    mark: str = ""


async def change_document(
    context: ServerContext,
    actor: Actor,
    workspace: Workspace,
    kind: DocumentKind,
    name: str,
    plan: Callable[[], PlannedDocument | PlannedRemoval],
    *,
    text: str = "",
) -> SafePath:
    """Write or delete a document when the gate lets it through.

    What is wrong is told before anybody is asked. Deleting what is not there is recorded, but the
    engine need not read anything again.

    Args:
        context: The server.
        actor: Who wants it.
        workspace: Where.
        kind: Of what kind the document is.
        name: The document's name, checked.
        plan: Works the change out; blocking. Done once more when it is allowed, as the folder may
            have changed while the approval was waited for.
        text: For the person who approves: what is to be written.

    Returns:
        The document's path.

    Raises:
        OpenWorkError: As ``plan``, ``Gate.change`` and the plan's ``apply``.
    """
    planned = await asyncio.to_thread(plan)
    verb = _VERBS[planned.action]
    trigger = ReloadTrigger(kind.type, name, planned.action, planned.path.relative)
    async with context.gate.change(
        actor,
        workspace,
        action=f"{kind.reason}.{'delete' if verb == 'Delete' else 'upsert'}",
        summary=f"{verb} the {kind.type} {kind.mark}{name}",
        detail=shown(text),
        paths=[each.absolute for each in planned.paths],
        reload=(kind.reason, trigger) if planned.action is not None else None,
    ):
        planned = await asyncio.to_thread(plan)
        trigger.path = planned.path.relative
        trigger.action = await asyncio.to_thread(planned.apply)
    return planned.path
