"""Changes of several files that a crash interrupted: where their journals lie, when undone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from openwork.server.registry import Workspace

logger = logging.getLogger(__name__)


def journal_of(data_dir: Path, workspace: Workspace) -> Path:
    """Where a change of several files of ``workspace`` notes how to undo it."""
    return data_dir / "journals" / f"{workspace.id}.json"


def recover_interrupted(data_dir: Path, workspaces: Iterable[Workspace]) -> None:
    """Undo the changes that a crash left half done; one that cannot be is logged. Blocking.

    For the start: nothing else may be changing the workspaces.
    """
    for workspace in workspaces:
        try:
            transaction.recover(workspace.root, journal_of(data_dir, workspace))
        except OpenWorkError as error:
            logger.error("%s %s", error.message, error.hint or "")  # noqa: TRY400  # told, not traced
