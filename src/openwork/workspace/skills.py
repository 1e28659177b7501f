"""Skills: folders with a ``SKILL.md`` that says what they are for, found along one order.

From the workspace up to the folder that holds ``.git``: ``.opencode/skills``, then
``.claude/skills``; then, if asked, the user's own. In each, a skill lies flat or in one folder of a
category. Of one name the first counts. Each place is read through a root of its own, so that no
link leads elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter
from openwork.workspace.documents import Listing, PlannedDocument, PlannedRemoval, problem_of
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openwork.workspace.frontmatter import Document, Problem
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath

FILE_NAME = "SKILL.md"
PLACES = ((".opencode", "skills"), (".claude", "skills"))
USER_PLACES = (
    (".config", "opencode", "skills"),
    (".claude", "skills"),
    (".agents", "skills"),
    (".agent", "skills"),
)
MAX_NAME_CHARACTERS = 64
MAX_DESCRIPTION_CHARACTERS = 1024
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HEADING = re.compile(r"#{1,6}[ \t]+(?P<title>.*)")
_BULLET = re.compile(r"(?:[-*+]|[0-9]{1,3}[.)])[ \t]+")

Scope = Literal["project", "global"]


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill as it stands in its folder.

    Attributes:
        name: Its name and its folder's.
        description: What it is for.
        path: Its ``SKILL.md``.
        scope: ``project`` for the workspace and the folders above, ``global`` for the user's own.
        trigger: When to use it.
    """

    name: str
    description: str
    path: SafePath
    scope: Scope
    trigger: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """``{name, description, path, scope, trigger?}``."""
        body: dict[str, JsonValue] = {
            "name": self.name,
            "description": self.description,
            "path": str(self.path),
            "scope": self.scope,
        }
        return body if self.trigger is None else body | {"trigger": self.trigger}


@dataclass(frozen=True, slots=True)
class Description:
    """What a ``SKILL.md`` says of its skill; fields as of ``Skill``."""

    name: str
    description: str
    trigger: str | None


def list_skills(root: WorkspaceRoot, *, include_global: bool = False) -> Listing[Skill]:
    """The skills the workspace sees, in the order of the search."""
    listing = Listing[Skill]([], [])
    seen: set[str] = set()
    for folder, scope in _places(root, include_global=include_global):
        _collect(folder, scope, seen, listing)
    return listing


def read_skill(
    root: WorkspaceRoot, name: str, *, include_global: bool = False
) -> tuple[Skill, str]:
    """One skill that the workspace sees, and its file's text.

    Raises:
        OpenWorkError: ``invalid_skill_name`` 400; ``skill_not_found`` 404; the reason it is left
            out of lists when it is there but damaged.
    """
    name = checked_name(name)
    damaged: OpenWorkError | None = None
    for folder, scope in _places(root, include_global=include_global):
        for path in _files(folder, [], name):
            try:
                document = frontmatter.read(path)
                return _skill(path, document, scope), document.text
            except OpenWorkError as error:
                damaged = damaged or error
    raise damaged or _not_found(name)


def checked_name(name: str) -> str:
    """``name`` without white space around it.

    Raises:
        OpenWorkError: ``invalid_skill_name`` 400.
    """
    plain = name.strip()
    if not is_name(plain):
        raise OpenWorkError(
            "invalid_skill_name",
            f"A skill's name has 1 to {MAX_NAME_CHARACTERS} characters: a to z, 0 to 9, "
            "and single dashes between them.",
            hint="For example: weekly-report",
            status=400,
        )
    return plain


def is_name(text: str) -> bool:
    """Whether a skill may be called ``text``."""
    return len(text) <= MAX_NAME_CHARACTERS and _NAME.fullmatch(text) is not None


def describe(document: Document, *, folder: str) -> Description:
    """What a ``SKILL.md`` says of its skill.

    Args:
        document: The file.
        folder: Name of the folder it lies in.

    Raises:
        OpenWorkError: ``invalid_skill_name`` 400 when its name is none, or not its folder's;
            ``invalid_description`` 422.
    """
    name = checked_name(frontmatter.text_of(document.fields, "name") or "")
    if name != folder:
        raise OpenWorkError(
            "invalid_skill_name",
            f"The skill is called {name!r}, but its folder is {folder!r}.",
            hint="Give both the same name.",
            status=400,
        )
    description = frontmatter.text_of(document.fields, "description") or ""
    _check_description(description)
    return Description(name, description, _trigger(document))


def plan(root: WorkspaceRoot, name: str, content: str, description: str | None) -> PlannedDocument:
    """Work out the file of a skill, without writing.

    Args:
        root: The workspace.
        name: The skill's name.
        content: The whole file, its front matter kept but for name and description; or only the
            body, which then goes below the front matter that is there.
        description: Used when the front matter has none.

    Raises:
        OpenWorkError: ``invalid_skill_name`` 400, also when the front matter has another;
            ``invalid_skill_content`` 400; ``invalid_description`` 422; ``invalid_frontmatter`` 422;
            others as ``frontmatter.encode``.
    """
    name = checked_name(name)
    if not content.strip():
        raise OpenWorkError(
            "invalid_skill_content", "A skill needs a content: its text.", status=400
        )
    existing = next(iter(find(root, name)), None)
    path = existing or root.at(f"{'/'.join(PLACES[0])}/{name}/{FILE_NAME}")
    document = frontmatter.parse(content, name=f"{name}/{FILE_NAME}")
    if not document.opening and existing is not None:
        document = frontmatter.read(existing).with_body(document.body)
    named = frontmatter.text_of(document.fields, "name")
    if named is not None and named != name:
        raise OpenWorkError(
            "invalid_skill_name",
            f"The front matter calls the skill {named!r}, the request {name!r}.",
            hint="Leave the field name out, or give both the same name.",
            status=400,
        )
    described = frontmatter.text_of(document.fields, "description") or (description or "").strip()
    _check_description(described)
    fields: dict[str, JsonValue] = {"name": name, "description": described}
    # A date without quotes must be written anew: the engine takes it for a date, not for text.
    dates = {key: "" for key in document.dates() if key in fields}
    written = document.with_fields(dates).with_fields(fields)
    body = _with_line_end(written.body.lstrip("\r\n"))
    return PlannedDocument(
        path, frontmatter.encode(written.with_body(body).text), existing is not None
    )


