"""Kill an import at each of its file operations in turn; a program, because it forks.

Prints one JSON line for each, ``{"step", "state": old|new|torn, "undone", "left"}``; the last is
the import that was not killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.workspace import transaction
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGING_EVENTS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"})
OLD = {
    ".opencode/a": b"old a",
    ".opencode/skills/gone/SKILL.md": b"gone",
    ".opencode/skills/gone/deep/x": b"",
    "opencode.json": b"{}",
}
NEW = {
    ".opencode/a": b"new a",
    ".opencode/skills/fresh/SKILL.md": b"fresh",
    ".opencode/commands/c.md": b"c",
    "opencode.json": b'{"a": 1}',
}


def changes(root: WorkspaceRoot) -> list[transaction.FileChange]:
    wanted = []
    for name in sorted(OLD.keys() | NEW.keys()):
        path = root.top.child(*name.split("/"))
        old = path.read() if name in OLD else None
        wanted.append(transaction.FileChange(path, old, NEW.get(name)))
    return wanted


def lay_out(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in OLD.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def state_of(folder: Path) -> str:
    files = {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }
    folders = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_dir()}
    for name, wanted in (("old", OLD), ("new", NEW)):
        parents = {str(above) for path in wanted for above in Path(path).parents} - {"."}
        if files == wanted and folders == parents:
            return name
    return f"torn: {sorted(files)} {sorted(folders)}"


def import_and_die(root: WorkspaceRoot, journal: Path, step: int) -> None:
    planned = changes(root)
    left = step

    def hook(event: str, arguments: Sequence[object]) -> None:
        nonlocal left
        writes = event == "open" and int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGING_EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    transaction.apply(root, planned, journal)
    os._exit(0)


def main(base: Path) -> None:
    folder, journal = base / "workspace", base / "data" / "journal.json"
    step = 0
    killed = True
    while killed:
        step += 1
        lay_out(folder)
        root = WorkspaceRoot(folder)
        child = os.fork()
        if child == 0:
            import_and_die(root, journal, step)
        killed = os.waitpid(child, 0)[1] != 0
        undone = transaction.recover(root, journal)
        left = list(journal.parent.glob("*")) if journal.parent.exists() else []
        told = {"step": step, "state": state_of(folder), "undone": undone, "left": len(left)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()  # or the next child would write it again


if __name__ == "__main__":
    main(Path(sys.argv[1]))
