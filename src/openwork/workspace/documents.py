"""Folders with one markdown file a thing, named after it: commands and agents.

Listing leaves out what cannot be read and says so; a change is planned whole, then applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter
from openwork.workspace.frontmatter import Problem
from openwork.workspace.temporary import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openwork.workspace.frontmatter import Document
    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath

SUFFIX = ".md"


class Listed(Protocol):
    """What a listing can hold."""

    def to_json(self) -> dict[str, JsonValue]:
        """As clients see it."""
        ...


Item = TypeVar("Item", bound=Listed)
Action = Literal["added", "updated"]


@dataclass(frozen=True)  # slots with Generic fail when made as Listing[...]()
class Listing(Generic[Item]):
    """What some folders hold.

    Attributes:
        items: What could be read.
        problems: The files left out, and why.
    """

    items: list[Item]
    problems: list[Problem]

    def to_json(self) -> dict[str, JsonValue]:
        """``{items, problems?}``; clients that know no problems see the items as ever."""
        body: dict[str, JsonValue] = {"items": [item.to_json() for item in self.items]}
        if self.problems:
            body["problems"] = [problem.to_json() for problem in self.problems]
        return body


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """One file as it will be.

    Attributes:
        path: The file.
        data: Its new bytes.
        exists: Whether there is a file now.
    """

    path: SafePath
    data: bytes
    exists: bool

    @property
    def paths(self) -> tuple[SafePath, ...]:
        """All that changes."""
        return (self.path,)

    @property
    def action(self) -> Action:
        """What a reload event calls it."""
        return "updated" if self.exists else "added"

    def apply(self) -> Action:
        """Write it atomically, with the folders it needs. Errors as ``SafePath.write_bytes``."""
        self.path.write_bytes(self.data)
        return self.action


@dataclass(frozen=True, slots=True)
class PlannedRemoval:
    """A document as it goes, with its doubles.

    Attributes:
        path: What counts of it, or what would if it were there.
        gone: The files; none when it is not there.
        folders: Each of ``gone`` is a folder, which goes with all that is in it.
    """

    path: SafePath
    gone: tuple[SafePath, ...]
    folders: bool = False

    @property
    def paths(self) -> tuple[SafePath, ...]:
        """All that changes."""
        return self.gone or (self.path,)

    @property
    def action(self) -> Literal["removed"] | None:
        """What a reload event calls it; None when nothing is there to go."""
        return "removed" if self.gone else None

    def apply(self) -> Literal["removed"] | None:
        """Delete it. Errors as ``SafePath.delete``."""
        for each in self.gone:
            each.delete(recursive=self.folders)
        return self.action


def read_folder(folder: SafePath) -> Iterator[tuple[SafePath, Document] | Problem]:
    """Every ``*.md`` file of ``folder`` by name, or why it cannot be read; none for no folder."""
    try:
        entries = folder.entries()
    except OpenWorkError as error:
        if error.code != "file_not_found":
            yield problem_of(folder, error)
        return
    for entry in entries:
        name = entry.path.name
        if entry.stat.kind == "dir" or not name.endswith(SUFFIX) or is_temporary(name):
            continue
        try:
            yield entry.path, frontmatter.read(entry.path)
        except OpenWorkError as error:
            yield problem_of(entry.path, error)


def problem_of(path: SafePath, error: OpenWorkError) -> Problem:
    """Why ``path`` was left out."""
    return Problem(str(path), error.code, error.message)


def stem(path: SafePath) -> str:
    """The file's name without ``.md``."""
    return path.name.removesuffix(SUFFIX)


def name_of(path: SafePath, fields: Mapping[str, JsonValue]) -> str:
    """What the engine calls the document: the field ``name``, else the file's name."""
    return frontmatter.text_of(fields, "name") or stem(path)


def find(name: str, folders: Iterable[SafePath]) -> list[SafePath]:
    """The files whose document the engine calls ``name``; of those not readable, by their name.

    Raises:
        OpenWorkError: ``invalid_path`` when a folder leads out of the workspace.
    """
    found: list[SafePath] = []
    for folder in folders:
        if folder.stat() is None:
            continue
        for each in read_folder(folder):
            plain = folder.child(name + SUFFIX)
            if isinstance(each, Problem):
                if each.path == str(plain):
                    found.append(plain)
            elif name_of(each[0], each[1].fields) == name:
                found.append(each[0])
    return found


def place(name: str, new: SafePath, folders: Iterable[SafePath]) -> tuple[SafePath, bool]:
    """Where the document ``name`` is, or else ``new``, where it is to be made; whether it exists.

    Raises:
        OpenWorkError: ``name_taken`` 409 when the file to be made holds another document.
    """
    found = find(name, folders)
    if found:
        return found[0], True
    if new.stat() is not None:
        raise OpenWorkError(
            "name_taken",
            f"{new.relative} exists and holds a document of another name.",
            hint="Its front matter has a name of its own; change or delete that one.",
            status=409,
        )
    return new, False
