"""The engine's agents: who answers, one markdown file each; its body is the agent's instructions.

Those of a workspace lie in ``.opencode/agents``; files in the older ``.opencode/agent`` are read,
and changed where they are. The engine refuses a whole workspace for one field of a wrong type, so
a file is checked against what engine 1.18 takes before it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import documents, frontmatter
from openwork.workspace.config import PERMISSION_ACTIONS
from openwork.workspace.documents import Listing, PlannedDocument, PlannedRemoval
from openwork.workspace.frontmatter import Document, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath, WorkspaceRoot

FOLDERS = ("agents", "agent")  # the engine reads both
MAX_NAME_CHARACTERS = 100
MODES = ("primary", "subagent", "all")
COLORS = ("primary", "secondary", "accent", "success", "warning", "error", "info")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")

Scope = Literal["project", "global"]


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as it stands in its file.

    Attributes:
        name: What a task calls it.
        path: Its file.
        scope: Whose it is.
        description: When to use it.
        mode: ``primary``, ``subagent`` or ``all``.
        model: ``provider/model``.
    """

    name: str
    path: SafePath
    scope: Scope
    description: str | None = None
    mode: str | None = None
    model: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """``{name, description?, mode?, model?, path, scope}``."""
        texts = {"description": self.description, "mode": self.mode, "model": self.model}
        known: dict[str, JsonValue] = {key: text for key, text in texts.items() if text is not None}
        return {"name": self.name, **known, "path": str(self.path), "scope": self.scope}


def workspace_folders(root: WorkspaceRoot) -> list[SafePath]:
    """Where a workspace keeps its agents; new ones go to the first."""
    return [root.top.child(".opencode", name) for name in FOLDERS]


def list_agents(root: WorkspaceRoot, user: WorkspaceRoot | None = None) -> Listing[Agent]:
    """The agents of a workspace, then those of the user's own configuration if it is given.

    Of one name the first counts.
    """
    folders: dict[SafePath, Scope] = dict.fromkeys(workspace_folders(root), "project")
    if user is not None:
        folders |= {user.top.child(name): "global" for name in FOLDERS}
    listing = Listing[Agent]([], [])
    seen: set[str] = set()
    for folder, scope in folders.items():
        for each in documents.read_folder(folder):
            if isinstance(each, Problem):
                listing.problems.append(each)
                continue
            agent = _agent(*each, scope)
            if agent.name not in seen:
                seen.add(agent.name)
                listing.items.append(agent)
    return listing


def read_agent(root: WorkspaceRoot, name: str) -> tuple[Agent, str]:
    """One agent of the workspace, and its file's text.

    Raises:
        OpenWorkError: ``agent_not_found`` 404; as ``frontmatter.read`` when it cannot be read.
    """
    path = _find(root, name)[0]
    document = frontmatter.read(path)
    return _agent(path, document, "project"), document.text


def checked_name(name: str) -> str:
    """``name`` without white space around it.

    Raises:
        OpenWorkError: ``invalid_agent_name`` 400.
    """
    plain = name.strip()
    if len(plain) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(plain):
        raise OpenWorkError(
            "invalid_agent_name",
            "An agent's name has letters, digits, - and _ only, begins with a letter or digit, "
            f"and has at most {MAX_NAME_CHARACTERS} characters.",
            hint="For example: reviewer",
            status=400,
        )
    return plain


def plan(root: WorkspaceRoot, name: str, content: str) -> PlannedDocument:
    """Work out the file of an agent, without writing.

    Args:
        root: The workspace.
        name: The agent's name.
        content: The whole file; it stays as it is but for a line's end at its end.

    Raises:
        OpenWorkError: ``invalid_agent_name`` 400, also when the front matter has another name;
            ``invalid_agent_content`` 400 for a blank file; ``invalid_frontmatter`` 422;
            ``invalid_agent`` 422 with ``details [{field, problem}]``; ``name_taken`` 409; others as
            ``frontmatter.encode``.
    """
    name = checked_name(name)
    if not content.strip():
        raise OpenWorkError(
            "invalid_agent_content", "An agent needs a content: the whole file.", status=400
        )
    new = root.at(f".opencode/{FOLDERS[0]}/{name}{documents.SUFFIX}")
    text = content if content.endswith("\n") else f"{content}\n"
    _check(name, frontmatter.parse(text, name=f"{name}{documents.SUFFIX}"))
    path, exists = documents.place(name, new, workspace_folders(root))
    return PlannedDocument(path, frontmatter.encode(text), exists)


