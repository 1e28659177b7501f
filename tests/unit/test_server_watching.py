"""Real changes in real folders become reload events: one each."""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import asynccontextmanager

import pytest
import watchfiles

from openwork.server import reload_events
from openwork.server import watching as module
from openwork.server.registry import Registry, Workspace
from openwork.server.reload_events import ReloadEvents, ReloadTrigger
from openwork.server.watching import Watching
from openwork.workspace.paths import WorkspaceRoot
from tests.until import until


class Setup:
    def __init__(self, tmp_path):
        self.folder = tmp_path / "workspace"
        self.folder.mkdir()
        self.events = ReloadEvents()
        self.registry = Registry((), ())
        self.watching = Watching(self.events, self.registry)
        self.workspace = Workspace("ws_a", "a", WorkspaceRoot(self.folder), None)
        self.registry.add(self.workspace)

    def put(self, path, text="x"):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = file.with_name(".whole.tmp")  # else a scan may meet the file while it is empty
        whole.write_text(text)
        whole.replace(file)

    def seen(self, workspace="ws_a"):
        return [
            (each["reason"], each["trigger"].get("name"), each["trigger"].get("action"))
            for each in self.events.since(workspace, 0)
        ]

    async def settled(self):
        """Until what was done before is seen: a change of its own kind comes behind it."""
        await until(lambda: self.events.settled, pause_s=0.01)

    async def sees(self, *expected):
        await until(lambda: len(self.seen()) >= len(expected), pause_s=0.01)
        await self.settled()
        assert self.seen() == list(expected)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(reload_events, "DEBOUNCE_S", 0.15)
    monkeypatch.setattr(module, "STEP_MS", 10)
    monkeypatch.setattr(module, "LOOK_ROUND_MS", 200)


@pytest.fixture
async def setup(tmp_path, short):
    async with started(Setup(tmp_path)) as made:
        yield made


@asynccontextmanager
async def started(made):
    made.watching.start()
    await until(lambda: made.watching._watched["ws_a"].seen is not None, pause_s=0.01)
    try:
        yield made
    finally:
        await made.watching.close()


async def test_outside_edits_give_one_event_each_and_rewrites_none(setup):
    setup.put("opencode.json", "{}")
    await setup.sees(("config", None, "added"))
    setup.put("opencode.json", "{}")
    setup.put("other.txt")
    setup.put("AGENTS.md", "rules")
    await setup.sees(("config", None, "added"), ("agents", None, "added"))


async def test_folders_that_appear_later_and_what_is_in_them(setup):
    setup.put(".opencode/skills/notes/SKILL.md")
    await setup.sees(("skills", "notes", "added"))
    setup.put(".opencode/skills/notes/deep/er/a.py")
    await setup.sees(("skills", "notes", "added"), ("skills", "notes", "updated"))
    setup.put(".opencode/skills/notes/deep/er/a.py", "y")
    await until(lambda: len(setup.seen()) == 3, pause_s=0.01)
    shutil.rmtree(setup.folder / ".opencode")
    await until(lambda: setup.seen()[-1] == ("skills", "notes", "removed"), pause_s=0.01)
    setup.put(".opencode/skills/notes/SKILL.md")
    await until(lambda: setup.seen()[-1] == ("skills", "notes", "added"), pause_s=0.01)


async def test_many_changes_are_one_event_at_once_and_one_behind(setup, monkeypatch):
    setup.put(".opencode/commands/a.md")
    await setup.sees(("commands", "a", "added"))
    monkeypatch.setattr(reload_events, "DEBOUNCE_S", 1.0)
    setup.put(".opencode/commands/a.md", "0")
    await until(lambda: len(setup.seen()) == 2, pause_s=0.01)
    for n in range(5):
        setup.put(f".opencode/commands/a{n}.md", f"{n}")
    waiting = setup.events._pending
    await until(lambda: len(waiting.get(("ws_a", "commands"), ())) == 5, pause_s=0.01)
    assert len(setup.seen()) == 2
    await until(lambda: len(setup.seen()) == 3, pause_s=0.01)
    assert setup.seen()[-1] == ("commands", None, "added")
    assert not waiting


async def test_a_change_through_the_gate_is_one_event_and_hides_no_other(setup):
    setup.put("opencode.json", "{}")
    await setup.sees(("config", None, "added"))
    reload = ("mcp", ReloadTrigger("mcp", "files", "added"))
    config = setup.folder / "opencode.json"
    async with setup.events.own_change("ws_a", [config], reload):
        config.write_text('{"mcp": {}}')
        setup.put("AGENTS.md", "from outside, at the same time")
    assert setup.seen()[1:] == [("agents", None, "added"), ("mcp", "files", "added")]
    with pytest.raises(ValueError, match="half"):  # noqa: PT012  # the block is what fails
        async with setup.events.own_change("ws_a", [config], reload):
            config.write_text("half done")
            raise ValueError("half")
    await until(lambda: len(setup.seen()) == 4, pause_s=0.01)
    assert setup.seen()[-1] == ("config", None, "updated")


async def test_workspaces_come_and_go_at_run_time(setup, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    added = Workspace("ws_b", "b", WorkspaceRoot(other), None)
    setup.registry.add(added)
    await until(lambda: setup.watching._watched["ws_b"].seen is not None, pause_s=0.01)
    (other / "opencode.json").write_text("{}")
    await until(lambda: setup.seen("ws_b") == [("config", None, "added")], pause_s=0.01)
    setup.registry.remove("ws_b")
    (other / "opencode.json").write_text("{1}")
    setup.put("opencode.json")
    await setup.sees(("config", None, "added"))
    assert setup.seen("ws_b") == []


async def test_a_workspace_that_is_removed_and_comes_back(setup):
    setup.put("opencode.json")
    await setup.sees(("config", None, "added"))
    shutil.rmtree(setup.folder)
    await until(lambda: setup.seen()[-1] == ("config", None, "removed"), pause_s=0.01)
    setup.put("opencode.json")
    await until(lambda: setup.seen()[-1] == ("config", None, "added"), pause_s=0.01)
    await setup.settled()
    setup.put("opencode.json", "changed")
    await until(lambda: setup.seen()[-1] == ("config", None, "updated"), pause_s=0.01)


async def test_without_a_watch_it_looks_now_and_then_and_says_so_once(
    tmp_path, short, monkeypatch, caplog
):
    async def refused(*_, **__):
        raise OSError("OS file watch limit reached.")
        yield

    monkeypatch.setattr(watchfiles, "awatch", refused)
    monkeypatch.setattr(module, "POLL_S", 0.02)
    with caplog.at_level(logging.WARNING):
        async with started(Setup(tmp_path)) as setup:
            for n in range(3):
                setup.put("opencode.json", f"{n}")
                await until(lambda n=n: len(setup.seen()) == n + 1, pause_s=0.01)
    (warning,) = [each for each in caplog.records if each.name == module.__name__]
    assert "max_user_watches" in warning.getMessage()


async def test_it_ends_without_having_been_started_and_with_nothing_to_watch(short):
    idle = Watching(ReloadEvents(), Registry((), ()))
    await idle.close()
    idle = Watching(ReloadEvents(), Registry((), ()))
    idle.start()
    await asyncio.sleep(0)
    await idle.close()
    assert idle._task is not None
    assert idle._task.done()
