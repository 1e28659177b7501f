"""A workspace's automations: prompts that run on a schedule."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt

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
from openwork.server.audit import AuditRecord
from openwork.server.automation_state import to_ms
from openwork.server.shown import shown
from openwork.server.wire import Ok, WireModel
from openwork.workspace import automation_log, config
from openwork.workspace.automations import (
    ID_PATTERN,
    LONGEST_NAME,
    LONGEST_PROMPT,
    AutomationWrite,
    automations_path,
    plan_delete,
    plan_save,
    read_automations,
)
from openwork.workspace.schedules import LEAST_INTERVAL_S, MOST_INTERVAL_S, parse_schedule

router = guarded_router("automations")

BASE = "/workspace/{workspace_id}/agentlab/automations"

Hour = Annotated[StrictInt, Field(ge=0, le=23)]
Minute = Annotated[StrictInt, Field(ge=0, le=59)]


class IntervalSchedule(WireModel):
    """Every so many seconds."""

    kind: Literal["interval"]
    seconds: StrictInt = Field(ge=LEAST_INTERVAL_S, le=MOST_INTERVAL_S)


class DailySchedule(WireModel):
    """At a time of every day, in the host's time zone."""

    kind: Literal["daily"]
    hour: Hour
    minute: Minute


class WeeklySchedule(WireModel):
    """At a time of one weekday, in the host's time zone; 1 is Monday, 7 is Sunday."""

    kind: Literal["weekly"]
    weekday: StrictInt = Field(ge=1, le=7)
    hour: Hour
    minute: Minute


class NewAutomation(WireModel):
    """``POST``: the whole automation; one of the same id is replaced."""

    id: str | None = Field(default=None, pattern=ID_PATTERN)
    name: str = Field(max_length=LONGEST_NAME)
    prompt: str = Field(max_length=LONGEST_PROMPT)
    enabled: StrictBool = True
    schedule: Annotated[
        IntervalSchedule | DailySchedule | WeeklySchedule, Field(discriminator="kind")
    ]


@router.get(BASE, summary="List the automations of a workspace")
@access(CLIENT, answers="AutomationList", raises=READS_FILES)
async def list_automations(
    context: Context, workspace: Target, *, plan: bool = False
) -> dict[str, Any]:
    """``{items, updatedAt}``; with ``plan=true`` also when each runs next.

    That is ``plan: {zone, items: {ID: {nextRunAt, runningSince, lastOutcome}}}``.
    """
    file = await asyncio.to_thread(read_automations, workspace.root)
    body: dict[str, Any] = {
        "items": context.automations.describe(workspace, file),
        "updatedAt": _now_ms() if file.updated_at_ms is None else file.updated_at_ms,
    }
    return body | {"plan": context.automations.describe_plans(workspace)} if plan else body


@router.post(BASE, status_code=201, summary="Add or replace an automation")
@access(CHANGE, answers="AutomationList", raises=WRITES_FILES)
async def save_automation(
    context: Context, actor: Caller, workspace: Target, body: NewAutomation
) -> dict[str, Any]:
    """Add an automation, or replace the one of the same id; ``{items, updatedAt}``."""
    wanted = AutomationWrite(
        id=body.id or f"agentlab_{uuid.uuid4().hex}",
        name=body.name,
        prompt=body.prompt,
        enabled=body.enabled,
        schedule=parse_schedule(body.schedule.model_dump()),
    )
    await asyncio.to_thread(plan_save, workspace.root, wanted, _now_ms())
    when = wanted.schedule.describe() if wanted.enabled else "only on demand"
    async with context.gate.change(
        actor,
        workspace,
        action="agentlab.automations.upsert",
        summary=f"Save the automation {wanted.name.strip()!r}, which runs {when}",
        detail=shown(wanted.prompt),
        paths=[automations_path(workspace.root).absolute],
    ):
        # The file may have changed while the approval was waited for.
        await asyncio.to_thread(
            lambda: config.apply([plan_save(workspace.root, wanted, _now_ms())])
        )
    await context.automations.changed(workspace)
    return await list_automations(context, workspace)


@router.delete(BASE + "/{automation_id}", summary="Delete an automation of a workspace")
@access(CHANGE, answers="Ok", raises=WRITES_FILES)
async def delete_automation(
    context: Context, actor: Caller, workspace: Target, automation_id: str
) -> Ok:
    """Delete an automation; a run of it that goes on comes to its end, and its log stays."""
    gone = (await asyncio.to_thread(read_automations, workspace.root)).get(automation_id)
    async with context.gate.change(
        actor,
        workspace,
        action="agentlab.automations.delete",
        summary=f"Delete the automation {gone.name!r}",
        paths=[automations_path(workspace.root).absolute],
    ):
        await asyncio.to_thread(
            lambda: config.apply([plan_delete(workspace.root, automation_id, _now_ms())])
        )
    await context.automations.changed(workspace)
    return Ok()


@router.post(BASE + "/{automation_id}/run", summary="Run an automation now")
@access(CHANGE, answers="AutomationRun", raises=(*WRITES_FILES, 502, 503))
async def run_automation(
    context: Context, actor: Caller, workspace: Target, automation_id: str
) -> dict[str, Any]:
    """Run it now; ``{ok, automationId, sessionId, ranAt}`` once the engine has taken the prompt."""
    automation = (await asyncio.to_thread(read_automations, workspace.root)).get(automation_id)
    running = await context.automations.run_now(workspace, automation)
    await context.audit.append(
        AuditRecord(
            workspace.id,
            actor,
            "agentlab.automations.run",
            running.session_id or automation_id,
            f"Ran the automation {automation.name!r}",
        )
    )
    return {
        "ok": True,
        "automationId": automation_id,
        "sessionId": running.session_id,
        "ranAt": to_ms(running.started),
    }


@router.get(BASE + "/logs", summary="List the logs of automations")
@access(CLIENT, answers="AutomationLogs", raises=(400,))
async def list_logs(workspace: Target) -> dict[str, Any]:
    """``{items: [{id, path, size, updatedAt}]}``, newest first; ``id`` is the automation's."""
    return {"items": await asyncio.to_thread(automation_log.list_logs, workspace.root)}


@router.get(BASE + "/logs/{automation_id}", summary="Read the log of an automation")
@access(CLIENT, answers="AutomationLogText", raises=(400, 413))
async def read_log(workspace: Target, automation_id: str) -> dict[str, Any]:
    """``{id, content}``: JSON lines, one a run, oldest first."""
    content = await asyncio.to_thread(automation_log.read_log, workspace.root, automation_id)
    return {"id": automation_id, "content": content}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