def find(root: WorkspaceRoot, name: str) -> list[SafePath]:
    """The ``SKILL.md`` of the skill in the workspace's own places, also when it is damaged."""
    places = (root.top.child(*parts) for parts in PLACES)
    return [path for folder in places for path in _files(folder, [], name)]


def plan_removal(root: WorkspaceRoot, name: str) -> PlannedRemoval:
    """Work out which folders of a skill go, in each of the workspace's own places.

    Raises:
        OpenWorkError: ``invalid_skill_name`` 400; ``skill_not_found`` 404, also for a skill of a
            folder above or of the user.
    """
    found = find(root, checked_name(name))
    if not found:
        raise _not_found(name)
    return PlannedRemoval(found[0], tuple(each.parent for each in found), folders=True)


def _places(root: WorkspaceRoot, *, include_global: bool) -> Iterator[tuple[SafePath, Scope]]:
    """The folders to search, in order; those that are missing may be among them."""
    for parts in PLACES:
        yield root.top.child(*parts), "project"
    if not (root.path / ".git").exists():
        for above in root.path.parents:
            yield from _tops(above, PLACES, "project")
            if (above / ".git").exists():
                break
    if include_global:
        yield from _tops(Path.home(), USER_PLACES, "global")


def _tops(
    above: Path, places: tuple[tuple[str, ...], ...], scope: Scope
) -> Iterator[tuple[SafePath, Scope]]:
    """Each of ``places`` below ``above`` as a root of its own, if it is there."""
    for parts in places:
        try:
            yield WorkspaceRoot(above.joinpath(*parts)).top, scope
        except OpenWorkError as error:
            if error.code != "workspace_not_found":
                raise


def _collect(folder: SafePath, scope: Scope, seen: set[str], listing: Listing[Skill]) -> None:
    for path in _files(folder, listing.problems):
        try:
            skill = _skill(path, frontmatter.read(path), scope)
        except OpenWorkError as error:
            listing.problems.append(problem_of(path, error))
            continue
        if skill.name not in seen:
            seen.add(skill.name)
            listing.items.append(skill)


def _files(
    folder: SafePath, problems: list[Problem], name: str | None = None
) -> Iterator[SafePath]:
    """The ``SKILL.md`` of each skill in ``folder``, or of those whose folder is ``name``."""
    for item in _folders(folder, problems):
        path = item.child(FILE_NAME)
        there = _exists(path, problems)
        if there is None:
            continue
        if there:
            if name in {None, item.name}:
                yield path
            continue
        for inner in _folders(item, problems):
            path = inner.child(FILE_NAME)
            if name in {None, inner.name} and _exists(path, problems):
                yield path


def _folders(folder: SafePath, problems: list[Problem]) -> list[SafePath]:
    try:
        entries = folder.entries()
    except OpenWorkError as error:
        if error.code != "file_not_found":
            problems.append(problem_of(folder, error))
        return []
    return [
        entry.path
        for entry in entries
        if entry.stat.kind in {"dir", "symlink"} and not entry.path.name.startswith(".")
    ]


def _exists(path: SafePath, problems: list[Problem]) -> bool | None:
    """Whether there is something at ``path``; None, and a problem, when it leads elsewhere."""
    try:
        return path.stat() is not None
    except OpenWorkError as error:
        problems.append(problem_of(path, error))
        return None


def _skill(path: SafePath, document: Document, scope: Scope) -> Skill:
    found = describe(document, folder=path.parent.name)
    return Skill(found.name, found.description, path, scope, found.trigger)


def _check_description(description: str) -> None:
    if not 1 <= len(description) <= MAX_DESCRIPTION_CHARACTERS:
        raise OpenWorkError(
            "invalid_description",
            f"A skill needs a description of 1 to {MAX_DESCRIPTION_CHARACTERS:,} characters.",
            hint="It tells the agent when to use the skill.",
            status=422,
        )


def _trigger(document: Document) -> str | None:
    """The field ``trigger`` or ``when``, else the first line below "When to use"."""
    for key in ("trigger", "when"):
        text = frontmatter.text_of(document.fields, key)
        if text is not None:
            return text
    below = False
    for line in document.body.splitlines():
        text = line.strip()
        heading = _HEADING.fullmatch(text)
        if heading is not None:
            below = heading["title"].strip(" \t#:").lower() == "when to use"
        elif below and text:
            return _BULLET.sub("", text, count=1) or None
    return None


def _with_line_end(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _not_found(name: str) -> OpenWorkError:
    return OpenWorkError(
        "skill_not_found",
        f"The workspace has no skill {name.strip()!r}.",
        hint="GET …/skills lists those it sees; only its own can be changed.",
        status=404,
    )
