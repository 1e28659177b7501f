"""Skills of a GitHub repository: which there are, and which files one has. No I/O.

What a repository says is not trusted: every path of its tree is checked, links are refused, sizes
are bounded before a byte is fetched, and content must hash to what the tree promised. The wire
format is that of GitHub's REST API: "Get a commit", "Get a tree".
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter, skills
from openwork.workspace.names import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.workspace.jsonc import JsonValue

FOLDER = "skills"
MAX_SKILLS = 500
MAX_TREE_FILES = 20_000
MAX_DOCUMENT_BYTES = 200_000
MAX_FILES = 200
MAX_FILE_BYTES = 2_000_000
MAX_SKILL_BYTES = 8_000_000
MODES = {"100644": 0o644, "100664": 0o644, "100755": 0o755}
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_REPO = re.compile(r"[A-Za-z0-9._-]{1,100}")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A GitHub repository at a branch, tag or commit."""

    owner: str
    repo: str
    ref: str

    def __post_init__(self) -> None:
        if (
            not _OWNER.fullmatch(self.owner)
            or not _REPO.fullmatch(self.repo)
            or not _REF.fullmatch(self.ref)
            or set(self.repo) == {"."}
            or any(part in {"", ".", ".."} for part in self.ref.split("/"))
        ):
            raise OpenWorkError(
                "invalid_payload",
                "owner, repo and ref must name a GitHub repository and a branch, tag or commit.",
                hint=f"For example: owner={HUB.owner} repo={HUB.repo} ref={HUB.ref}",
                status=400,
            )

    def __str__(self) -> str:
        return f"{self.owner}/{self.repo}@{self.ref}"

    def to_json(self) -> dict[str, JsonValue]:
        """``{owner, repo, ref}``."""
        return {"owner": self.owner, "repo": self.repo, "ref": self.ref}


