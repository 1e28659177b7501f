"""The skills of a workspace."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import Query

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
from openwork.server.document_change import DocumentKind, change_document
from openwork.server.query import switch
from openwork.server.wire import WireModel
from openwork.workspace import skills

router = guarded_router("skills")

KIND = DocumentKind("skills", "skill")
IncludeGlobal = Annotated[str, Query(alias="includeGlobal")]


class NewSkill(WireModel):
    """``POST /workspace/{id}/skills``."""

    name: str = ""
    content: str = ""
    description: str | None = None


@router.get("/workspace/{workspace_id}/skills", summary="List the skills of a workspace")
@access(CLIENT, answers="SkillList", raises=(400,))
async def list_skills(workspace: Target, include_global: IncludeGlobal = "") -> dict[str, Any]:
    """``{items, problems?}``: the skills the workspace sees; with ``includeGlobal`` the user's too.

    ``problems`` names the files that were left out, and why.
    """
    wanted = switch(include_global, default=False)
    found = await asyncio.to_thread(skills.list_skills, workspace.root, include_global=wanted)
    return found.to_json()


@router.get("/workspace/{workspace_id}/skills/{name:path}", summary="Read a skill and its file")
@access(CLIENT, answers="SkillFile", raises=READS_FILES)
async def read_skill(
    workspace: Target, name: str, include_global: IncludeGlobal = ""
) -> dict[str, Any]:
    """``{item, content}``: one skill and its file."""
    wanted = switch(include_global, default=False)
    skill, content = await asyncio.to_thread(
        skills.read_skill, workspace.root, name, include_global=wanted
    )
    return {"item": skill.to_json(), "content": content}


@router.post("/workspace/{workspace_id}/skills", summary="Add or change a skill")
@access(CHANGE, answers="SkillInfo", raises=WRITES_FILES)
async def upsert_skill(
    context: Context, actor: Caller, workspace: Target, body: NewSkill
) -> dict[str, Any]:
    """Write a skill: its whole file, or its text with a description."""
    name = skills.checked_name(body.name)
    plan = partial(skills.plan, workspace.root, name, body.content, body.description)
    path = await change_document(context, actor, workspace, KIND, name, plan, text=body.content)
    # Existing clients know the description of the request here, not that of the file.
    described = (body.description or "").strip()
    return {"name": name, "path": str(path), "description": described, "scope": "project"}


@router.delete(
    "/workspace/{workspace_id}/skills/{name:path}", summary="Delete a skill of a workspace"
)
@access(CHANGE, answers="Removed", raises=(400, 409))
async def delete_skill(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """Delete a skill of the workspace's own, with its folder."""
    name = skills.checked_name(name)
    plan = partial(skills.plan_removal, workspace.root, name)
    path = await change_document(context, actor, workspace, KIND, name, plan)
    return {"ok": True, "name": name, "path": str(path.parent)}
