"""The skill hub: skills of a GitHub repository, and taking one into a workspace."""

from __future__ import annotations

import asyncio
from typing import Any

from openwork.server.access import (
    CHANGE,
    CLIENT,
    WRITES_FILES,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.imports import journal_of
from openwork.server.reload_events import ReloadTrigger
from openwork.server.shown_files import ShownFile, shown_files
from openwork.server.wire import WireModel
from openwork.workspace import skill_install, skills
from openwork.workspace.skill_hub import HUB, Repository

router = guarded_router("hub")

EXECUTABLE_BITS = 0o111


class Source(WireModel):
    """A repository; what is left out is the default's."""

    owner: str | None = None
    repo: str | None = None
    ref: str | None = None


class Installation(WireModel):
    """``POST /workspace/{id}/skills/hub/{name}``."""

    overwrite: bool = False
    repo: Source | None = None


@router.get("/hub/skills", summary="List the skills of a hub repository")
@access(CLIENT, answers="HubSkillList", raises=(400, 502))
async def list_hub_skills(
    context: Context, owner: str = "", repo: str = "", ref: str = ""
) -> dict[str, Any]:
    """``{items [{name, description, trigger?, source}]}``: the skills of a repository."""
    source = _repository(owner, repo, ref)
    catalogue = await context.hub.catalogue(source)
    return {"items": [skill.to_json(source) for skill in catalogue.skills]}


@router.post(
    "/workspace/{workspace_id}/skills/hub/{name:path}",
    summary="Install a skill from a hub repository",
)
@access(CHANGE, answers="InstalledSkill", raises=(*WRITES_FILES, 502))
async def install_hub_skill(
    context: Context, actor: Caller, workspace: Target, name: str, body: Installation
) -> dict[str, Any]:
    """Install a skill: ``{ok, name, path, action, written, skipped}``, counts of files.

    Everything is fetched and checked before the approval is asked: it is clear then what comes, and
    no other change of the workspace waits for the network.
    """
    name = skills.checked_name(name)
    given = body.repo or Source()
    source = _repository(given.owner, given.repo, given.ref)
    fetched = await context.hub.skill(source, name)
    planned = await asyncio.to_thread(
        skill_install.plan, workspace.root, fetched, overwrite=body.overwrite
    )
    size = sum(len(data) for data, _ in fetched.files.values())
    told = planned.path.child(skills.FILE_NAME).relative
    trigger = ReloadTrigger("skill", name, planned.action, told)
    async with context.gate.change(
        actor,
        workspace,
        action="skills.install_hub",
        summary=f"Install the skill {name} of {source}: {len(fetched.files)} files, {size:,} bytes",
        detail=await asyncio.to_thread(_shown, planned),
        paths=[planned.path.absolute],
        reload=("skills", trigger),
    ):
        await context.interrupted.undo(workspace)
        done = await asyncio.to_thread(
            skill_install.install,
            workspace.root,
            fetched,
            journal_of(context.settings.data_dir, workspace),
            overwrite=body.overwrite,
        )
        trigger.action = done.action  # the folder may have come meanwhile
    return {
        "ok": True,
        "name": name,
        "path": str(done.path),
        "action": done.action,
        "written": done.written,
        "skipped": done.skipped,
    }


def _shown(planned: skill_install.Planned) -> str:
    return shown_files(
        [
            ShownFile(
                "add" if change.old is None else "replace",
                change.path.relative,
                change.new,
                runs=bool((change.mode or 0) & EXECUTABLE_BITS),
            )
            for change in planned.changes
        ]
    )


def _repository(owner: str | None, repo: str | None, ref: str | None) -> Repository:
    return Repository(
        (owner or "").strip() or HUB.owner,
        (repo or "").strip() or HUB.repo,
        (ref or "").strip() or HUB.ref,
    )
