"""Making, deleting and moving files and folders as a batch, in the order they were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import Failure, place_of
from openwork.workspace.private_files import refuse_holding_private, refuse_private

if TYPE_CHECKING:
    from openwork.workspace.paths import SafePath, WorkspaceRoot

OperationType = Literal["mkdir", "delete", "rename"]
_KEPT_CODES = ("file_not_found", "file_access_denied", "invalid_path")


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks for; nothing in it has been checked.

    Attributes:
        type: ``mkdir``, ``delete`` or ``rename``; anything else fails.
        path: Of ``mkdir`` and ``delete``.
        source: Of ``rename``: what is moved.
        target: Of ``rename``: where to.
        recursive: Of ``delete``: a folder with all in it.
    """

    type: str
    path: str | None = None
    source: str | None = None
    target: str | None = None
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """An operation whose paths are safe.

    Attributes:
        type: What is done.
        place: To what.
        target: Of ``rename``: where to.
        recursive: See ``Operation``.
    """

    type: OperationType
    place: SafePath
    target: SafePath | None = None
    recursive: bool = False

    @property
    def places(self) -> tuple[SafePath, ...]:
        """The one or two paths it touches."""
        return (self.place,) if self.target is None else (self.place, self.target)

    @property
    def named(self) -> dict[str, Any]:
        """``{type, path}`` or ``{type, from, to}``."""
        if self.target is None:
            return {"type": self.type, "path": self.place.relative}
        return {"type": self.type, "from": self.place.relative, "to": self.target.relative}

    def to_json(self) -> dict[str, Any]:
        """Done: ``{ok, type, path}`` or ``{ok, type, from, to}``."""
        return {"ok": True, **self.named}


def plan_operation(
    root: WorkspaceRoot, operation: Operation, *, private: bool = True
) -> Step | Failure:
    """The operation with its paths, or why it can be refused already.

    That is ``invalid_operation`` for a type that does not exist, and ``file_access_denied`` for a
    private file unless ``private``. Whether a file is there is not asked yet: an operation before
    this one may put it there.

    Raises:
        OpenWorkError: ``invalid_path`` 400 for a path that no batch may hold.
    """
    match operation.type:
        case "mkdir":
            return Step("mkdir", place_of(root, operation.path or ""))
        case "delete":
            place = place_of(root, operation.path or "")
            step = Step("delete", place, recursive=operation.recursive)
        case "rename":
            source = place_of(root, operation.source or "")
            step = Step("rename", source, place_of(root, operation.target or ""))
        case other:
            text = "An operation's type is mkdir, delete or rename."
            return Failure({"type": other}, "invalid_operation", text)
    if not private:
        try:
            for place in step.places:
                refuse_private(place.relative)
        except OpenWorkError as error:
            return _failure(step, error)
    return step


def run_step(step: Step, *, private: bool = True) -> Failure | None:
    """Do it; None when it is done.

    A failure's code is ``file_not_found``, ``file_access_denied`` (also, unless ``private``, of a
    folder that holds a private file), ``invalid_path`` or ``operation_failed``.
    """
    try:
        if not private and step.type != "mkdir":
            refuse_holding_private(step.place)
        if step.target is not None:
            step.place.rename_to(step.target)
        elif step.type == "mkdir":
            step.place.make_dir()
        else:
            step.place.delete(recursive=step.recursive)
    except OpenWorkError as error:
        return _failure(step, error)
    return None


def _failure(step: Step, error: OpenWorkError) -> Failure:
    return Failure.of(error, step.named, _KEPT_CODES, "operation_failed")
