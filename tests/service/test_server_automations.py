"""Automations on a real server with the real engine: their routes, their runs, their ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import asynccontextmanager
from functools import partial

import pytest
from click.testing import CliRunner

from openwork.cli.main import build
from openwork.common.guard import descendants
from openwork.common.ids import workspace_id
from openwork.demo.layout import lay_out
from openwork.demo.provider import ScriptedProvider
from openwork.workspace.automation_log import parse_lines
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, PROVIDER_KEY, running_engine, running_server

WAIT_S = 30.0
HOURLY = {"kind": "interval", "seconds": 3600}
DAILY = {"kind": "daily", "hour": 3, "minute": 15}
COUNT, LONG, EDIT = (
    "Count to 3",
    "Count to 500",
    "Summarise the expenses of the quarter in summary.md",
)


BAD_INPUT = [
    {"schedule": {"kind": "monthly"}}, {"schedule": {"kind": "interval", "seconds": 5}},
    {"schedule": {"kind": "interval", "seconds": 1e300}}, {"schedule": "daily"},
    {"schedule": {"kind": "interval", "seconds": True}}, {"schedule": None},
    {"schedule": {"kind": "daily", "hour": "3", "minute": 0}},
    {"schedule": {"kind": "weekly", "weekday": 0, "hour": 3, "minute": 0}},
    {"name": None}, {"name": " "}, {"name": "a\u0000b"}, {"name": "\ud800"}, {"name": 5},
    {"prompt": ""}, {"prompt": "\ud800"}, {"id": "../x"}, {"id": "a\n"}, {"enabled": "yes"},
]  # fmt: skip


class Site:
    """A provider and an engine, and servers in front of them."""

    def __init__(self, base, provider, engine):
        self.base, self.provider, self.engine = base, provider, engine

    def place(self, name):
        folder, state = self.base / name / "workspace", self.base / name / "state"
        folder.mkdir(parents=True)
        state.mkdir()
        lay_out(folder)
        return folder, state

    @asynccontextmanager
    async def server(self, place, **env):
        async with running_server(*place, engine=self.engine, env=env) as server:
            yield Automations(server, self.engine)


class Automations:
    """The routes of one server's workspace, with the client token, and one automation there."""

    def __init__(self, server, engine, name="job"):
        self.server, self.engine, self.name = server, engine, name

    def named(self, name):
        return Automations(self.server, self.engine, name)

    async def call(self, method, path="", **options):
        base = f"/workspace/{self.server.workspace}/agentlab/automations"
        return await self.server.call(method, base + path, token=CLIENT_TOKEN, **options)

    async def audited(self, count):
        """The newest audit entries, oldest first, once there are ``count``."""
        path = f"/workspace/{self.server.workspace}/audit?limit={count}"
        async with asyncio.timeout(WAIT_S):  # an end is in the run's own log a moment earlier
            while True:
                _, answer = await self.server.call("GET", path, token=CLIENT_TOKEN)
                if len(answer["items"]) == count:
                    return answer["items"][::-1]
                await asyncio.sleep(0.02)

    async def add(self, prompt):
        body = {"id": self.name, "name": self.name, "prompt": prompt, "schedule": HOURLY}
        status, answer = await self.call("POST", json=body)
        assert status == 201, answer

    async def run(self):
        status, answer = await self.call("POST", f"/{self.name}/run")
        assert status == 200, answer
        assert (answer["ok"], answer["automationId"]) == (True, self.name)
        return answer["sessionId"]

    async def log(self):
        status, answer = await self.call("GET", f"/logs/{self.name}")
        return list(parse_lines(answer["content"])) if status == 200 else []

    async def logged(self, *outcomes):
        """The log, once it has these outcomes and no others."""
        async with asyncio.timeout(WAIT_S):
            while len(lines := await self.log()) < len(outcomes):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert [each["outcome"] for each in lines] == list(outcomes)
        return lines

    def engine_client(self):
        return self.engine.client(str(self.server.folder))


@pytest.fixture(scope="module")
async def site(tmp_path_factory):
    base = tmp_path_factory.mktemp("automations")
    (base / "engine").mkdir()
    async with (
        ScriptedProvider(words_per_second=0, api_key=PROVIDER_KEY) as provider,
        running_engine(base / "engine", base, provider.base_url) as engine,
    ):
        yield Site(base, provider, engine)


