"""Kill a change at each of its file operations in turn; a program, because it forks.

Takes a folder to work in and the change: ``import``, or ``install`` and ``update`` of a skill.
Prints one JSON line for each step, ``{"step", "state": old|new|torn, "undone", "left", "seen"}``:
what is there after it was undone, and the names of the files that were before; the last is the
change that was not killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.workspace import skill_install, transaction
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.skill_hub import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHANGING_EVENTS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"})
SKILL = ".opencode/skills/it"


@dataclass(frozen=True)
class Case:
    """A change of some files."""

    old: Mapping[str, bytes]
    new: Mapping[str, bytes]
    make: Callable[[WorkspaceRoot, Path, Case], object]


def make_import(root: WorkspaceRoot, journal: Path, case: Case) -> None:
    wanted = []
    for name in sorted(case.old.keys() | case.new.keys()):
        path = root.top.child(*name.split("/"))
        old = path.read() if name in case.old else None
        wanted.append(transaction.FileChange(path, old, case.new.get(name)))
    transaction.apply(root, wanted, journal)


def make_install(root: WorkspaceRoot, journal: Path, case: Case) -> None:
    files = {name.removeprefix(f"{SKILL}/"): (data, 0o644) for name, data in case.new.items()}
    files.pop("mine", None)
    skill_install.install(root, Fetched("it", files), journal, overwrite=True)


CASES = {
    "import": Case(
        {
            ".opencode/a": b"old a",
            ".opencode/skills/gone/SKILL.md": b"gone",
            ".opencode/skills/gone/deep/x": b"",
            "opencode.json": b"{}",
        },
        {
            ".opencode/a": b"new a",
            ".opencode/skills/fresh/SKILL.md": b"fresh",
            ".opencode/commands/c.md": b"c",
            "opencode.json": b'{"a": 1}',
        },
        make_import,
    ),
    "install": Case({}, {f"{SKILL}/SKILL.md": b"new", f"{SKILL}/bin/run": b"new"}, make_install),
    "update": Case(
        {f"{SKILL}/SKILL.md": b"old", f"{SKILL}/bin/run": b"old", f"{SKILL}/mine": b"mine"},
        {
            f"{SKILL}/SKILL.md": b"new",
            f"{SKILL}/bin/run": b"new",
            f"{SKILL}/docs/more.md": b"new",
            f"{SKILL}/mine": b"mine",
        },
        make_install,
    ),
}


def lay_out(folder: Path, case: Case) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in case.old.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def state_of(folder: Path, case: Case) -> str:
    files = {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }
    folders = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_dir()}
    for name, wanted in (("old", case.old), ("new", case.new)):
        parents = {str(above) for path in wanted for above in Path(path).parents} - {"."}
        if files == wanted and folders == parents:
            return name
    return f"torn: {sorted(files)} {sorted(folders)}"


def make_and_die(root: WorkspaceRoot, journal: Path, case: Case, step: int) -> None:
    left = step

    def hook(event: str, arguments: Sequence[object]) -> None:
        nonlocal left
        writes = event == "open" and int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGING_EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    case.make(root, journal, case)
    os._exit(0)


def main(base: Path, case: Case) -> None:
    folder, journal = base / "workspace", base / "data" / "journal.json"
    step = 0
    killed = True
    while killed:
        step += 1
        lay_out(folder, case)
        root = WorkspaceRoot(folder)
        child = os.fork()
        if child == 0:
            make_and_die(root, journal, case, step)
        killed = os.waitpid(child, 0)[1] != 0
        seen = sorted(each.name for each in folder.rglob("*") if each.is_file())
        undone = bool(transaction.recover(root, journal))
        left = list(journal.parent.glob("*")) if journal.parent.exists() else []
        told = {
            "step": step,
            "state": state_of(folder, case),
            "undone": undone,
            "left": len(left),
            "seen": seen,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()  # or the next child would write it again


if __name__ == "__main__":
    main(Path(sys.argv[1]), CASES[sys.argv[2]])
