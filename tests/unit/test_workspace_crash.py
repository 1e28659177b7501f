"""A process that is killed at any step of a write leaves each file whole, old or new."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from openwork.workspace.artifacts import outbox
from openwork.workspace.catalog import Catalog, CatalogQuery
from openwork.workspace.inbox import inbox
from openwork.workspace.paths import WorkspaceRoot

OLD, NEW = b"old" * 40_000, b"new" * 50_000

# Writes a batch and keeps an upload, but dies at the step with the given number. What counts as a
# step: whatever the interpreter announces of files, and the calls it does not announce.
VICTIM = """
import io, json, os, signal, sys
from openwork.workspace import file_writes, inbox, paths
root = paths.WorkspaceRoot(sys.argv[1])
left = int(sys.argv[2])
def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def announced(event, _):
    if event in {"open", "os.rename", "os.chmod", "os.remove", "os.mkdir", "os.utime"}:
        step()
for name in ("fsync", "fstat"):
    def counted(*args, real=getattr(os, name)):
        step()
        result = real(*args)
        step()
        return result
    setattr(os, name, counted)
sys.addaudithook(announced)
new = b"new" * 50_000
names = ("a", "b", "made/c")
ready, _ = file_writes.plan_writes(root, [file_writes.FileWrite(name, new) for name in names])
for each in ready:
    file_writes.write_file(each)
files = inbox.inbox(root)
for name in ("up", "sub/made"):
    inbox.keep(files, inbox.destination(files, name), io.BytesIO(new))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_step_each_file_is_whole_and_nothing_half_written_is_listed(tmp_path):
    outcomes: set[str] = set()
    step, code, root = 0, -signal.SIGKILL, WorkspaceRoot(tmp_path)
    while code == -signal.SIGKILL:
        step += 4 if step > 12 else 1  # the first file's steps one by one, then some of each
        folder = tmp_path / str(step)
        (folder / ".opencode/openwork/inbox").mkdir(parents=True)
        for name in ("a", "b", ".opencode/openwork/inbox/up"):
            (folder / name).write_bytes(OLD)
        done = subprocess.run([sys.executable, "-c", VICTIM, str(folder), str(step)], check=False)
        code = done.returncode
        root = WorkspaceRoot(folder)
        listed = [item.path for item in Catalog(root).page(CatalogQuery()).items]
        items = [item.path for item in inbox(root).list().items]
        assert not [each for each in (*listed, *items) if "openwork-" in each]
        states = {}
        for name in ("a", "b", "made/c", ".opencode/openwork/inbox/up"):
            place = folder / name
            states[name] = place.read_bytes() if place.exists() else None
            assert states[name] in {OLD, NEW, None}, (step, name)
        assert states["a"] is not None
        assert states["b"] is not None
        outcomes.add(json.dumps([state == NEW for state in states.values()]))
    assert code == 0
    assert step > 30
    assert len(outcomes) == 5  # each file on its own, in turn
    assert outbox(root).list().items == ()