@pytest.fixture(scope="module")
async def shared(site):
    """A server for all that needs none of its own."""
    async with site.server(site.place("shared")) as automations:
        yield automations


@pytest.fixture
def slowly(site):
    site.provider.words_per_second = 20
    yield
    site.provider.words_per_second = 0


def plan_in_the_past(folder, state, *, ago_s):
    """The records a server leaves that had planned a run for ``ago_s`` seconds ago."""
    now_ms = int(time.time() * 1000)
    plan = {"schedule": HOURLY, "zone": "Etc/UTC", "anchorAt": now_ms - 7_200_000 - ago_s * 1000,
            "nextRunAt": now_ms - ago_s * 1000}  # fmt: skip
    path = state / "automations" / f"{workspace_id(folder)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 1, "items": {"job": {"plan": plan}}}))


def put_file(folder, prompt):
    path = folder / ".opencode/openwork/agentlab/automations.json"
    path.parent.mkdir(parents=True)
    item = {"id": "job", "name": "Job", "prompt": prompt, "schedule": HOURLY, "mine": 5}
    path.write_text(json.dumps({"items": [item]}))
    return path


async def test_a_due_run_is_followed_to_its_end_and_one_that_could_not_run_is_missed(site):
    place = site.place("due")
    put_file(place[0], COUNT)
    plan_in_the_past(*place, ago_s=1)
    async with site.server(place) as automations:
        (line,) = await automations.logged("done")
        assert line["trigger"] == "schedule"
        assert line["durationMs"] > 0
        async with automations.engine_client() as client:
            session = await client.session(line["sessionId"])
            assert session.title == "Automation: Job"
            assert (await client.messages(session.id))[-1].text == "1 2 3"
        _, listed = await automations.call("GET", "?plan=true")
        (item,) = listed["items"]
        assert (item["lastRunSessionId"], item["mine"]) == (line["sessionId"], 5)
        assert listed["plan"]["items"]["job"]["nextRunAt"] > time.time() * 1000
        begun, ended = await automations.audited(2)
        for entry, action in ((begun, "run"), (ended, "end")):
            assert entry["action"] == f"agentlab.automations.{action}"
            assert (entry["actor"]["type"], entry["actor"]["clientId"]) == ("system", "scheduler")
            assert (entry["target"], entry["outcome"]) == (line["sessionId"], "done")
            assert "'Job' (job)" in entry["summary"]
    plan_in_the_past(*place, ago_s=3 * 3600 + 120)
    async with site.server(place) as automations:
        _, line = await automations.logged("done", "missed")
        assert line["count"] == 4
        async with automations.engine_client() as client:
            assert len(await client.sessions()) == 1


async def test_a_scheduled_run_that_cannot_be_recorded_does_not_begin(site):
    folder, state = site.place("unrecorded")
    put_file(folder, COUNT)
    plan_in_the_past(folder, state, ago_s=1)
    (state / "audit").write_text("a file is in the way")
    async with site.server((folder, state)) as automations:
        (line,) = await automations.logged("failed")
        assert "It was not begun: the audit log cannot be written" in line["message"]
        async with automations.engine_client() as client:
            assert await client.messages(line["sessionId"]) == []


async def test_a_manual_run_answers_at_once_and_a_second_one_is_skipped(shared, slowly):
    automations = shared.named("overlap")
    await automations.add(LONG)
    session = await automations.run()
    status, answer = await automations.call("POST", "/overlap/run")
    assert (status, answer["code"]) == (409, "automation_running")
    assert answer["details"] == {"sessionId": session}
    await automations.logged("skipped")
    async with automations.engine_client() as client:
        async with asyncio.timeout(WAIT_S):  # a session that has not begun cannot be stopped
            while not (await client.messages(session))[1:]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await client.abort(session)
    lines = await automations.logged("skipped", "failed")
    assert "still goes on" in lines[0]["message"]
    assert "stopped" in lines[1]["message"]
    assert [each["action"] for each in await automations.audited(2)] == [
        "agentlab.automations.upsert",
        "agentlab.automations.run",
    ]