HUB = Repository("different-ai", "openwork-hub", "main")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a repository.

    Attributes:
        path: From the top of the repository.
        sha: Git's hash of its content.
        size: Bytes.
        mode: Permission bits; None for a symbolic link or a repository inside.
    """

    path: str
    sha: str
    size: int
    mode: int | None


@dataclass(frozen=True, slots=True)
class HubSkill:
    """A skill of a catalogue, as its ``SKILL.md`` describes it."""

    name: str
    description: str
    trigger: str | None
    path: str

    def to_json(self, source: Repository) -> dict[str, JsonValue]:
        """``{name, description, trigger?, source {owner, repo, ref, path}}``."""
        body: dict[str, JsonValue] = {"name": self.name, "description": self.description}
        if self.trigger is not None:
            body["trigger"] = self.trigger
        body["source"] = {**source.to_json(), "path": self.path}
        return body


@dataclass(frozen=True, slots=True)
class Fetched:
    """A skill's files, ready to be written.

    Attributes:
        name: The skill.
        files: Content and permission bits by the path inside the skill's folder.
    """

    name: str
    files: Mapping[str, tuple[bytes, int]]


def parse_commit(data: bytes) -> str:
    """The full hash in GitHub's answer of type ``application/vnd.github.sha``.

    Raises:
        ValueError: It is none.
    """
    sha = data.decode("ascii", "replace").strip()
    if not _SHA.fullmatch(sha):
        raise ValueError("it did not name a commit")
    return sha


def parse_tree(value: object) -> list[TreeFile]:
    """The files below ``skills/`` in GitHub's answer to ``GET …/git/trees/{sha}?recursive=1``.

    Raises:
        ValueError: The answer is of another shape, or cut short.
    """
    tree = cast("dict[str, object]", value).get("tree") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(tree, list):
        raise ValueError("it sent no tree")  # noqa: TRY004  # about what came, not about a type
    if cast("dict[str, object]", value).get("truncated"):
        raise ValueError("the repository has too many files to list")
    files: list[TreeFile] = []
    for each in cast("list[object]", tree):
        entry = cast("dict[str, object]", each) if isinstance(each, dict) else {}
        path, sha, kind = entry.get("path"), entry.get("sha"), entry.get("type")
        if not isinstance(path, str) or not path.startswith(f"{FOLDER}/") or kind == "tree":
            continue
        size, mode = entry.get("size", 0), MODES.get(str(entry.get("mode")))
        if not isinstance(sha, str) or not _SHA.fullmatch(sha):
            raise ValueError(f"{path!r} has no hash")
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{path!r} has no size")
        files.append(TreeFile(path, sha, size, mode if kind == "blob" else None))
        if len(files) > MAX_TREE_FILES:
            raise ValueError(f"there are more than {MAX_TREE_FILES:,} files of skills")
    return files


def skill_files(tree: list[TreeFile]) -> list[TreeFile]:
    """The ``SKILL.md`` of each skill that could be installed, at most ``MAX_SKILLS``."""
    found: list[TreeFile] = []
    for each in tree:
        parts = each.path.split("/")
        if len(parts) != 3 or parts[2] != skills.FILE_NAME or each.mode is None:
            continue
        if skills.is_name(parts[1]) and each.size <= MAX_DOCUMENT_BYTES:
            found.append(each)
    return found[:MAX_SKILLS]


def describe(file: TreeFile, data: bytes) -> HubSkill | None:
    """The skill in a ``SKILL.md``; None when it is not valid, as local lists leave such out."""
    name = file.path.split("/")[1]
    try:
        document = frontmatter.parse_bytes(data, name=file.path)
        described = skills.describe(document, folder=name)
    except OpenWorkError:
        return None
    return HubSkill(name, described.description, described.trigger, f"{FOLDER}/{name}")


def files_of(tree: list[TreeFile], name: str) -> dict[str, TreeFile]:
    """The files of one skill by their path inside its folder; empty when there is none.

    Raises:
        OpenWorkError: ``hub_install_failed`` 502 for a path that no workspace may hold, a symbolic
            link, too many files or too many bytes.
    """
    top = f"{FOLDER}/{name}/"
    found: dict[str, TreeFile] = {}
    for each in tree:
        if each.path.startswith(top):
            inner = each.path.removeprefix(top)
            _check_path(name, inner, each)
            found[inner] = each
    if skills.FILE_NAME not in found:
        return {}
    if len({path.casefold() for path in found}) != len(found):
        raise failed(name, "two of its files differ only in upper and lower case")
    if len(found) > MAX_FILES:
        raise failed(name, f"it has {len(found):,} files; at most {MAX_FILES:,} are taken")
    size = sum(each.size for each in found.values())
    if size > MAX_SKILL_BYTES:
        raise failed(name, f"it has {size:,} bytes; at most {MAX_SKILL_BYTES:,} are taken")
    return found


def check_content(file: TreeFile, data: bytes) -> None:
    """Compare what came with what the tree promised.

    Raises:
        ValueError: It is something else.
    """
    head = b"blob %d\0" % len(data)
    if hashlib.sha1(head + data, usedforsecurity=False).hexdigest() != file.sha:
        raise ValueError(f"{file.path!r} is not what the repository's tree says it is")


def check_skill(fetched: Fetched) -> None:
    """Refuse a skill that would be left out of every list.

    Raises:
        OpenWorkError: ``hub_install_failed`` 502.
    """
    data = fetched.files[skills.FILE_NAME][0]
    try:
        document = frontmatter.parse_bytes(data, name=skills.FILE_NAME)
        skills.describe(document, folder=fetched.name)
    except OpenWorkError as error:
        raise failed(fetched.name, error.message) from error


def failed(name: str, reason: str) -> OpenWorkError:
    """502 ``hub_install_failed``: nothing was written."""
    return OpenWorkError(
        "hub_install_failed",
        f"The skill {name!r} cannot be installed: {reason}.",
        hint="Nothing was changed.",
        status=502,
    )


def _check_path(name: str, inner: str, file: TreeFile) -> None:
    try:
        usable = normalize(f"{name}/{inner}") == f"{name}/{inner}"
    except OpenWorkError as error:
        raise failed(name, error.message) from error
    if not usable:
        raise failed(name, f"{inner!r} cannot be a path in a workspace")
    if file.mode is None:
        raise failed(name, f"{inner!r} is a symbolic link or a repository of its own")
    if file.size > MAX_FILE_BYTES:
        raise failed(name, f"{inner!r} has {file.size:,} bytes; at most {MAX_FILE_BYTES:,}")
