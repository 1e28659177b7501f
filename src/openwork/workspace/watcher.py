"""What the engine reads of a workspace when it starts: where it lies, and what changed in it.

A scan takes a fingerprint of each such file; two scans compared say what changed. Nothing here
waits for changes: who is told that *something* changed takes another scan.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace.temporary import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from openwork.workspace.paths import Kind, SafePath, WorkspaceRoot

Reason = Literal["plugins", "skills", "config", "agents", "commands"]
Action = Literal["added", "removed", "updated"]
Parts = tuple[str, ...]

FILES: dict[Parts, Reason] = {
    ("opencode.json",): "config",
    ("opencode.jsonc",): "config",
    ("AGENTS.md",): "agents",
    (".opencode", "openwork.json"): "config",
    (".opencode", "opencode.json"): "config",
    (".opencode", "opencode.jsonc"): "config",
}
# The engine takes the singular names too.
TREES: dict[Parts, Reason] = {
    (".opencode", "skills"): "skills",
    (".opencode", "skill"): "skills",
    (".opencode", "commands"): "commands",
    (".opencode", "command"): "commands",
    (".opencode", "plugins"): "plugins",
    (".opencode", "plugin"): "plugins",
    (".opencode", "agents"): "agents",
    (".opencode", "agent"): "agents",
    (".claude", "skills"): "skills",
}
IGNORED_FOLDERS = frozenset({".git", "node_modules"})
IGNORED_FILES = frozenset({".DS_Store", "Thumbs.db"})
# Larger files are known by size and times alone.
MOST_HASHED_BYTES = 1 << 20
# A file changed this recently may change again without its times showing it.
FRESH_NS = 1_000_000_000
# More than any workspace has: what lies beyond is not looked at.
MOST_FILES = 5_000
MOST_FOLDERS = 500
SKILL_FILE = "SKILL.md"


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is never looked at: tools' own, and half-written."""
    return (
        name in IGNORED_FOLDERS
        or name in IGNORED_FILES
        or is_temporary(name)
        or (name.startswith(".") and name.endswith((".tmp", ".swp", ".swx")))
        or name.endswith("~")
    )


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's content.

    Attributes:
        digest: Equal for equal content.
        state: What the file looked like from outside; while that stays, so does the content. None
            when it was too fresh to be trusted.
    """

    digest: bytes
    state: tuple[int, ...] | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """The names in a folder.

    Attributes:
        state: While this stays, so do the names; None when it was too fresh to be trusted.
        entries: Each name, and what it is.
    """

    state: tuple[int, ...] | None
    entries: tuple[tuple[str, Kind], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one scan found.

    Attributes:
        files: By their names below the workspace's folder.
        folders: The folders whose changes matter, each with what tells it from another of its name.
        names: Which names matter in a folder; a folder that is missing here: all.
        complete: False when the limits were reached.
        listings: What the folders hold, for the next scan.
    """

    files: Mapping[Parts, Fingerprint]
    folders: Mapping[Path, tuple[int, int]]
    names: Mapping[Path, frozenset[str]]
    complete: bool = True
    listings: Mapping[Path, Listing] = field(default_factory=dict["Path", "Listing"])

    def concerns(self, path: Path) -> bool:
        """Whether a change of ``path`` may be one of what the engine reads."""
        if path in self.folders:
            return True
        if is_ignored(path.name) or path.parent not in self.folders:
            return False
        names = self.names.get(path.parent)
        return names is None or path.name in names