async def test_a_run_that_the_end_of_the_server_cut_off_is_interrupted_and_stopped(site, slowly):
    place = site.place("crash")
    async with site.server(place) as automations:
        await automations.add(LONG)
        crashed = await automations.run()
        (server_pid,) = descendants(automations.server.child.pid)
        os.kill(server_pid, signal.SIGKILL)
        await automations.server.child.wait()
    async with site.server(place) as automations:
        (line,) = await automations.logged("interrupted")
        assert (line["sessionId"], line["trigger"]) == (crashed, "manual")
        async with automations.engine_client() as client:
            assert crashed not in await client.session_statuses()  # those not named are idle
        stopped = await automations.run()
    async with site.server(place) as automations:
        _, line = await automations.logged("interrupted", "interrupted")
        assert line["sessionId"] == stopped
        assert "stopped" in line["message"]
        async with automations.engine_client() as client:
            assert stopped not in await client.session_statuses()


async def test_a_permission_waits_for_a_person_and_the_log_says_so(shared):
    automations = shared.named("asks")
    await automations.add(EDIT)
    session = await automations.run()
    (line,) = await automations.logged("permission_needed")
    assert "edit summary.md" in line["message"]
    env = {"OPENWORK_URL": shared.server.base, "OPENWORK_TOKEN": CLIENT_TOKEN}
    how = "The last one waits: answer in the browser: openwork connect --owner\n"
    assert (await openwork(env, "logs", "asks")).endswith(how)
    assert not (shared.server.folder / "summary.md").exists()
    async with automations.engine_client() as client:
        (asked,) = await client.permissions()
        assert asked.session_id == session
        await client.reply_permission(asked.id, "once")
    await automations.logged("permission_needed", "done")
    assert (shared.server.folder / "summary.md").exists()


async def test_a_providers_refusal_is_the_reason_of_a_failure(shared):
    automations = shared.named("refused")
    await automations.add("Show me a provider error")
    await automations.run()
    (line,) = await automations.logged("failed")
    assert "refused this request" in line["message"]


async def test_a_run_whose_time_is_up_is_stopped(site, slowly):
    place = site.place("timeout")
    async with site.server(place, OPENWORK_AUTOMATION_TIMEOUT_MS="1000") as automations:
        await automations.add(LONG)
        session = await automations.run()
        (line,) = await automations.logged("timeout")
        assert "It was stopped after 1 s" in line["message"]
        async with automations.engine_client() as client:
            assert session not in await client.session_statuses()


async def test_a_read_only_server_runs_nothing_and_says_so(site):
    place = site.place("read-only")
    path = put_file(place[0], COUNT)
    before = path.read_bytes()
    plan_in_the_past(*place, ago_s=1)
    async with site.server(place, OPENWORK_READONLY="1") as automations:
        for method, where in (("POST", "/job/run"), ("POST", ""), ("DELETE", "/job")):
            status, answer = await automations.call(method, where, json={})
            assert (status, answer["code"]) == (403, "read_only")
        _, listed = await automations.call("GET", "?plan=true")
        assert listed["plan"]["items"]["job"]["nextRunAt"] is None
        assert any("read-only: 1 automations" in line for line in automations.server.lines)
        assert await automations.log() == []
    assert path.read_bytes() == before


async def test_no_engine_and_a_damaged_file_are_told(site):
    place = site.place("no-engine")
    async with running_server(*place, engine_url="http://127.0.0.1:9") as server:
        automations = Automations(server, None)
        await automations.add(COUNT)
        status, answer = await automations.call("POST", "/job/run")
        assert (status, answer["code"]) == (502, "engine_unreachable")
        (line,) = await automations.logged("failed")
        assert "127.0.0.1:9" in line["message"]
        path = place[0] / ".opencode/openwork/agentlab/automations.json"
        path.write_text("{ not json")
        for method, where, options in (
            ("GET", "", {}),
            ("POST", "", {"json": {"name": "X", "prompt": "p", "schedule": HOURLY}}),
            ("POST", "/job/run", {}),
            ("DELETE", "/job", {}),
        ):
            status, answer = await automations.call(method, where, **options)
            assert (status, answer["code"]) == (422, "invalid_json")
            assert str(path) in answer["message"]
        assert path.read_text() == "{ not json"


