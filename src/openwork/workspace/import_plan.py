"""What an import would change: worked out and checked whole before anything is written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import agents, commands, frontmatter, import_config, skills
from openwork.workspace.bundle import FILE_SECTIONS, SKILLS_FOLDER, require_distinct
from openwork.workspace.documents import SUFFIX
from openwork.workspace.export import travelling_files
from openwork.workspace.transaction import MAX_JOURNAL_BYTES, FileChange, digest, require_undoable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openwork.workspace.bundle import Bundle, PortableFile
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot

Mode = Literal["merge", "replace"]
Action = Literal["create", "update", "replace", "delete", "unchanged"]
_ACTIONS: tuple[Action, ...] = ("create", "update", "replace", "delete", "unchanged")
_EXECUTABLE_BITS = 0o111
_PLAIN_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Modes:
    """Of each section, whether the bundle's is added to what is there or takes its place."""

    opencode: Mode = "merge"
    openwork: Mode = "merge"
    skills: Mode = "merge"
    commands: Mode = "merge"
    files: Mode = "merge"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One file of an import, and why: ``kind`` is opencode, openwork, skill, command or file."""

    kind: str
    action: Action
    change: FileChange

    def to_json(self) -> dict[str, JsonValue]:
        """``{kind, action, path}``, the path relative to the workspace."""
        return {"kind": self.kind, "action": self.action, "path": self.change.path.relative}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All that an import would do, in order."""

    items: tuple[PlannedChange, ...]

    @property
    def changes(self) -> list[PlannedChange]:
        """Those that change something."""
        return [item for item in self.items if item.action != "unchanged"]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is there and what would be: the same as long as both are."""
        facts = [
            [
                item.change.path.relative,
                None if item.change.old is None else digest(item.change.old.data),
                None if item.change.new is None else digest(item.change.new),
                item.change.mode,
            ]
            for item in self.changes
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def to_json(self) -> dict[str, JsonValue]:
        """``{fingerprint, summary {total, create, …, unchanged}, changes [{kind, action, path}]}``.

        Source: the preview of later servers.
        """
        counts = [item.action for item in self.items]
        summary: dict[str, JsonValue] = {"total": len(counts)}
        summary |= {action: counts.count(action) for action in _ACTIONS}
        return {
            "fingerprint": self.fingerprint,
            "summary": summary,
            "changes": [item.to_json() for item in self.changes],
        }

    def only_does(self, approved: ImportPlan) -> bool:
        """Whether all it touches was touched by ``approved`` in the same way."""
        known = {(item.action, item.change.path.parts) for item in approved.changes}
        return all((item.action, item.change.path.parts) in known for item in self.changes)


def plan_import(
    root: WorkspaceRoot, bundle: Bundle, modes: Modes, *, trusted: bool = False
) -> ImportPlan:
    """Work out an import, without writing. A section that is None is left alone. Blocking.

    In mode ``replace`` the files of a section that the bundle does not have are deleted; symbolic
    links among them stay, as do files that no export takes.

    Args:
        root: The workspace.
        bundle: What to import.
        modes: How, for each section.
        trusted: Whether the caller may see the stored secrets, see ``import_config``.

    Raises:
        OpenWorkError: What is wrong with a name, a text, a path or the configuration: 400 or 422;
            ``invalid_jsonc`` or ``invalid_json`` 422 for a damaged file that would be changed;
            others as ``SafePath.read``.
    """
    require_distinct("skill", (each.name.strip() for each in bundle.skills or ()))
    require_distinct("command", (each.name.strip() for each in bundle.commands or ()))
    require_distinct("file", (each.path for each in bundle.files or ()))
    items = [
        *_plan_skills(root, bundle, modes.skills),
        *_plan_commands(root, bundle, modes.commands),
        *_plan_files(root, bundle, modes.files),
        *_plan_config(root, bundle, modes, trusted=trusted),
    ]
    items += _plan_deletions(root, bundle, modes, {item.change.path for item in items})
    require_distinct("path", (item.change.path.relative for item in items))
    for item in items:
        if item.change.new is not None:
            _require_folders(item.change.path)
    require_undoable([item.change for item in items])
    return ImportPlan(tuple(items))


def _plan_config(
    root: WorkspaceRoot, bundle: Bundle, modes: Modes, *, trusted: bool
) -> Iterator[PlannedChange]:
    if bundle.opencode is not None:
        change = import_config.plan_opencode(
            root, bundle.opencode, whole=modes.opencode == "replace", trusted=trusted
        )
        yield _item("opencode", change, modes.opencode)
    if bundle.openwork is not None:
        change = import_config.plan_openwork(
            root, bundle.openwork, whole=modes.openwork == "replace", trusted=trusted
        )
        yield _item("openwork", change, modes.openwork)


def _plan_skills(root: WorkspaceRoot, bundle: Bundle, mode: Mode) -> Iterator[PlannedChange]:
    for skill in bundle.skills or ():
        planned = skills.plan(root, skill.name, skill.content, skill.description)
        yield _item("skill", _write(planned.path, planned.data), mode)


def _plan_commands(root: WorkspaceRoot, bundle: Bundle, mode: Mode) -> Iterator[PlannedChange]:
    for command in bundle.commands or ():
        try:
            planned = commands.plan(root, command)
        except OpenWorkError as error:
            if error.code in {"invalid_command_name", "invalid_command_template"}:
                error.code = "invalid_command"
            raise
        change = _write(planned.path, planned.data)
        if change.old is not None and _means_the_same(change.old.data, planned.data):
            change = FileChange(planned.path, change.old, change.old.data)
        yield _item("command", change, mode)


def _means_the_same(old: bytes, new: bytes) -> bool:
    """Whether two commands differ only in how they are written."""
    before, after = (frontmatter.parse_bytes(each, name="command") for each in (old, new))
    return before.fields == after.fields and before.body.strip() == after.body.strip()


def _plan_files(root: WorkspaceRoot, bundle: Bundle, mode: Mode) -> Iterator[PlannedChange]:
    for file in bundle.files or ():
        _check_agent(file)
        path = _place_of(root, file.path)
        yield _item("file", _write(path, file.data, executable=file.executable), mode)


def _place_of(root: WorkspaceRoot, relative: str) -> SafePath:
    """Where a file belongs: one of a skill goes where the skill really lies."""
    parts = relative.split("/")
    if tuple(parts[:2]) != SKILLS_FOLDER:
        return root.at(relative)
    found = next(iter(skills.find(root, parts[2])), None)
    return root.at(relative) if found is None else found.parent.child(*parts[3:])


def _check_agent(file: PortableFile) -> None:
    """Refuse an agent that the engine would refuse with the whole workspace."""
    if not file.path.startswith(".opencode/agents/") or not file.path.endswith(SUFFIX):
        return
    problems = agents.problems(frontmatter.parse_bytes(file.data, name=file.path).fields)
    if problems:
        told = "; ".join(f"{key} must be {expected}" for key, expected in problems)
        raise OpenWorkError(
            "invalid_agent",
            f"The engine would refuse {file.path}: {told}.",
            status=422,
            details=[{"field": key, "problem": f"must be {each}"} for key, each in problems],
        )


def _plan_deletions(
    root: WorkspaceRoot, bundle: Bundle, modes: Modes, kept: set[SafePath]
) -> Iterator[PlannedChange]:
    """What ``replace`` takes away."""
    folders: list[tuple[str, SafePath]] = []
    if modes.skills == "replace" and bundle.skills is not None:
        folders.append(("skill", root.top.child(*SKILLS_FOLDER)))
    if modes.commands == "replace" and bundle.commands is not None:
        folders.append(("command", commands.workspace_folder(root)))
    if modes.files == "replace" and bundle.files is not None:
        folders += [("file", root.top.child(".opencode", name)) for name in FILE_SECTIONS]
    for kind, folder in folders:
        for path in travelling_files(folder):
            if path not in kept:
                old = path.read(max_bytes=MAX_JOURNAL_BYTES)
                yield PlannedChange(kind, "delete", FileChange(path, old, None))


def _write(path: SafePath, data: bytes, *, executable: bool | None = None) -> FileChange:
    old = None if path.stat() is None else path.read(max_bytes=MAX_JOURNAL_BYTES)
    mode = None
    if executable is not None:
        bits = _PLAIN_MODE if old is None else old.stat.mode
        mode = bits | _EXECUTABLE_BITS if executable else bits & ~_EXECUTABLE_BITS
    return FileChange(path, old, data, mode)


def _item(kind: str, change: FileChange, mode: Mode) -> PlannedChange:
    if not change.changes:
        return PlannedChange(kind, "unchanged", change)
    if change.old is None:
        return PlannedChange(kind, "create", change)
    return PlannedChange(kind, "replace" if mode == "replace" else "update", change)


def _require_folders(path: SafePath) -> None:
    """Refuse a file below what is no folder: the import would fail in its middle."""
    folder = path.parent
    while folder.parts:
        found = folder.stat()
        if found is not None and found.kind != "dir":
            raise OpenWorkError(
                "invalid_path",
                f"{path.relative} cannot be written: {folder.relative} is a file, not a folder.",
                status=400,
            )
        folder = folder.parent
