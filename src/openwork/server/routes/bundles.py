"""A workspace's configuration as one JSON value: export and import."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field

from openwork.common.errors import OpenWorkError
from openwork.server.access import (
    CLIENT,
    WRITES_FILES,
    Access,
    Caller,
    Context,
    Leaving,
    Target,
    access,
    guarded_router,
)
from openwork.server.any_json import AnyJson
from openwork.server.auth import require
from openwork.server.imports import journal_of
from openwork.server.query import switch
from openwork.server.reload_events import Reason, ReloadTrigger
from openwork.server.scope import Scope
from openwork.server.shown_files import ShownFile, shown_files
from openwork.server.wire import WireModel
from openwork.workspace import transaction
from openwork.workspace.bundle import (
    MAX_BUNDLE_BYTES,
    MAX_COMMANDS,
    MAX_FILES,
    MAX_SKILLS,
    Bundle,
    BundleSkill,
    Encoding,
    command_from_text,
    decode_file,
    require_little_front_matter,
)
from openwork.workspace.commands import NewCommand
from openwork.workspace.export import read_bundle
from openwork.workspace.import_plan import ImportPlan, Mode, Modes, plan_import
from openwork.workspace.sensitive import warnings_of, without_sensitive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openwork.server.registry import Workspace
    from openwork.workspace.bundle import PortableFile
    from openwork.workspace.export import Export
    from openwork.workspace.import_plan import PlannedChange

router = guarded_router("bundles")

# Text in JSON may be written with escapes, base64 is a third longer than its bytes.
IMPORT = Access("client", Scope.COLLABORATOR, writes=True, body_limit_bytes=2 * MAX_BUNDLE_BYTES)
MAX_PATHS_SHOWN = 200
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_REASONS: dict[str, Reason] = {"opencode": "config", "skill": "skills", "command": "commands"}
_FILE_REASONS: dict[str, Reason] = {"agents": "agents", "skills": "skills"}


class ImportModes(WireModel):
    """Of each section: ``merge`` adds to what is there, ``replace`` takes its place."""

    opencode: Mode = "merge"
    openwork: Mode = "merge"
    skills: Mode = "merge"
    commands: Mode = "merge"
    files: Mode = "merge"


class SkillItem(WireModel):
    """One skill."""

    name: str
    content: str
    description: str | None = None

    def read(self) -> BundleSkill:
        """As the workspace knows it."""
        return BundleSkill(self.name, self.content, self.description)


class CommandItem(WireModel):
    """One command: a template and its fields, or ``content``, the whole markdown file."""

    name: str | None = None
    template: str | None = None
    content: str | None = None
    description: str | None = None
    agent: str | None = None
    model: str | None = None
    subtask: bool | None = None

    def read(self) -> NewCommand:
        """As the workspace knows it."""
        if self.template is None and self.content is not None:
            return command_from_text(self.name, self.content)
        return NewCommand(
            self.name or "",
            self.template or "",
            self.description,
            self.agent,
            self.model,
            self.subtask,
        )


class FileItem(WireModel):
    """One file of agents, plugins, tools, or of a skill."""

    path: str
    content: str
    encoding: Encoding | None = None
    executable: bool = False


class ImportBody(WireModel):
    """``POST /workspace/{id}/import``: a bundle; a section that is left out is left alone."""

    mode: ImportModes | None = None
    opencode: dict[str, Any] | None = None
    openwork: dict[str, Any] | None = None
    skills: list[SkillItem] | None = Field(default=None, max_length=MAX_SKILLS)
    commands: list[CommandItem] | None = Field(default=None, max_length=MAX_COMMANDS)
    files: list[FileItem] | None = Field(default=None, max_length=MAX_FILES)
    preview_fingerprint: str | None = None

    def bundle(self) -> Bundle:
        """The bundle in it.

        Raises:
            OpenWorkError: A command or a file cannot be read, or there is too much front matter.
        """
        files = tuple(
            decode_file(each.path, each.content, each.encoding, run=each.executable)
            for each in self.files or ()
        )
        require_little_front_matter(self._documents(files), self._fields())
        return Bundle(
            self.opencode,
            self.openwork,
            None if self.skills is None else tuple(each.read() for each in self.skills),
            None if self.commands is None else tuple(each.read() for each in self.commands),
            None if self.files is None else files,
        )

    def _documents(self, files: tuple[PortableFile, ...]) -> Iterator[str]:
        """The texts that open with front matter."""
        yield from (each.content for each in self.skills or ())
        yield from (each.content for each in self.commands or () if each.content is not None)
        yield from (each.text or "" for each in files if each.path.endswith(".md"))

    def _fields(self) -> Iterator[str]:
        """The texts that become front matter."""
        for skill in self.skills or ():
            yield skill.description or ""
        for command in self.commands or ():
            yield from (each or "" for each in (command.description, command.agent, command.model))

    def modes(self) -> Modes:
        """How to import each section."""
        return Modes(**self.mode.model_dump()) if self.mode is not None else Modes()


@router.get("/workspace/{workspace_id}/export", summary="Export a workspace's configuration")
@access(CLIENT, answers="ExportedBundle", raises=WRITES_FILES)
async def export_bundle(
    context: Context,
    leaving: Leaving,
    actor: Caller,
    workspace: Target,
    sensitive: Annotated[str, Query(description="auto, include or exclude")] = "auto",
) -> AnyJson:
    """``{workspaceId, exportedAt, opencode, openwork, skills, commands, files?, problems?}``.

    ``sensitive``: ``exclude`` leaves out what looks like a secret; ``include`` gives it, to owners;
    ``auto`` is 409 ``workspace_export_requires_decision`` with ``{warnings}`` when there is any.
    """
    if sensitive not in {"auto", "include", "exclude"}:
        raise OpenWorkError(
            "invalid_workspace_export_sensitive_mode",
            "sensitive must be auto, include or exclude.",
            status=400,
        )
    if sensitive == "include":
        require(actor, Scope.OWNER)
    cautious = actor.scope < Scope.OWNER
    async with context.files.of(workspace).exporting.take(leaving):
        export = await asyncio.to_thread(_export, workspace, sensitive, cautious=cautious)
    body: dict[str, Any] = {"workspaceId": workspace.id, "exportedAt": _now_ms()}
    body |= export.bundle.to_json()
    if export.problems:
        body["problems"] = [each.to_json() for each in export.problems]
    return AnyJson(body)


@router.post("/workspace/{workspace_id}/import", summary="Import or preview a bundle")
@access(IMPORT, answers="ImportAnswer", raises=WRITES_FILES)
async def import_bundle(
    context: Context,
    leaving: Leaving,
    actor: Caller,
    workspace: Target,
    body: ImportBody,
    preview: str = "",
) -> dict[str, Any]:
    """``{ok}``, once all of it is written; when a part fails, all is as it was.

    ``?preview=true`` answers ``{fingerprint, summary, changes}`` and changes nothing. A
    ``previewFingerprint`` in the body makes the import happen only as it was shown.
    """
    wanted = body.preview_fingerprint
    if wanted is not None and not _FINGERPRINT.fullmatch(wanted):
        raise OpenWorkError(
            "invalid_workspace_import_preview_fingerprint",
            "previewFingerprint must be the fingerprint of a preview.",
            status=400,
        )
    trusted = actor.scope >= Scope.OWNER
    async with context.files.of(workspace).planning.take(leaving):
        plan = await asyncio.to_thread(_plan, workspace, body, trusted=trusted)
    if switch(preview, default=False):
        return plan.to_json()
    if wanted is not None and plan.fingerprint != wanted:
        raise _stale()
    if not plan.changes:
        return {"ok": True}
    paths = [item.change.path.absolute for item in plan.changes]
    reasons = _reload_reasons(plan)
    async with context.gate.change(
        actor,
        workspace,
        action="config.import",
        summary=_summary(plan),
        paths=paths[:MAX_PATHS_SHOWN],
        target=str(workspace.path),
        reload=(reasons[0], ReloadTrigger("config", action="updated")) if reasons else None,
        detail=await asyncio.to_thread(_shown, plan),
    ):
        await context.interrupted.undo(workspace)
        # The files may have changed while the approval was waited for.
        fresh = await asyncio.to_thread(_plan, workspace, body, trusted=trusted)
        if not fresh.only_does(plan) or (wanted is not None and fresh.fingerprint != wanted):
            raise _stale()
        changes = [item.change for item in fresh.items]
        journal = journal_of(context.settings.data_dir, workspace)
        await asyncio.to_thread(transaction.apply, workspace.root, changes, journal)
    for reason in reasons[1:]:
        context.reload_events.tell(workspace.id, reason, ReloadTrigger("config", action="updated"))
    return {"ok": True}


def _export(workspace: Workspace, sensitive: str, *, cautious: bool) -> Export:
    export = read_bundle(workspace.root)
    if sensitive == "exclude":
        return export.with_bundle(without_sensitive(export.bundle, cautious=cautious))
    warnings = warnings_of(export.bundle, cautious=cautious) if sensitive == "auto" else []
    if warnings:
        raise OpenWorkError(
            "workspace_export_requires_decision",
            "The export would hold values that look like secrets.",
            hint="Ask again with ?sensitive=exclude, or as an owner with ?sensitive=include.",
            status=409,
            details={"warnings": [each.to_json() for each in warnings]},
        )
    return export


def _plan(workspace: Workspace, body: ImportBody, *, trusted: bool) -> ImportPlan:
    return plan_import(workspace.root, body.bundle(), body.modes(), trusted=trusted)


def _summary(plan: ImportPlan) -> str:
    actions = [item.action for item in plan.changes]
    counts = {action: actions.count(action) for action in dict.fromkeys(actions)}
    told = ", ".join(f"{action} {count}" for action, count in counts.items())
    code = any(_runs(item) for item in plan.changes)
    warning = "; with code that runs on this machine" if code else ""
    return f"Import a bundle: {told} of the workspace's files{warning}"


def _shown(plan: ImportPlan) -> str:
    return shown_files(
        [
            ShownFile(item.action, item.change.path.relative, item.change.new, runs=_runs(item))
            for item in plan.changes
        ]
    )


def _runs(item: PlannedChange) -> bool:
    """Whether the engine runs what is written as code."""
    return item.kind == "file" and item.change.path.parts[1] in {"plugins", "tools"}


def _reload_reasons(plan: ImportPlan) -> list[Reason]:
    """What the engine must read again, each once."""
    reasons: dict[Reason, None] = {}
    for item in plan.changes:
        if item.kind == "file":
            reasons[_FILE_REASONS.get(item.change.path.parts[1], "plugins")] = None
        elif item.kind in _REASONS:
            reasons[_REASONS[item.kind]] = None
    return list(reasons)


def _stale() -> OpenWorkError:
    return OpenWorkError(
        "workspace_import_preview_stale",
        "The workspace has changed: the import would do something else than was shown.",
        hint="Look at a new preview, then import again.",
        status=409,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