async def test_the_routes_answer_as_existing_clients_know_them(site):
    place = site.place("wire")
    async with running_server(*place) as server:
        automations = Automations(server, None)
        status, empty = await automations.call("GET")
        assert (status, empty["items"]) == (200, [])
        assert empty["updatedAt"] > 0
        nightly = {"id": "nightly", "name": "Nightly", "prompt": "hello", "schedule": DAILY}
        status, saved = await automations.call("POST", json=nightly)
        assert status == 201
        (item,) = saved["items"]
        created = item["createdAt"]
        assert item == {**nightly, "enabled": True, "createdAt": created, "updatedAt": created}
        assert await automations.call("GET") == (200, saved)
        assert await automations.call("GET", "/logs") == (200, {"items": []})
        status, unnamed = await automations.call("POST", json={**nightly, "id": None})
        assert unnamed["items"][1]["id"].startswith("agentlab_")
        assert await automations.call("DELETE", "/nightly") == (200, {"ok": True})
        for method, where, code in (
            ("DELETE", "/nightly", "automation_not_found"),
            ("POST", "/nightly/run", "automation_not_found"),
            ("GET", "/logs/nightly", "log_not_found"),
        ):
            status, answer = await automations.call(method, where)
            assert (status, answer["code"]) == (404, code)
        before = await automations.call("GET")
        for change in BAD_INPUT:
            status, answer = await automations.call("POST", json={**nightly, **change})
            assert (status, answer["code"]) == (400, "invalid_payload"), change
        assert await automations.call("GET") == before


async def openwork(env, *arguments, ok=True):
    """What an ``openwork automations`` command prints; the hint of its error when not ``ok``."""
    command = ["automations", *arguments]
    done = await asyncio.to_thread(CliRunner().invoke, build(), command, env=env)
    assert (done.exception is None) is ok, (done.output, done.exception)
    return done.output if done.exception is None else str(getattr(done.exception, "hint", ""))


async def test_whoever_holds_the_host_token_allows_the_change_by_making_it(site):
    place = site.place("manual")
    async with running_server(*place, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        env = {"OPENWORK_URL": server.base, "OPENWORK_TOKEN": CLIENT_TOKEN}
        add = ("add", "Job", COUNT, "--daily", "08:30")
        said = await openwork(env | {"OPENWORK_HOST_TOKEN": HOST_TOKEN}, *add)
        assert said.startswith("Saved job: every day at 08:30")
        deleting = asyncio.create_task(openwork(env, "delete", "job", ok=False))
        async with asyncio.timeout(WAIT_S):
            items = []
            while not items:
                _, waiting = await server.call("GET", "/approvals", host=True)
                items = waiting["items"]
        assert items[0]["summary"] == "Delete the automation 'Job'"
        await server.call("POST", f"/approvals/{items[0]['id']}", host=True, json={"reply": "deny"})
        assert "approvals" in await deleting


async def test_the_command_line_adds_lists_runs_shows_and_deletes(shared):
    automations = shared.named("count-it")

    env = {"OPENWORK_URL": shared.server.base, "OPENWORK_TOKEN": CLIENT_TOKEN}

    run = partial(openwork, env)
    said = await run("add", "Count it", COUNT, "--weekly", "mon", "09:00")
    assert said.startswith("Saved count-it: every Monday at 09:00, next Mon 20")
    assert "--replace" in await run("add", "Count it", COUNT, "--every", "2h", ok=False)
    replaced = await run("add", "Count it", COUNT, "--every", "2h", "--replace", "--json")
    assert json.loads(replaced)["schedule"] == {"kind": "interval", "seconds": 7200}
    assert "No run has ended yet. What runs:" in await run("logs", "count-it")
    told = await run("run", "count IT")
    assert "Started count-it in session ses_" in told
    assert "If it asks for permission, answer in the browser: openwork connect --owner" in told
    await automations.logged("done")
    assert "  done  " in await run("logs", "count-it")
    listed = await run("list")
    assert "every 2 h, next " in listed
    assert "last done" in listed
    assert await run("delete", "count-it") == "Deleted count-it (Count it).\n"
    assert "openwork automations list" in await run("delete", "count-it", ok=False)
    assert "count-it" in await run("logs")
