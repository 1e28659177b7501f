"""Jobs of the opencode-scheduler plugin that run in a workspace."""

from __future__ import annotations

import asyncio
from typing import Any

from openwork.server.access import CHANGE, CLIENT, Caller, Context, Target, access, guarded_router
from openwork.server.scope import Scope
from openwork.workspace import scheduler_jobs

router = guarded_router("scheduler")


@router.get(
    "/workspace/{workspace_id}/scheduler/jobs", summary="List the jobs of the scheduler plugin"
)
@access(CLIENT, answers="SchedulerJobList", raises=(400,))
async def list_jobs(actor: Caller, workspace: Target) -> dict[str, Any]:
    """``{items}``, by name."""
    jobs = await asyncio.to_thread(scheduler_jobs.list_jobs, workspace.path)
    return {"items": [each.to_json(secrets=actor.scope >= Scope.OWNER) for each in jobs]}


@router.delete(
    "/workspace/{workspace_id}/scheduler/jobs/{name}",
    summary="Delete a job of the scheduler plugin",
)
@access(CHANGE, answers="DeletedSchedulerJob", raises=(400, 409))
async def delete_job(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """``{job}``: stop what starts it and remove its files."""
    job = await _find(workspace, name)
    async with context.gate.change(
        actor,
        workspace,
        action="scheduler.delete",
        summary=f"Delete the scheduled job {job.name}",
        paths=scheduler_jobs.job_files(job),
    ):
        # It may have gone while the approval was waited for.
        await scheduler_jobs.delete_job(await _find(workspace, job.slug))
    return {"job": job.to_json(secrets=actor.scope >= Scope.OWNER)}


async def _find(workspace: Target, name: str) -> scheduler_jobs.Job:
    jobs = await asyncio.to_thread(scheduler_jobs.list_jobs, workspace.path)
    return scheduler_jobs.find_job(jobs, name)
