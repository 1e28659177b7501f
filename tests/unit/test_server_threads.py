"""Readers that hold all their threads keep no change waiting, and no entry of the audit log."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

from openwork.server.approvals import Approvals
from openwork.server.audit import AuditLog
from openwork.server.auth import Actor
from openwork.server.gate import Gate
from openwork.server.registry import Workspace
from openwork.server.reload_events import ReloadEvents
from openwork.server.scope import Scope
from openwork.server.threads import Threads
from openwork.workspace.paths import WorkspaceRoot

MORE_THAN_THE_THREADS = 64


@asynccontextmanager
async def busy_readers():
    """Every thread for readers is held, and more wait, until the block ends."""
    asyncio.get_running_loop().set_default_executor(Threads())
    may_end = threading.Event()
    readers = [
        asyncio.create_task(asyncio.to_thread(may_end.wait)) for _ in range(MORE_THAN_THE_THREADS)
    ]
    await asyncio.sleep(0)
    try:
        yield readers
    finally:
        may_end.set()
        await asyncio.gather(*readers)


async def test_a_change_is_made_and_recorded_while_readers_hold_all_their_threads(tmp_path):
    audit = AuditLog(tmp_path / "data")
    gate = Gate(Approvals("auto", 1), audit, ReloadEvents(), read_only=False)
    workspace = Workspace("ws_a", "a", WorkspaceRoot(tmp_path), None)
    actor = Actor("remote", "hash", Scope.COLLABORATOR)
    async with busy_readers() as readers, asyncio.timeout(10):
        async with gate.change(actor, workspace, action="a", summary="s", paths=[]):
            await asyncio.to_thread((tmp_path / "made").write_text, "x")
        assert not any(each.done() for each in readers)
    (entry,) = await audit.tail("ws_a", 10)
    assert entry["outcome"] == "done"
    assert (tmp_path / "made").read_text() == "x"


async def test_after_a_change_a_caller_reads_among_the_readers_again(tmp_path):
    asyncio.get_running_loop().set_default_executor(Threads())
    gate = Gate(Approvals("auto", 1), AuditLog(tmp_path / "data"), ReloadEvents(), read_only=False)
    workspace = Workspace("ws_a", "a", WorkspaceRoot(tmp_path), None)
    actor = Actor("remote", "hash", Scope.COLLABORATOR)
    async with gate.change(actor, workspace, action="a", summary="s", paths=[]):
        inside = await asyncio.to_thread(lambda: threading.current_thread().name)
    outside = await asyncio.to_thread(lambda: threading.current_thread().name)
    assert (inside.partition("_")[0], outside.partition("_")[0]) == ("changing", "reading")