EMPTY = Snapshot({}, {}, {})


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that the engine should read again.

    Attributes:
        reason: What kind of thing.
        name: Of the skill, command, agent or plugin; None for a file of configuration.
        action: What happened to it.
        path: Its file, below the workspace's folder, with ``/`` between names.
        parts: The same in parts.
    """

    reason: Reason
    name: str | None
    action: Action
    path: str
    parts: Parts


def scan(root: WorkspaceRoot, previous: Snapshot = EMPTY) -> Snapshot:
    """What the workspace holds now. Blocking: some 50 microseconds a folder that did not change.

    Args:
        root: The workspace; its folder may be gone.
        previous: An earlier scan: files that look the same from outside are not read again.
    """
    return _Scan(root, previous).run()


def compare(old: Snapshot, new: Snapshot) -> list[Changed]:
    """What changed from ``old`` to ``new``, one for each skill, command, agent, plugin and file."""
    found: dict[tuple[Reason, str], Changed] = {}
    for parts in sorted(old.files.keys() | new.files.keys()):
        before, after = old.files.get(parts), new.files.get(parts)
        if before == after:
            continue
        action: Action = "updated"
        if before is None or after is None:
            action = "added" if before is None else "removed"
        changed = _thing(parts, action, old, new)
        key = (changed.reason, changed.name or changed.path)
        known = found.get(key)
        if known is None or (changed.parts[-1] == SKILL_FILE and known.parts[-1] != SKILL_FILE):
            found[key] = changed
    return list(found.values())


def _thing(parts: Parts, action: Action, old: Snapshot, new: Snapshot) -> Changed:
    path = "/".join(parts)
    if parts in FILES:
        return Changed(FILES[parts], None, action, path, parts)
    tree, below = parts[:2], parts[2:]
    reason = TREES[tree]
    if reason != "skills":
        return Changed(reason, Path(parts[-1]).stem, action, path, parts)
    for depth in (1, 2):  # flat, or in a folder of a category
        skill = (*tree, *below[:depth], SKILL_FILE)
        if len(below) > depth and (skill in old.files or skill in new.files):
            name = below[depth - 1]
            return Changed(reason, name, action if parts == skill else "updated", path, parts)
    return Changed(reason, below[0], "updated", path, parts)


class _Scan:
    def __init__(self, root: WorkspaceRoot, previous: Snapshot) -> None:
        self._root = root
        self._previous = previous
        self._files: dict[Parts, Fingerprint] = {}
        self._folders: dict[Path, tuple[int, int]] = {}
        self._names: dict[Path, set[str]] = {}
        self._listings: dict[Path, Listing] = {}
        self._complete = True

    def run(self) -> Snapshot:
        for parts in (*FILES, *TREES):
            for depth in range(len(parts)):
                self._expect(self._root.top.child(*parts[:depth]), parts[depth])
        for parts in FILES:
            self._file(self._root.top.child(*parts))
        for parts in TREES:
            for file in self._below(self._root.top.child(*parts), frozenset()):
                self._file(file)
        names = {folder: frozenset(each) for folder, each in self._names.items()}
        return Snapshot(self._files, self._folders, names, self._complete, self._listings)

    def _expect(self, folder: SafePath, name: str) -> None:
        """A change of ``name`` in ``folder`` matters, whether it is there or not."""
        real = self._watch(folder)
        if real is not None:
            self._names.setdefault(real, set()).add(name)

    def _below(self, folder: SafePath, above: frozenset[Path]) -> Iterator[SafePath]:
        """The files in ``folder`` and below it; links inside the workspace are followed."""
        real = self._watch(folder)
        if real is None or real in above:
            return
        self._names.pop(real, None)  # every name in it matters
        for name, kind in self._entries(folder, real):
            path = folder.child(name)
            if kind == "dir" or (kind == "symlink" and _is_dir(path)):
                yield from self._below(path, above | {real})
            elif kind != "other":
                yield path

    def _entries(self, folder: SafePath, real: Path) -> tuple[tuple[str, Kind], ...]:
        """What ``folder`` holds that is not ignored; listed only when it may be something else."""
        try:
            found = real.stat()
            state = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            known = self._previous.listings.get(real)
            if known is None or known.state != state:
                kept = [each for each in folder.entries() if not is_ignored(each.path.name)]
                entries: list[tuple[str, Kind]] = [
                    (each.path.name, each.stat.kind) for each in kept
                ]
                known = Listing(None if _is_fresh(found.st_ctime_ns) else state, tuple(entries))
        except (OSError, OpenWorkError):  # gone or closed to us since it was looked at
            return ()
        self._listings[real] = known
        return known.entries

    def _watch(self, folder: SafePath) -> Path | None:
        """The folder's real path; None: no folder, outside, closed to us, or one too many."""
        real = Path(os.path.realpath(folder.absolute))
        if real in self._folders:
            return real
        try:
            found = real.stat()
        except OSError:
            return None
        identity = (found.st_dev, found.st_ino)
        # One that the last scan has let in is inside: its real path holds no link.
        if self._previous.folders.get(real) != identity and not _is_dir(folder):
            return None
        if not os.access(real, os.R_OK | os.X_OK):
            return None
        if len(self._folders) >= MOST_FOLDERS:
            self._complete = False
            return None
        self._folders[real] = identity
        return real

    def _file(self, file: SafePath) -> None:
        if len(self._files) >= MOST_FILES:
            self._complete = False
            return
        try:
            found = os.stat(file.absolute)  # noqa: PTH116  # only its times; reading is checked
        except (OSError, ValueError):
            return
        state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known = self._previous.files.get(file.parts)
        if known is None or known.state != state:
            digest = _digest(file, state)
            if digest is None:
                return
            known = Fingerprint(digest, None if _is_fresh(found.st_ctime_ns) else state)
        self._files[file.parts] = known
        self._follow(file)

    def _follow(self, file: SafePath) -> None:
        """The target of a link matters as much as the link."""
        if not file.absolute.is_symlink():
            return
        target = Path(os.path.realpath(file.absolute))
        parent = target.parent
        if not parent.is_relative_to(self._root.path):
            return
        known = parent in self._folders and parent not in self._names
        below = parent.relative_to(self._root.path).parts
        if not known and self._watch(self._root.top.child(*below)) is not None:
            self._names.setdefault(parent, set()).add(target.name)


def _is_fresh(ctime_ns: int) -> bool:
    return time.time_ns() - ctime_ns < FRESH_NS


def _is_dir(path: SafePath) -> bool:
    try:
        return path.is_dir()
    except OpenWorkError:  # a link that leads out
        return False


def _digest(file: SafePath, state: tuple[int, ...]) -> bytes | None:
    """The fingerprint of a file's content; None when there is no file any more."""
    try:
        if state[1] > MOST_HASHED_BYTES:
            return repr(state).encode()
        data = file.read_bytes(max_bytes=MOST_HASHED_BYTES)
    except OpenWorkError as error:
        # A file that may not be read is one too: it changes when it may be read again.
        return None if error.code == "file_not_found" else error.code.encode()
    return hashlib.blake2b(data, digest_size=16).digest()
