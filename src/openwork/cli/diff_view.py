"""A change as a person reads it at a prompt: the lines, without the patch's own headers."""

from __future__ import annotations

import re

# The engine's patches begin each file with `Index: PATH`, a rule, `--- PATH` and `+++ PATH`.
_INDEX = "Index: "
_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")


def readable_diff(diff: str, workspace: str) -> str:
    """The hunks of ``diff``; each file is named, from ``workspace``, when there are several.

    Args:
        diff: A patch in the unified format.
        workspace: The workspace's folder, or "" when not known.
    """
    several = sum(line.startswith(_INDEX) for line in diff.splitlines()) > 1
    shown: list[str] = []
    old = new = 0  # lines of the current hunk that are still to come
    for line in diff.splitlines():
        hunk = _HUNK.match(line)
        if old <= 0 and new <= 0 and hunk is None:
            if several and line.startswith(_INDEX):
                shown.append(_named(line.removeprefix(_INDEX), workspace))
            continue
        shown.append(line)
        if hunk is not None and old <= 0 and new <= 0:
            old, new = (int(hunk[each] or 1) for each in ("old", "new"))
            continue
        old -= line[:1] not in {"+", "\\"}
        new -= line[:1] not in {"-", "\\"}
    return "\n".join(shown)


def _named(path: str, workspace: str) -> str:
    return path.removeprefix(f"{workspace}/") if workspace else path
