"""Half-written files that a kill has left: removed at the start where the server itself writes.

Elsewhere, the next write to their folder removes them: see ``temporary``. The work is bounded: a
start must not take longer because a workspace is large.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.workspace import descent, temporary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openwork.workspace.paths import WorkspaceRoot

logger = logging.getLogger(__name__)

MAX_FOLDERS = 50
MAX_NAMES = 500
_LEFT_OUT = frozenset({"node_modules", ".git"})


def sweep_all(roots: Iterable[WorkspaceRoot]) -> None:
    """Sweep the top of each workspace, and its ``.opencode`` from above. Logs what fails. Blocking.

    At most ``MAX_FOLDERS`` folders of a workspace are looked at, and ``MAX_NAMES`` names of each.
    """
    for root in roots:
        try:
            _sweep(root)
        except OpenWorkError as error:
            logger.warning("half-written files may be left in %s: %s", root.path, error.message)


def _sweep(root: WorkspaceRoot) -> None:
    waiting: deque[tuple[str, ...]] = deque([(), (".opencode",)])
    for _ in range(MAX_FOLDERS):
        if not waiting:
            return
        parts = waiting.popleft()
        try:
            with (
                descent.told_as_openwork_errors("/".join(parts)),
                descent.open_folder(root.path, parts) as folder,
            ):
                subfolders = temporary.sweep(folder, MAX_NAMES)
        except OpenWorkError as error:
            # No such folder, or a link: where it leads to is swept when it is written to.
            if error.code in {"file_not_found", "invalid_path"}:
                continue
            raise
        if parts:
            waiting.extend((*parts, name) for name in sorted(subfolders) if name not in _LEFT_OUT)
