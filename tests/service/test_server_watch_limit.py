"""A system that grants no more watches: the server says so once and looks by itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys

import pytest

# In a user namespace of its own the limit is lowered for this process alone.
LIMIT = "echo 1 > /proc/sys/user/max_inotify_watches"
PROGRAM = """
import asyncio, logging, sys
from pathlib import Path
from openwork.server import watching
from openwork.server.registry import Registry, Workspace
from openwork.server.reload_events import ReloadEvents
from openwork.workspace.paths import WorkspaceRoot

async def main(folder):
    watching.POLL_S = 0.05
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
    (folder / ".opencode" / "skills").mkdir(parents=True)
    events = ReloadEvents()
    registry = Registry((), ())
    watch = watching.Watching(events, registry)
    registry.add(Workspace("ws_a", "a", WorkspaceRoot(folder), None))
    watch.start()
    async with asyncio.timeout(20):
        while not watch._polling:
            await asyncio.sleep(0.01)
        (folder / "opencode.json").write_text("{}")
        while not events.since("ws_a", 0):
            await asyncio.sleep(0.01)
    await watch.close()
    print("seen", events.since("ws_a", 0)[0]["reason"])

asyncio.run(main(Path(sys.argv[1])))
"""


def limited():
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run(
        [unshare, "-U", "-r", "sh", "-c", LIMIT], check=False, capture_output=True
    )
    return tried.returncode == 0


@pytest.mark.skipif(not limited(), reason="needs user namespaces with inotify limits (Linux)")
async def test_a_missing_watch_is_told_once_and_changes_are_found_all_the_same(tmp_path):
    script = f'{LIMIT}; exec "$0" -c "$1" "$2"'
    process = await asyncio.create_subprocess_exec(
        "unshare", "-U", "-r", "sh", "-c", script, sys.executable, PROGRAM, str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=dict(os.environ),
    )  # fmt: skip
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "seen config" in text
    assert text.count("WARNING") == 1
    assert "max_user_watches" in text
