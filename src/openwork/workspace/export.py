"""Read a workspace's configuration into a bundle, in an order that does not depend on the disk."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import commands, config, documents, frontmatter, skills
from openwork.workspace.bundle import (
    FILE_SECTIONS,
    MAX_BUNDLE_BYTES,
    MAX_FILES,
    SKILLS_FOLDER,
    Bundle,
    BundleSkill,
    PortableFile,
    portable_path,
    travels,
)
from openwork.workspace.commands import NewCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openwork.workspace.frontmatter import Problem
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot


@dataclass(frozen=True, slots=True)
class Export:
    """A bundle, and the files that are not in it because they are damaged or lead elsewhere."""

    bundle: Bundle
    problems: tuple[Problem, ...]

    def with_bundle(self, bundle: Bundle) -> Export:
        """The same problems with another bundle."""
        return Export(bundle, self.problems)


def read_bundle(root: WorkspaceRoot) -> Export:
    """What the workspace holds, secrets included. Blocking.

    Skills are those of the workspace's own folders, without those of the folders above.

    Raises:
        OpenWorkError: ``invalid_jsonc`` or ``invalid_json`` 422 for a damaged configuration;
            ``workspace_export_too_large`` 413; as ``SafePath.read``.
    """
    listed = skills.list_skills(root)
    own = sorted((each for each in listed.items if each.path.root == root), key=lambda x: x.name)
    found = commands.list_commands(commands.workspace_folder(root), "workspace")
    problems = [*listed.problems, *found.problems]
    bundle = Bundle(
        opencode=config.read_config(root),
        openwork=_portable(config.read_openwork(root)),
        skills=tuple(_skill(skill) for skill in own),
        commands=tuple(_command(each) for each in _distinct(found.items)),
        files=tuple(_files(root, own, problems)),
    )
    _require_size(bundle)
    return Export(bundle, tuple(problems))


def _skill(skill: skills.Skill) -> BundleSkill:
    document = frontmatter.read(skill.path)
    # As an import would write it, so that the same skill always travels as the same text.
    body = document.body.removeprefix("\r\n").removeprefix("\n")
    text = document.with_body(body if body.endswith("\n") else f"{body}\n").text
    return BundleSkill(skill.name, text, skill.description)


def _command(command: commands.Command) -> NewCommand:
    return NewCommand(
        name=command.name,
        template=command.template,
        description=command.description,
        agent=command.agent,
        model=command.model,
        subtask=command.subtask or None,
    )


def _distinct(found: list[commands.Command]) -> list[commands.Command]:
    """Of one name the last file counts, as for the engine."""
    by_name = {each.name: each for each in found if each.template}
    return sorted(by_name.values(), key=lambda each: each.name)


def _portable(openwork: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Without the sessions that a blueprint has made here: they exist nowhere else."""
    blueprint = openwork.get("blueprint")
    if not isinstance(blueprint, dict) or "materialized" not in blueprint:
        return openwork
    kept = {key: value for key, value in blueprint.items() if key != "materialized"}
    return {**openwork, "blueprint": kept}


def _files(
    root: WorkspaceRoot, own: list[skills.Skill], problems: list[Problem]
) -> Iterator[PortableFile]:
    places: list[tuple[SafePath, str]] = [
        (root.top.child(".opencode", section), f".opencode/{section}") for section in FILE_SECTIONS
    ]
    places += [(skill.path.parent, "/".join((*SKILLS_FOLDER, skill.name))) for skill in own]
    count = 0
    for folder, shown in sorted(places, key=lambda place: place[1]):
        for path in _travelling(folder):
            try:
                name = portable_path(f"{shown}/{'/'.join(path.parts[len(folder.parts) :])}")
                content = path.read(max_bytes=MAX_BUNDLE_BYTES)
            except OpenWorkError as error:
                if error.code == "file_too_large":
                    raise _too_large(path.relative) from error
                problems.append(documents.problem_of(path, error))
                continue
            count += 1
            if count > MAX_FILES:
                raise _too_large(path.relative)
            yield PortableFile(name, content.data, bool(content.stat.mode & stat.S_IXUSR))


def travelling_files(folder: SafePath) -> list[SafePath]:
    """The regular files below ``folder`` that an export would take; links are not followed."""
    return list(_travelling(folder))


def _travelling(folder: SafePath) -> Iterator[SafePath]:
    if folder.stat() is None:
        return
    for entry in folder.walk(lambda each: not travels(each.path.name)):
        is_skill = entry.path.name == skills.FILE_NAME and len(entry.path.parts) == (
            len(folder.parts) + 1
        )
        if entry.stat.kind == "file" and not is_skill:
            yield entry.path


def _require_size(bundle: Bundle) -> None:
    sizes = {f"skill {each.name}": len(each.content) for each in bundle.skills or ()}
    sizes |= {f"command {each.name}": len(each.template) for each in bundle.commands or ()}
    sizes |= {each.path: len(each.data) for each in bundle.files or ()}
    if sum(sizes.values()) > MAX_BUNDLE_BYTES:
        raise _too_large(max(sizes, key=lambda name: sizes[name]))


def _too_large(name: str) -> OpenWorkError:
    return OpenWorkError(
        "workspace_export_too_large",
        f"The workspace's configuration is too large to export, with {name}: at most "
        f"{MAX_BUNDLE_BYTES:,} bytes and {MAX_FILES:,} files travel.",
        hint="Move large files out of .opencode.",
        status=413,
    )
