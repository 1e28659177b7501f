"""A workspace's configuration as one JSON value: what an export gives and an import takes.

The wire format is ``{opencode?, openwork?, skills? [{name, description?, content}], commands?
[{name, template, description?, agent?, model?, subtask?}], files? [{path, content, encoding?,
executable?}]}``. ``files`` are the texts that have no section of their own: agents, plugins, tools,
and what a skill has beside its ``SKILL.md``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter
from openwork.workspace.commands import NewCommand
from openwork.workspace.names import normalize
from openwork.workspace.private_files import is_private
from openwork.workspace.skills import FILE_NAME as SKILL_FILE_NAME
from openwork.workspace.skills import PLACES, checked_name
from openwork.workspace.temporary import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openwork.workspace.jsonc import JsonValue

MAX_BUNDLE_BYTES = 16_000_000
MAX_SKILLS = 200
MAX_COMMANDS = 200
MAX_FILES = 1000
# YAML is slow to read: this is about two seconds of work.
MAX_FRONT_MATTER_CHARACTERS = 262_144
MAX_PATH_PARTS = 16
SKILLS_FOLDER = PLACES[0]
FILE_SECTIONS = ("agents", "plugins", "tools")
Encoding = Literal["base64"]
_LEFT_OUT = frozenset({"node_modules", ".git", ".ds_store", "thumbs.db"})


@dataclass(frozen=True, slots=True)
class BundleSkill:
    """A skill: its name, the whole text of its ``SKILL.md``, and its description."""

    name: str
    content: str
    description: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """``{name, description, content}``."""
        return {"name": self.name, "description": self.description, "content": self.content}


@dataclass(frozen=True, slots=True)
class PortableFile:
    """A file of ``.opencode``.

    Attributes:
        path: Relative to the workspace.
        data: Its bytes.
        executable: Whether it may be run as a program.
    """

    path: str
    data: bytes
    executable: bool = False

    @property
    def text(self) -> str | None:
        """Its content, when it is text."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    def to_json(self) -> dict[str, JsonValue]:
        """``{path, content, encoding?, executable?}``; ``encoding`` only of what is no text."""
        text = self.text
        body: dict[str, JsonValue] = {"path": self.path, "content": text}
        if text is None:
            body |= {"content": base64.b64encode(self.data).decode(), "encoding": "base64"}
        return body | {"executable": True} if self.executable else body


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is exported or imported; None is a section that is not there at all."""

    opencode: Mapping[str, JsonValue] | None = None
    openwork: Mapping[str, JsonValue] | None = None
    skills: tuple[BundleSkill, ...] | None = None
    commands: tuple[NewCommand, ...] | None = None
    files: tuple[PortableFile, ...] | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """The wire's sections; ``files`` only when there are any, as older readers expect."""
        body: dict[str, JsonValue] = {
            "opencode": dict(self.opencode or {}),
            "openwork": dict(self.openwork or {}),
            "skills": [skill.to_json() for skill in self.skills or ()],
            "commands": [command_json(command) for command in self.commands or ()],
        }
        if self.files:
            body["files"] = [file.to_json() for file in self.files]
        return body


def command_json(command: NewCommand) -> dict[str, JsonValue]:
    """``{name, description?, template, agent?, model?, subtask?}``: never a null."""
    fields: dict[str, JsonValue] = {
        "name": command.name,
        "description": command.description,
        "template": command.template,
        "agent": command.agent,
        "model": command.model,
        "subtask": command.subtask,
    }
    return {key: value for key, value in fields.items() if value is not None}


def command_from_text(name: str | None, content: str) -> NewCommand:
    """The command in a whole markdown file, as older clients send it.

    Raises:
        OpenWorkError: ``invalid_frontmatter`` 422; ``invalid_command`` 400 when it has no name.
    """
    document = frontmatter.parse(content, name=f"The command {name!r}")
    called = frontmatter.text_of(document.fields, "name") or name
    if called is None:
        raise OpenWorkError("invalid_command", "A command of the bundle has no name.", status=400)
    subtask = document.fields.get("subtask")
    return NewCommand(
        called,
        document.body,
        frontmatter.text_of(document.fields, "description"),
        frontmatter.text_of(document.fields, "agent"),
        frontmatter.text_of(document.fields, "model"),
        subtask if isinstance(subtask, bool) else None,
    )


