"""What batches of a file session share: their limits, the paths they take, how an item fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from openwork.workspace.temporary import refuse_temporary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from openwork.common.errors import OpenWorkError
    from openwork.workspace.paths import SafePath, WorkspaceRoot

MAX_ITEMS = 64
MAX_FILE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be done; the rest of its batch goes on.

    Attributes:
        named: What the item was, as its success would tell it: ``path``, or ``type`` and more.
        code: ``file_not_found``, ``conflict``, …
        message: For people.
        facts: ``maxBytes``, ``size``, ``expectedRevision``, …
    """

    named: Mapping[str, Any]
    code: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """``{ok: false, …named, code, message, …facts}``."""
        return {"ok": False, **self.named, "code": self.code, "message": self.message, **self.facts}

    @staticmethod
    def of(
        error: OpenWorkError, named: Mapping[str, Any], kept: Collection[str], otherwise: str
    ) -> Failure:
        """What ``error`` means for an item: its code when among ``kept``, else ``otherwise``."""
        code = error.code if error.code in kept else otherwise
        facts = cast("Mapping[str, Any]", error.details or {})
        return Failure(named, code, error.message, facts)


def place_of(root: WorkspaceRoot, path: str) -> SafePath:
    """The path a client names.

    Raises:
        OpenWorkError: ``invalid_path`` 400: it leads out, or no system could hold it. The whole
            batch is refused: whoever sends one is mistaken about more than this item.
    """
    return refuse_temporary(root.at(path))
