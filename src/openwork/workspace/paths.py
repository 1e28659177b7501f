"""Safe paths: the only way to files of a workspace.

A ``SafePath`` says where in which root; each use resolves it anew. Symbolic links whose target
really lies under the root are followed, others are refused, and the resolved path is opened
without following any link (``descent``), so that a link swapped in after the check does not count.
A link that leads outside is refused in the same words whether or not its target exists.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import descent
from openwork.workspace.names import invalid_path, normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

__all__ = [
    "Entry",
    "FileContent",
    "FileStat",
    "SafePath",
    "WorkspaceRoot",
    "normalize",
    "resolve_directory",
]

Kind = Literal["file", "dir", "symlink", "other"]


@dataclass(frozen=True, slots=True)
class FileStat:
    """What a path holds.

    Attributes:
        kind: ``file``, ``dir``, ``other``, or of an entry also ``symlink``.
        size: Bytes; 0 for a folder.
        mtime_ns: Time of the last change, nanoseconds since the epoch.
        mode: Permission bits.
    """

    kind: Kind
    size: int
    mtime_ns: int
    mode: int

    @property
    def mtime_ms(self) -> float:
        """The wire's ``updatedAt`` and ``mtimeMs``: milliseconds with their fraction."""
        return self.mtime_ns / 1e6

    @property
    def revision(self) -> str:
        """The wire's ``revision``: ``<whole milliseconds>:<size>``."""
        return f"{self.mtime_ns // 1_000_000}:{self.size}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder: its path, and what it is with links not followed."""

    path: SafePath
    stat: FileStat


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's bytes, and the state of the same open file they were read from."""

    data: bytes
    stat: FileStat


@dataclass(frozen=True, slots=True, init=False)
class WorkspaceRoot:
    """A workspace's folder.

    Attributes:
        path: Its real path: absolute, links resolved when the object was made.

    Raises:
        OpenWorkError: ``workspace_not_found`` when there is no such folder.
    """

    path: Path

    def __init__(self, path: Path | str) -> None:
        try:
            real = Path(path).resolve(strict=True)
            missing = not real.is_dir()
        except (OSError, ValueError, RuntimeError):
            real, missing = Path(path), True
        if missing:
            raise OpenWorkError(
                "workspace_not_found",
                f"The workspace folder {path} does not exist.",
                hint="Create the folder, or remove the workspace from the configuration.",
                status=404,
            )
        object.__setattr__(self, "path", real)

    @property
    def top(self) -> SafePath:
        """The root folder itself."""
        return SafePath(self, ())

    def at(self, text: str) -> SafePath:
        """The path that a client's ``text`` names.

        Raises:
            OpenWorkError: ``invalid_path``, see ``normalize``.
        """
        return SafePath(self, tuple(normalize(text).split("/")))


