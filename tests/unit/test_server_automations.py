"""Automations through days, restarts and edits of their file, on a clock that the test moves.

The workspace has no engine, so a run that begins ends at once, as failed: what counts here is when.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.net import listen
from openwork.server.audit import AuditLog
from openwork.server.automations import Automations
from openwork.server.registry import Registry
from openwork.server.workspace_settings import EngineAddress, WorkspaceSetting
from openwork.workspace.automation_log import parse_lines, read_log
from openwork.workspace.automations import automations_path, read_automations
from openwork.workspace.paths import WorkspaceRoot
from tests.fake_clock import FakeClock
from tests.until import until

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 3, 27, 7, 0, tzinfo=UTC)  # 08:00 in Berlin, two days before summer time
DAILY = {"kind": "daily", "hour": 8, "minute": 30}
EVERY_HOUR = {"kind": "interval", "seconds": 3600}


class Host:
    """A workspace and the data folder of its server, which may be started any number of times."""

    def __init__(self, base: Path):
        self.folder, self.data = base / "workspace", base / "data"
        self.folder.mkdir()
        self.root = WorkspaceRoot(self.folder)
        self.clock = FakeClock(START)
        self.engine: EngineAddress | None = None
        self._edits = 0

    @property
    def state_file(self):
        (found,) = (self.data / "automations").glob("*.json")
        return found

    def put(self, schedule, **more):
        self.put_text(json.dumps({"items": [
            {"id": "job", "name": "Job", "prompt": "p", "schedule": schedule, **more}
        ]}))  # fmt: skip

    def put_text(self, text):
        automations_path(self.root).write_bytes(text.encode() + b" " * self._edits)
        self._edits += 1  # another size each time: edits of one instant are told apart

    def automations(self, **options):
        registry = Registry((WorkspaceSetting(self.folder, "W", self.engine),))
        settings = {"read_only": False, "timeout_s": 60.0, **options}
        audit = AuditLog(self.data)
        return Automations(registry, self.data, audit, clock=self.clock, **settings)

    @asynccontextmanager
    async def running(self):
        automations = self.automations()
        automations.start()
        await self.clock.settled()
        yield automations
        await until(lambda: '"running"' not in self.stored())
        await automations.stop()

    def stored(self):
        files = list((self.data / "automations").glob("*.json"))
        return files[0].read_text() if files else ""

    def log(self):
        try:
            return list(parse_lines(read_log(self.root, "job")))
        except OpenWorkError:
            return []

    def audited(self):
        """Action, what acted, target, outcome, reason and summary of each entry, oldest first."""
        files = list((self.data / "audit").glob("*.jsonl"))
        entries = [json.loads(line) for line in files[0].read_text().splitlines()] if files else []
        names = ("action", "target", "outcome", "reason", "summary")
        return [(each["actor"]["type"], *(each.get(name) for name in names)) for each in entries]

    async def logged(self, count):
        await until(lambda: len(self.log()) >= count)
        assert len(self.log()) == count
        return self.log()


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def planned(lines):
    return [(each["outcome"], each["plannedAt"]) for each in lines]


async def test_a_daily_automation_runs_at_its_time_on_the_wall_in_winter_and_summer(host):
    host.put(DAILY)
    async with host.running():
        for hours, runs in ((1, 1), (24, 2), (23, 3)):
            await host.clock.advance(hours=hours)
            await host.logged(runs)
        lines = await host.logged(3)
        assert planned(lines) == [
            ("failed", "2026-03-27T08:30:00+01:00"),
            ("failed", "2026-03-28T08:30:00+01:00"),
            ("failed", "2026-03-29T08:30:00+02:00"),
        ]
        assert "no engine" in lines[0]["message"]
        assert lines[0]["durationMs"] >= 0
        assert max(host.clock.waits) == 30
        assert len(host.clock.waits) < 2 * 24 * 60 * 2 + 20  # two looks a minute, and the runs


async def test_a_restart_runs_nothing_twice_and_records_what_it_missed_in_one_line(host):
    host.put(DAILY)
    async with host.running():
        await host.clock.advance(minutes=31)
        await host.logged(1)
    host.clock.time = START + timedelta(minutes=31)
    async with host.running():
        await host.clock.advance(minutes=5)
        assert len(host.log()) == 1
    host.clock.time = START + timedelta(days=4)
    async with host.running():
        _, line = await host.logged(2)
        assert (line["outcome"], line["count"]) == ("missed", 4)
        assert line["plannedAt"] == "2026-03-28T08:30:00+01:00"
        assert "2026-03-31 08:30" in line["message"]
        await host.clock.advance(hours=24)
        lines = await host.logged(3)
        assert planned(lines)[2] == ("failed", "2026-04-01T08:30:00+02:00")


async def test_sleep_of_the_machine_is_missed_too(host):
    host.put(EVERY_HOUR)
    async with host.running():
        await host.clock.jump(START + timedelta(hours=5, minutes=20))
        (line,) = await host.logged(1)
        assert (line["outcome"], line["count"]) == ("missed", 5)
        await host.clock.advance(minutes=40)
        assert planned(await host.logged(2))[1][0] == "failed"


async def test_a_clock_that_is_set_back_runs_nothing_twice(host):
    host.put(DAILY)
    async with host.running():
        await host.clock.advance(minutes=31)
        await host.logged(1)
        host.clock.time = START
        await host.clock.advance(minutes=60)
        assert len(host.log()) == 1


async def test_edits_of_the_file_are_seen_within_half_a_minute(host):
    async with host.running():
        await host.clock.advance(minutes=1)
        host.put(EVERY_HOUR)
        await host.clock.advance(seconds=31)
        await host.clock.advance(hours=1)
        await host.logged(1)
        host.put(EVERY_HOUR, enabled=False)
        await host.clock.advance(hours=3)
        host.put(EVERY_HOUR)
        await host.clock.advance(minutes=50)
        assert len(host.log()) == 1  # enabled anew, it begins anew and has missed nothing
        await host.clock.advance(minutes=15)
        await host.logged(2)
        automations_path(host.root).delete()
        await host.clock.advance(hours=3)
        await host.logged(2)
        assert "plan" not in host.stored()


async def test_our_own_change_is_seen_at_once(host):
    async with host.running() as automations:
        (workspace,) = automations._registry.all()
        host.put(EVERY_HOUR)
        await automations.changed(workspace)
        item = automations.describe_plans(workspace)["items"]["job"]
        assert item["nextRunAt"] == int((START + timedelta(hours=1)).timestamp() * 1000)


async def test_a_damaged_file_stops_nothing_for_good_and_is_told_once(host, caplog):
    host.put(EVERY_HOUR)
    async with host.running():
        host.put_text("{")
        await host.clock.advance(minutes=90)
        assert host.log() == []
        assert caplog.text.count("is damaged") == 1
        assert min(host.clock.waits) > 1  # what is overdue is not looked at in a busy loop
        host.put(EVERY_HOUR)
        await host.clock.advance(seconds=31)
        (line,) = await host.logged(1)
        assert line["outcome"] == "missed"


async def test_without_automations_there_is_one_look_in_half_a_minute_and_no_file(host):
    async with host.running():
        await host.clock.advance(minutes=10)
        assert set(host.clock.waits) == {30}
    assert not host.data.exists()
    assert list(host.folder.iterdir()) == []


async def test_a_run_that_a_crash_cut_off_is_interrupted_and_not_run_again(host):
    host.put(EVERY_HOUR)
    async with host.running():
        await host.clock.advance(minutes=1)
    state = json.loads(host.state_file.read_text())
    started = int(START.timestamp() * 1000)
    state["items"]["job"]["running"] = {"run": "r1", "trigger": "schedule", "startedAt": started,
                                        "plannedAt": started, "sessionId": "ses_1"}  # fmt: skip
    host.state_file.write_text(json.dumps(state))
    async with host.running():
        (line,) = await host.logged(1)
        assert (line["outcome"], line["run"], line["sessionId"]) == ("interrupted", "r1", "ses_1")
        await host.clock.advance(minutes=2)
    (entry,) = host.audited()
    assert entry[:-1] == ("system", "agentlab.automations.end", "ses_1", "failed", "interrupted")
    assert entry[-1].startswith("The automation job ended: interrupted: The server ended")
    async with host.running():
        await host.clock.advance(minutes=2)
        assert len(host.log()) == 1


async def test_a_run_that_cannot_be_claimed_durably_does_not_begin_and_stays_due(host, caplog):
    host.put(EVERY_HOUR)
    async with host.running():
        await host.clock.advance(minutes=59)
        kept = host.data / "kept"
        (host.data / "automations").rename(kept)
        (host.data / "automations").write_text("a file is in the way")
        await host.clock.advance(minutes=1, seconds=10)
        assert host.log() == []
        assert "no automation of W runs" in caplog.text
        (host.data / "automations").unlink()
        kept.rename(host.data / "automations")
        await host.clock.advance(seconds=30)
        (line,) = await host.logged(1)
        assert line["outcome"] == "failed"


async def test_damaged_records_are_left_alone_and_told(host, caplog):
    host.put(EVERY_HOUR)
    async with host.running():
        pass
    path = host.state_file
    for content in (
        "{",
        '{"items": {"job": {"plan": 5}}}',
        '{"items": {"job": {"lastRunAt": 1e999}}}',
    ):
        path.write_text(content)
        async with host.running():
            await host.clock.advance(hours=2)
        assert path.read_text() == content
        assert host.log() == []
    assert caplog.text.count(str(path)) == 3


async def test_a_manual_run_is_logged_and_an_engine_that_is_not_there_is_told(host):
    host.put(DAILY, enabled=False)
    async with host.running() as automations:
        (workspace,) = automations._registry.all()
        with pytest.raises(OpenWorkError) as caught:
            await automations.run_now(workspace, read_automations(host.root).get("job"))
        assert caught.value.code == "opencode_unconfigured"
        (line,) = await host.logged(1)
        assert (line["outcome"], line["trigger"]) == ("failed", "manual")
    assert host.audited() == []  # its route records who asked for it


async def test_a_scheduled_run_that_comes_to_no_session_has_its_failure_in_the_audit_log(host):
    host.put(EVERY_HOUR)
    async with host.running():
        await host.clock.advance(hours=1)
        await host.logged(1)
    (entry,) = host.audited()
    assert entry[:-1] == ("system", "agentlab.automations.end", "job", "failed", None)
    assert entry[-1] == "The automation 'Job' (job) ended: failed: This workspace has no engine."


async def test_a_run_never_overlaps_itself(host):
    host.put(EVERY_HOUR)
    listener = listen("127.0.0.1", 0)  # an engine that takes calls and never answers
    with listener:
        host.engine = EngineAddress(f"http://127.0.0.1:{listener.getsockname()[1]}", "/")
        automations = host.automations()
        automations.start()
        await host.clock.settled()
        await host.clock.advance(hours=2)
        (line,) = await host.logged(1)
        assert planned([line]) == [("skipped", "2026-03-27T10:00:00+01:00")]
        assert "2026-03-27 09:00 still goes on" in line["message"]
        await automations.stop()
        _, line = await host.logged(2)
        assert planned([line]) == [("interrupted", "2026-03-27T09:00:00+01:00")]


async def test_a_read_only_server_runs_nothing_and_says_so(host, caplog):
    host.put(EVERY_HOUR)
    automations = host.automations(read_only=True)
    automations.start()
    await automations.stop()
    assert "read-only: 1 automations of W do not run" in caplog.text
    assert not host.data.exists()


async def test_a_workspace_outside_the_authorised_folders_is_left_alone(host, tmp_path):
    host.put({"kind": "interval", "seconds": 60})
    registry = Registry((WorkspaceSetting(host.folder, "W", None),), (tmp_path / "elsewhere",))
    automations = Automations(
        registry, host.data, AuditLog(host.data), read_only=False, timeout_s=1, clock=host.clock
    )
    automations.start()
    await host.clock.settled()
    await host.clock.advance(minutes=5)
    await automations.stop()
    assert not host.data.exists()