def plan_removal(root: WorkspaceRoot, name: str) -> PlannedRemoval:
    """Work out which files of an agent go, of both folders, without deleting.

    Raises:
        OpenWorkError: ``invalid_agent_name`` 400; ``agent_not_found`` 404.
    """
    found = _find(root, name)
    return PlannedRemoval(found[0], tuple(found))


def problems(fields: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """What the engine would refuse in an agent's front matter: fields, and what each must be.

    Source: the schema of engine 1.18; keys it does not know are options of the model.
    """
    return [
        (key, expected)
        for key, (expected, fits) in _FIELDS.items()
        if key in fields and not fits(fields[key])
    ]


def _find(root: WorkspaceRoot, name: str) -> list[SafePath]:
    found = documents.find(checked_name(name), workspace_folders(root))
    if not found:
        raise OpenWorkError(
            "agent_not_found", f"The workspace has no agent {name.strip()!r}.", status=404
        )
    return found


def _check(name: str, document: Document) -> None:
    wrong = problems(document.fields)
    wrong += [
        (key, "text; put the date in quotes")
        for key in document.dates()
        if key in _FIELDS and key not in dict(wrong)
    ]
    if wrong:
        raise OpenWorkError(
            "invalid_agent",
            "The engine would refuse this agent: "
            + "; ".join(f"{key} must be {expected}" for key, expected in wrong),
            hint="Change the lines between the two --- lines. Nothing was written.",
            status=422,
            details=[{"field": key, "problem": f"must be {expected}"} for key, expected in wrong],
        )
    named = frontmatter.text_of(document.fields, "name")
    if named is not None and named != name:
        raise OpenWorkError(
            "invalid_agent_name",
            f"The front matter calls the agent {named!r}, the request {name!r}.",
            hint="Leave the field name out.",
            status=400,
        )


def _agent(path: SafePath, document: Document, scope: Scope) -> Agent:
    fields = document.fields
    return Agent(
        name=documents.name_of(path, fields),
        path=path,
        scope=scope,
        description=frontmatter.text_of(fields, "description"),
        mode=frontmatter.text_of(fields, "mode"),
        model=frontmatter.text_of(fields, "model"),
    )


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _is_boolean(value: JsonValue) -> bool:
    return isinstance(value, bool)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_color(value: JsonValue) -> bool:
    return isinstance(value, str) and (value in COLORS or _COLOR.fullmatch(value) is not None)


def _is_switches(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(isinstance(each, bool) for each in value.values())


def _is_action(value: JsonValue) -> bool:
    return isinstance(value, str) and value in PERMISSION_ACTIONS


def _is_permission(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return _is_action(value)
    return all(
        all(map(_is_action, rule.values())) if isinstance(rule, dict) else _is_action(rule)
        for rule in value.values()
    )


_FIELDS: dict[str, tuple[str, Callable[[JsonValue], bool]]] = {
    "name": ("text", _is_text),
    "description": ("text", _is_text),
    "mode": (", ".join(MODES[:-1]) + f" or {MODES[-1]}", lambda value: value in MODES),
    "model": ("text: provider/model", _is_text),
    "variant": ("text", _is_text),
    "temperature": ("a number", _is_number),
    "top_p": ("a number", _is_number),
    "steps": ("a whole number over 0", _is_count),
    "maxSteps": ("a whole number over 0", _is_count),
    "disable": ("true or false", _is_boolean),
    "hidden": ("true or false", _is_boolean),
    "color": (f"#RRGGBB or one of {', '.join(COLORS)}", _is_color),
    "tools": ("a map of names to true or false", _is_switches),
    "permission": ("ask, allow or deny, or a map of them", _is_permission),
    "options": ("a map", lambda value: isinstance(value, dict)),
}