@dataclass(frozen=True, slots=True)
class SafePath:
    """A path inside a workspace. Every method does its own resolving and checking.

    All methods raise ``OpenWorkError``: ``invalid_path`` 400 (leads outside, or is of the wrong
    kind), ``file_not_found`` 404, ``file_access_denied`` 403, ``file_operation_failed`` 500.

    Attributes:
        root: The workspace.
        parts: Names below the root, none of them ``.``, ``..``, empty, or with a slash in it.
    """

    root: WorkspaceRoot
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            if part in {"", ".", ".."} or "/" in part or "\0" in part:
                raise invalid_path(self.relative, f"{part!r} is not a name")

    def __str__(self) -> str:
        return str(self.absolute)

    @property
    def relative(self) -> str:
        """The path below the root with ``/`` between parts; empty for the root itself."""
        return "/".join(self.parts)

    @property
    def absolute(self) -> Path:
        """For messages and audit entries. Opening it would go round every check."""
        return self.root.path.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """The last part; empty for the root itself."""
        return self.parts[-1] if self.parts else ""

    @property
    def parent(self) -> SafePath:
        """The folder above; the root's is the root."""
        return SafePath(self.root, self.parts[:-1])

    def child(self, *names: str) -> SafePath:
        """The path ``names`` below this one. Names are taken as they are, one part each."""
        return SafePath(self.root, (*self.parts, *names))

    def stat(self) -> FileStat | None:
        """What is there, links inside the root followed; None when there is nothing."""
        try:
            with self._folder(follow_last=True) as (folder, name):
                found = os.fstat(folder) if name is None else descent.lstat(folder, name)
        except OpenWorkError as error:
            if error.code == "file_not_found":
                return None
            raise
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise invalid_path(self.relative, "a symbolic link stands in the way")
        return None if found is None else _stat_of(found)

    def followed(self) -> SafePath:
        """The path that is meant once its links are followed."""
        with descent.told_as_openwork_errors(self.relative):
            return SafePath(self.root, self._resolve(follow_last=True))

    def is_file(self) -> bool:
        """Whether a regular file is there."""
        found = self.stat()
        return found is not None and found.kind == "file"

    def is_dir(self) -> bool:
        """Whether a folder is there."""
        found = self.stat()
        return found is not None and found.kind == "dir"

    @contextmanager
    def open(self, *, refuse: Callable[[str], None] | None = None) -> Generator[BinaryIO]:
        """The file, open for reading, for content too large to hold at once.

        ``refuse`` is given the file's path below the root, links followed, before that very file is
        opened, and raises to keep it closed.
        """
        with descent.told_as_openwork_errors(self.relative):
            *above, name = self._resolve(follow_last=True) or ("",)
            if not name:
                raise invalid_path(self.relative, "it is a folder")
            if refuse is not None:
                refuse("/".join((*above, name)))
            with descent.open_folder(self.root.path, tuple(above)) as folder:
                stream = descent.open_regular(folder, name)
        with stream:
            yield stream

    def read(
        self, *, max_bytes: int | None = None, refuse: Callable[[str], None] | None = None
    ) -> FileContent:
        """The file's content together with its state; ``refuse`` as ``open`` has it.

        Raises:
            OpenWorkError: ``file_too_large`` 413 with ``{maxBytes, size}``.
        """
        with (
            descent.told_as_openwork_errors(self.relative),
            self.open(refuse=refuse) as stream,
        ):
            found = _stat_of(os.fstat(stream.fileno()))
            # One byte more shows a file that grew after its size was read.
            data = stream.read(-1 if max_bytes is None else max_bytes + 1)
        size = max(found.size, len(data))
        if max_bytes is not None and size > max_bytes:
            raise OpenWorkError(
                "file_too_large",
                f"{self.relative} has {size:,} bytes; at most {max_bytes:,} are allowed.",
                status=413,
                details={"maxBytes": max_bytes, "size": size},
            )
        return FileContent(data, found)

    def read_bytes(self, *, max_bytes: int | None = None) -> bytes:
        """The file's content. Errors as ``read``."""
        return self.read(max_bytes=max_bytes).data

    @contextmanager
    def replacing(self, *, mode: int | None = None) -> Generator[BinaryIO]:
        """A stream whose bytes replace the file atomically when the block ends without an error.

        Parent folders are made. ``mode`` None keeps the permission bits of the file replaced.
        """
        with self._folder(follow_last=True, create=True) as (folder, name):
            if name is None:
                raise invalid_path(self.relative, "it is a folder")
            with descent.replacing(folder, name, mode=mode) as stream:
                yield stream

    def write_bytes(self, data: bytes, *, mode: int | None = None) -> FileStat:
        """Replace the file's content atomically; the state of what was written."""
        with self.replacing(mode=mode) as stream:
            stream.write(data)
            stream.flush()
            return _stat_of(os.fstat(stream.fileno()))

    def make_dir(self) -> None:
        """Make the folder and those above it; nothing happens when it exists."""
        with self._folder(follow_last=True, create=True) as (folder, name):
            if name is not None:
                with descent.open_folder(folder, [name], create=True):
                    pass

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the file, the link itself, or the folder (empty unless ``recursive``).

        Raises:
            OpenWorkError: ``directory_not_empty`` 409.
        """
        with self._folder(follow_last=False) as (folder, name):
            if name is None:
                raise invalid_path(self.relative, "the workspace folder itself cannot be deleted")
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=folder)
            elif recursive:
                descent.remove_tree(folder, name)
            else:
                os.rmdir(name, dir_fd=folder)

    def rename_to(self, target: SafePath) -> None:
        """Move to ``target``, replacing a file there; its parent folders are made.

        Links are moved, not followed. ``target`` must be of the same root.

        Raises:
            OpenWorkError: ``directory_not_empty`` 409 when ``target`` is a folder with content.
        """
        if target.root != self.root:
            raise invalid_path(target.relative, "it belongs to another workspace")
        with self._folder(follow_last=False) as (source_folder, source_name):
            if source_name is None:
                raise invalid_path(self.relative, "the workspace folder itself cannot be moved")
            os.stat(source_name, dir_fd=source_folder, follow_symlinks=False)
            with target._folder(follow_last=False, create=True) as (target_folder, target_name):
                if target_name is None:
                    raise invalid_path(target.relative, "it is the workspace folder")
                os.rename(
                    source_name, target_name, src_dir_fd=source_folder, dst_dir_fd=target_folder
                )
                descent.sync_folder(target_folder)

    def entries(self) -> list[Entry]:
        """What the folder holds, by name; without names that are not UTF-8: no JSON holds them."""
        found: list[Entry] = []
        with (
            self._folder(follow_last=True) as (folder, name),
            descent.open_folder(folder, [] if name is None else [name]) as here,
            os.scandir(here) as listing,
        ):
            for item in listing:
                state = descent.lstat(here, item.name)
                if state is not None and _is_utf8(item.name):
                    found.append(Entry(self.child(item.name), _stat_of(state)))
        return sorted(found, key=lambda entry: entry.path.name)

    def walk(self, skip: Callable[[Entry], bool] = lambda _entry: False) -> Iterator[Entry]:
        """Everything below the folder, a folder before its content; links are listed, not followed.

        ``skip`` leaves an entry out, with all below it. A folder that vanishes meanwhile is empty.
        """
        waiting: list[SafePath] = [self]
        while waiting:
            try:
                entries = waiting.pop().entries()
            except OpenWorkError as error:
                if error.code == "file_not_found":
                    continue
                raise
            kept = [entry for entry in entries if not skip(entry)]
            yield from kept
            waiting.extend(entry.path for entry in reversed(kept) if entry.stat.kind == "dir")

    @contextmanager
    def _folder(
        self, *, follow_last: bool, create: bool = False
    ) -> Generator[tuple[int, str | None]]:
        """The open folder that holds this path, and its name there (None for the root itself)."""
        with descent.told_as_openwork_errors(self.relative, creating=create):
            parts = self._resolve(follow_last=follow_last)
            with descent.open_folder(self.root.path, parts[:-1], create=create) as folder:
                yield folder, (parts[-1] if parts else None)

    def _resolve(self, *, follow_last: bool) -> tuple[str, ...]:
        """The path's names below the root after following links, which must stay under it."""
        if not self.parts:
            return ()
        try:
            if follow_last:
                real = Path(os.path.realpath(self.absolute))
            else:
                real = Path(os.path.realpath(self.parent.absolute)) / self.name
        except (ValueError, RecursionError) as error:
            raise invalid_path(self.relative, "its links cannot be resolved") from error
        if not real.is_relative_to(self.root.path):
            raise invalid_path(self.relative, "it leads out of the workspace")
        return real.relative_to(self.root.path).parts