def decode_file(path: str, content: str, encoding: Encoding | None, *, run: bool) -> PortableFile:
    """The file that a client describes.

    Args:
        path: Where it belongs.
        content: Its text, or base64.
        encoding: Which of the two; None is text.
        run: Whether it is executable.

    Raises:
        OpenWorkError: ``invalid_portable_file_path`` or ``invalid_portable_file`` 400.
    """
    place = portable_path(path)
    try:
        data = content.encode() if encoding is None else base64.b64decode(content, validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise OpenWorkError(
            "invalid_portable_file",
            f"The content of {place} cannot be stored: {error}.",
            status=400,
        ) from error
    return PortableFile(place, data, run)


def portable_path(text: str) -> str:
    """The path of a file that may travel.

    Raises:
        OpenWorkError: ``invalid_portable_file_path`` 400 unless it lies in ``.opencode/agents``,
            ``plugins`` or ``tools``, or in a skill's folder beside its ``SKILL.md``; for ``.env``
            files, ``node_modules`` and the like; for what ``normalize`` refuses.
    """
    try:
        path = normalize(text)
    except OpenWorkError as error:
        raise _bad_path(error.message) from error
    parts = path.split("/")
    if len(parts) > MAX_PATH_PARTS:
        raise _bad_path(f"{path!r} lies more than {MAX_PATH_PARTS} folders deep.")
    in_section = len(parts) > 2 and parts[0] == ".opencode" and parts[1] in FILE_SECTIONS
    if not in_section and not _beside_a_skill(parts):
        raise _bad_path(
            f"{path!r} is not in .opencode/agents, plugins, tools or the folder of a skill."
        )
    if not all(map(travels, parts)):
        raise _bad_path(f"{path!r} is of a kind that stays where it is.")
    return path


def travels(name: str) -> bool:
    """Whether a file or folder called ``name`` is exported and may be imported."""
    lower = name.lower()
    keys = lower.startswith(".env") or is_private(name)
    return not (keys or lower in _LEFT_OUT or is_temporary(name))


def require_little_front_matter(documents: Iterable[str], fields: Iterable[str]) -> None:
    """Refuse a bundle that would take too long to read.

    Args:
        documents: Markdown texts that may open with front matter.
        fields: Texts that will be written into front matter.

    Raises:
        OpenWorkError: ``bundle_too_large`` 413.
    """
    size = sum(map(frontmatter.front_characters, documents)) + sum(map(len, fields))
    if size > MAX_FRONT_MATTER_CHARACTERS:
        raise OpenWorkError(
            "bundle_too_large",
            f"The front matter of the bundle has {size:,} characters in all; at most "
            f"{MAX_FRONT_MATTER_CHARACTERS:,} are allowed.",
            hint="Import it in parts, or move long texts below the front matter.",
            status=413,
            details={"maxCharacters": MAX_FRONT_MATTER_CHARACTERS, "size": size},
        )


def require_distinct(kind: str, names: Iterable[str]) -> None:
    """Refuse two names that one file system would take for the same, or one below the other.

    Raises:
        OpenWorkError: ``invalid_payload`` 400.
    """
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise OpenWorkError(
                "invalid_payload", f"The {kind} {name!r} is in the bundle twice.", status=400
            )
        seen.add(name.casefold())
    for name in seen:
        parts = name.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in seen:
                raise OpenWorkError(
                    "invalid_payload",
                    f"The {kind} {name!r} lies below another one of the bundle.",
                    status=400,
                )


def _beside_a_skill(parts: list[str]) -> bool:
    if len(parts) < 4 or tuple(parts[:2]) != SKILLS_FOLDER:
        return False
    beside = parts[3].casefold() != SKILL_FILE_NAME.casefold() or len(parts) > 4
    return beside and _names_a_skill(parts[2])


def _names_a_skill(name: str) -> bool:
    try:
        return checked_name(name) == name
    except OpenWorkError:
        return False


def _bad_path(message: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_portable_file_path",
        message,
        hint="For example: .opencode/agents/reviewer.md",
        status=400,
    )
