"""What ``GET config`` answers, kept until a file changes: a large one takes long to parse and hide.

What is kept is found by the files' content, so that it is never older than they are.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from openwork.workspace.config import ConfigFiles, read_files
from openwork.workspace.secrets import redact

if TYPE_CHECKING:
    from openwork.server.registry import Workspace

MOST_KEPT_BYTES = 16_000_000


class ConfigAnswers:
    """Of all workspaces. Belongs to the event loop."""

    def __init__(self) -> None:
        """Nothing is kept."""
        self._kept: OrderedDict[tuple[str, bool], tuple[str, bytes]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def read(self, workspace: Workspace, *, hide: bool) -> bytes:
        """``{opencode, openwork}`` as JSON; with ``hide`` every secret is ``***``.

        One at a time in a workspace: those who ask at once are answered from the same work.

        Raises:
            OpenWorkError: As ``read_files`` and ``ConfigFiles.parse``.
        """
        async with self._locks.setdefault(workspace.id, asyncio.Lock()):
            files = await asyncio.to_thread(read_files, workspace.root)
            key, digest = (workspace.id, hide), files.digest
            found = self._kept.get(key)
            if found is not None and found[0] == digest:
                self._kept.move_to_end(key)
                return found[1]
            body = await asyncio.to_thread(_body, files, hide=hide)
            self._kept[key] = digest, body
            self._kept.move_to_end(key)
            while sum(len(each) for _, each in self._kept.values()) > MOST_KEPT_BYTES:
                self._kept.popitem(last=False)
            return body

    def forget(self, workspace_id: str) -> None:
        """The workspace is no longer served."""
        self._locks.pop(workspace_id, None)
        for hide in (True, False):
            self._kept.pop((workspace_id, hide), None)


def _body(files: ConfigFiles, *, hide: bool) -> bytes:
    values = files.parse()
    shown = {key: redact(each) for key, each in values.items()} if hide else values
    return json.dumps(shown, allow_nan=False, separators=(",", ":")).encode()