def resolve_directory(root: WorkspaceRoot, candidate: str | Path) -> Path:
    """The real path of a folder that a client names, when it is the root or lies below it.

    Use the result, not ``candidate``: it holds no link that could be pointed elsewhere.

    Raises:
        OpenWorkError: ``workspace_unauthorized`` 403, alike for missing and for foreign folders.
    """
    real = _real_directory(root, candidate)
    if real is None:
        raise OpenWorkError(
            "workspace_unauthorized",
            f"{str(candidate)!r} is not a folder of this workspace.",
            hint=f"Name {root.path} or an existing folder below it.",
            status=403,
        )
    return real


def _real_directory(root: WorkspaceRoot, candidate: str | Path) -> Path | None:
    path = Path(candidate)
    if not path.is_absolute():
        return None
    try:
        real = path.resolve(strict=True)
        inside = real.is_relative_to(root.path) and real.is_dir()
    except (OSError, ValueError, RuntimeError):  # missing, not a path, a loop of links
        return None
    return real if inside else None


def _stat_of(found: os.stat_result) -> FileStat:
    kind: Kind = "other"
    if stat.S_ISREG(found.st_mode):
        kind = "file"
    elif stat.S_ISDIR(found.st_mode):
        kind = "dir"
    elif stat.S_ISLNK(found.st_mode):
        kind = "symlink"
    size = 0 if kind == "dir" else found.st_size
    return FileStat(kind, size, found.st_mtime_ns, stat.S_IMODE(found.st_mode))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
