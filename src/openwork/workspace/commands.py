"""The engine's commands: prompts to start by name, one markdown file each.

Those of a workspace lie in ``.opencode/commands``, the user's own in ``commands`` of
``~/.config/opencode``. The engine refuses a whole workspace for one command with a key that is
null, so none is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import documents, frontmatter
from openwork.workspace.documents import Listing, PlannedDocument, PlannedRemoval
from openwork.workspace.frontmatter import Document, Problem

if TYPE_CHECKING:
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot

FOLDER = (".opencode", "commands")
USER_FOLDER = ("commands",)
MAX_NAME_CHARACTERS = 100
_NAME = re.compile(r"[A-Za-z0-9_-]+")

Scope = Literal["workspace", "global"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it stands in its file.

    Attributes:
        name: What a user types after ``/``.
        template: The prompt; ``$ARGUMENTS`` in it is what follows the name.
        description: What it does.
        agent: Who answers.
        model: ``provider/model``.
        subtask: Whether it runs in a session of its own.
        scope: Whose it is.
    """

    name: str
    template: str
    description: str | None = None
    agent: str | None = None
    model: str | None = None
    subtask: bool = False
    scope: Scope = "workspace"

    def to_json(self) -> dict[str, JsonValue]:
        """``{name, description?, template, agent?, model, subtask, scope}``; model may be null."""
        body: dict[str, JsonValue] = {"name": self.name, "template": self.template}
        if self.description is not None:
            body["description"] = self.description
        if self.agent is not None:
            body["agent"] = self.agent
        return body | {"model": self.model, "subtask": self.subtask, "scope": self.scope}


@dataclass(frozen=True, slots=True)
class NewCommand:
    """What a client wants written. Texts that are blank count as not given.

    Attributes are those of ``Command``; ``subtask`` None leaves it to the engine.
    """

    name: str
    template: str
    description: str | None = None
    agent: str | None = None
    model: str | None = None
    subtask: bool | None = None


def list_commands(folder: SafePath, scope: Scope) -> Listing[Command]:
    """The commands in ``folder``, by file name."""
    listing = Listing[Command]([], [])
    for each in documents.read_folder(folder):
        if isinstance(each, Problem):
            listing.problems.append(each)
        else:
            listing.items.append(_command(*each, scope))
    return listing


def workspace_folder(root: WorkspaceRoot) -> SafePath:
    """Where a workspace keeps its commands."""
    return root.top.child(*FOLDER)


def checked_name(name: str) -> str:
    """``name`` without white space and a leading ``/``.

    Raises:
        OpenWorkError: ``invalid_command_name`` 400.
    """
    plain = name.strip().removeprefix("/")
    if len(plain) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(plain):
        raise OpenWorkError(
            "invalid_command_name",
            "A command's name has letters, digits, - and _ only, "
            f"at most {MAX_NAME_CHARACTERS} of them.",
            hint="For example: weekly-report",
            status=400,
        )
    return plain


def default_path(root: WorkspaceRoot, name: str) -> SafePath:
    """The file of a command that is to be made.

    Raises:
        OpenWorkError: ``invalid_path`` 400 for a device name.
    """
    return root.at("/".join((*FOLDER, checked_name(name) + documents.SUFFIX)))


def plan(root: WorkspaceRoot, new: NewCommand) -> PlannedDocument:
    """Work out the file of a command, without writing.

    Other keys that an existing file has stay, with their comments; null ones go.

    Raises:
        OpenWorkError: ``invalid_command_name`` or ``invalid_command_template`` 400;
            ``invalid_frontmatter`` 422 when the existing file is damaged; ``name_taken`` 409;
            others as ``frontmatter.encode``.
    """
    name = checked_name(new.name)
    if not new.template.strip():
        raise OpenWorkError(
            "invalid_command_template", "A command needs a template: its prompt.", status=400
        )
    path, exists = documents.place(name, default_path(root, name), [workspace_folder(root)])
    old = frontmatter.read(path) if exists else Document({}, "")
    texts = {"description": new.description, "agent": new.agent, "model": new.model}
    changes: dict[str, JsonValue] = {
        key: text.strip() for key, text in texts.items() if text is not None and text.strip()
    }
    if new.subtask is not None:
        changes["subtask"] = new.subtask
    gone = {key for key, value in old.fields.items() if value is None}
    if not isinstance(old.fields.get("name", ""), str):
        gone.add("name")
    written = old.with_fields(changes, remove={*texts, "subtask", *gone} - changes.keys())
    body = new.template.strip("\r\n") + "\n"
    bare = not written.fields and not old.opening and not body.lstrip("\ufeff").startswith("---")
    text = body if bare else written.with_body(body).text
    return PlannedDocument(path, frontmatter.encode(text), exists)


def plan_removal(root: WorkspaceRoot, name: str) -> PlannedRemoval:
    """Work out which files of a command go, without deleting; none where there is no such command.

    Raises:
        OpenWorkError: ``invalid_command_name`` 400; ``invalid_path`` 400 for a folder that leads
            out of the workspace.
    """
    found = documents.find(checked_name(name), [workspace_folder(root)])
    return PlannedRemoval(found[0] if found else default_path(root, name), tuple(found))


def _command(path: SafePath, document: Document, scope: Scope) -> Command:
    fields = document.fields
    return Command(
        name=documents.name_of(path, fields),
        template=document.body.strip(),
        description=frontmatter.text_of(fields, "description"),
        agent=frontmatter.text_of(fields, "agent"),
        model=frontmatter.text_of(fields, "model"),
        subtask=fields.get("subtask") is True,
        scope=scope,
    )
