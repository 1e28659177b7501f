"""Events, approvals and the audit log of a real server, over real sockets."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from openwork.engine.sse import ServerSentEvent, SseParser
from tests.reload_window import settled
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server
from tests.until import until

BEARER = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
HOST = {"X-OpenWork-Host-Token": HOST_TOKEN}


@pytest.fixture(scope="module")
def disposals():
    """One element for each time that the engine was told to read everything again."""
    return []


@pytest.fixture(scope="module")
async def engine(disposals):
    """What the engine does when it is told to read everything again, at its border."""

    async def dispose(request):
        disposals.append(request.path)
        return web.json_response(data=True)

    app = web.Application()
    app.router.add_post("/instance/dispose", dispose)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def serving(base, **options):
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, **options) as server:
        yield server


@pytest.fixture(scope="module")
async def server(tmp_path_factory, engine):
    async with serving(tmp_path_factory.mktemp("events"), engine_url=engine) as server:
        yield server


class Followed:
    """The events of one stream, as they come."""

    def __init__(self, response):
        self.response = response
        self._parser = SseParser()
        self._waiting = []

    async def next(self) -> ServerSentEvent:
        async with asyncio.timeout(10):
            while not self._waiting:
                chunk = await self.response.content.readany()
                assert chunk, "the stream has ended"
                self._waiting = self._parser.feed(chunk)
        return self._waiting.pop(0)

    async def data(self):
        return json.loads((await self.next()).data)

    async def ended(self):
        async with asyncio.timeout(10):
            await self.response.content.read()


@asynccontextmanager
async def following(server, path, headers):
    async with server.http.get(server.base + path, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Followed(response)


def events_path(server):
    return f"/workspace/{server.workspace}/events"


async def cursor(server):
    return (await server.call("GET", events_path(server), token=CLIENT_TOKEN))[1]["cursor"]


async def patch(server, model):
    return await server.call(
        "PATCH", f"/workspace/{server.workspace}/config", token=CLIENT_TOKEN,
        json={"opencode": {"model": model}},
    )  # fmt: skip


async def test_own_writes_and_outside_edits_are_one_event_each_on_both_ways(server):
    since = await cursor(server)
    async with following(server, events_path(server) + "/stream", BEARER) as stream:
        assert (await patch(server, "a/one"))[0] == 200
        event = await stream.next()
        first = json.loads(event.data)
        assert (first["reason"], event.event, event.id) == ("config", "message", str(first["seq"]))
        skill = server.folder / ".opencode/skills/notes/SKILL.md"
        skill.parent.mkdir(parents=True)
        skill.write_text("---\nname: notes\n---\n")
        second = await stream.data()
        assert (second["reason"], second["trigger"]["name"]) == ("skills", "notes")
        (server.folder / "AGENTS.md").write_text("rules")
        third = await stream.data()
        assert third["trigger"] == {"type": "agent", "action": "added", "path": "AGENTS.md"}
    status, body = await server.call(
        "GET", f"{events_path(server)}?since={since}", token=CLIENT_TOKEN
    )
    assert (status, body["items"], body["disabled"]) == (200, [first, second, third], False)
    path = f"{events_path(server)}/stream?since={since}"
    resumed = {**BEARER, "Last-Event-ID": str(first["seq"])}
    async with following(server, path, resumed) as stream:
        assert [await stream.data(), await stream.data()] == [second, third]


async def test_many_writes_are_one_event_at_once_and_one_behind(server):
    since = await settled(server, "config")
    async with following(server, events_path(server) + "/stream", BEARER) as stream:
        for n in range(5):
            assert (await patch(server, f"m/{n}"))[0] == 200
        (server.folder / "opencode.jsonc").write_text("{}")
        told = [await stream.data() for _ in range(2)]
    assert [(each["reason"], each["trigger"]["action"]) for each in told] == [
        ("config", "updated"), ("config", "updated")
    ]  # fmt: skip
    await settled(server, "config")
    _, listed = await server.call("GET", f"{events_path(server)}?since={since}", token=CLIENT_TOKEN)
    assert listed["items"] == told


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/skills", {"name": "n", "content": "x", "description": "d"},
         ".opencode/skills/n/SKILL.md"),
        ("DELETE", "/skills/n", None, ".opencode/skills/n/SKILL.md"),
        ("POST", "/commands", {"name": "n", "template": "x"}, ".opencode/commands/n.md"),
        ("POST", "/agents", {"name": "n", "content": "x"}, ".opencode/agents/n.md"),
        ("POST", "/mcp", {"name": "n", "config": {"type": "local", "command": ["x"]}},
         "opencode.jsonc"),
        ("POST", "/plugins", {"spec": "n"}, "opencode.jsonc"),
        ("PATCH", "/config", {"opencode": {"model": "p/q"}}, "opencode.jsonc"),
    ],
)  # fmt: skip
async def test_own_writes_name_the_file_as_outside_edits_do(server, method, path, body, told):
    since = await settled(server, path.split("/")[1])
    status, answer = await server.call(
        method, f"/workspace/{server.workspace}{path}", token=CLIENT_TOKEN, json=body
    )
    assert status == 200, answer
    _, listed = await server.call("GET", f"{events_path(server)}?since={since}", token=CLIENT_TOKEN)
    assert [each["trigger"]["path"] for each in listed["items"]] == [told]


async def test_a_client_learns_that_the_engine_was_reloaded(server):
    path = f"/workspace/{server.workspace}/engine/reload"
    async with following(server, events_path(server) + "/stream", BEARER) as stream:
        status, body = await server.call("POST", path, token=CLIENT_TOKEN)
        assert status == 200, body
        event = await stream.next()
        assert event.event == "engine.reloaded"
        assert json.loads(event.data)["reloadedAt"] == body["reloadedAt"]
    _, listed = await server.call("GET", events_path(server), token=CLIENT_TOKEN)
    assert listed["lastReloadAt"] == body["reloadedAt"]
    async with following(server, events_path(server) + "/stream", BEARER) as stream:
        assert (await stream.next()).event == "engine.reloaded"


async def test_a_client_learns_that_the_engine_was_restarted(server, engine):
    async with following(server, events_path(server) + "/stream", BEARER) as stream:
        path = "/engine/restarted"
        other = {"baseUrl": "http://127.0.0.1:9"}
        status, body = await server.call("POST", path, host=True, json=other)
        assert (status, body["workspaceIds"]) == (200, [])
        _, before = await server.call("GET", events_path(server), token=CLIENT_TOKEN)
        status, body = await server.call("POST", path, host=True, json={"baseUrl": f"{engine}/"})
        assert (status, body["workspaceIds"]) == (200, [server.workspace])
        assert body["reloadedAt"] > (before["lastReloadAt"] or 0)
        event = await stream.next()
        while json.loads(event.data)["reloadedAt"] != body["reloadedAt"]:
            event = await stream.next()  # an earlier test's reload is told first
        assert event.event == "engine.reloaded"
    _, listed = await server.call("GET", events_path(server), token=CLIENT_TOKEN)
    assert listed["lastReloadAt"] == body["reloadedAt"]


@pytest.mark.parametrize("since", ["x", "-1", "9" * 5000, "%00", "%ff", "²"])
async def test_a_strange_number_is_no_error(server, since):
    for path in (f"{events_path(server)}?since={since}",):
        status, _ = await server.call("GET", path, token=CLIENT_TOKEN)
        assert status == 200


async def test_a_revoked_token_ends_its_streams_and_no_other(server):
    status, issued = await server.call("POST", "/tokens", host=True, json={"scope": "viewer"})
    assert status == 201
    path = events_path(server) + "/stream"
    bearer = {"Authorization": f"Bearer {issued['token']}"}
    async with following(server, path, bearer) as ended, following(server, path, BEARER) as open_:
        await server.call("DELETE", f"/tokens/{issued['id']}", host=True)
        await ended.ended()
        (server.folder / "AGENTS.md").write_text("other rules")
        while (event := await open_.next()).event != "message":
            pass
        assert json.loads(event.data)["reason"] == "agents"


async def test_approvals_are_followed_and_block_nobody_else(tmp_path):
    async with (
        serving(tmp_path, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server,
        following(server, "/approvals/stream", HOST) as stream,
    ):
        first = await stream.next()
        assert (first.event, json.loads(first.data)) == ("list", {"items": []})
        slow = asyncio.create_task(patch(server, "a/slow"))
        added = await stream.next()
        item = json.loads(added.data)
        assert (added.event, item["action"]) == ("added", "config.patch")
        quick = asyncio.create_task(patch(server, "a/quick"))
        other = await stream.data()
        _, listed = await server.call("GET", "/approvals", host=True)
        assert [each["id"] for each in listed["items"]] == [item["id"], other["id"]]
        assert all(each["waitingMs"] >= 0 for each in listed["items"])
        assert item["expiresAt"] == item["createdAt"] + 30_000
        reply = {"reply": "allow"}
        await server.call("POST", f"/approvals/{other['id']}", host=True, json=reply)
        assert (await quick)[0] == 200
        assert not slow.done()
        resolved = await stream.next()
        assert resolved.event == "resolved"
        assert json.loads(resolved.data)["outcome"] == "allowed"
        slow.cancel()
        assert (await stream.data())["outcome"] == "withdrawn"


@asynccontextmanager
async def waiting_for_the_host(server, change):
    """Ask for a change; what waits, and a task that ends with its answer."""
    async with following(server, "/approvals/stream", HOST) as stream:
        await stream.next()
        asked = asyncio.create_task(change)
        yield (await stream.data())["id"], asked


async def answer(server, request_id, reply):
    path = f"/approvals/{request_id}"
    assert (await server.call("POST", path, host=True, json={"reply": reply}))[0] == 200


async def test_a_reload_is_approved_then_done_then_recorded(tmp_path, engine, disposals):
    before = len(disposals)
    env = {"OPENWORK_APPROVAL_MODE": "manual"}
    async with serving(tmp_path, engine_url=engine, env=env) as server:
        path = f"/workspace/{server.workspace}/engine/reload"
        for reply, status, done in (("deny", 403, 0), ("allow", 200, 1)):
            change = server.call("POST", path, token=CLIENT_TOKEN)
            async with waiting_for_the_host(server, change) as (request_id, asked):
                assert len(disposals) == before
                await answer(server, request_id, reply)
                assert (await asked)[0] == status
            assert len(disposals) == before + done
            _, listed = await server.call("GET", events_path(server), token=CLIENT_TOKEN)
            assert (listed["lastReloadAt"] is not None) == bool(done)
        path = f"/workspace/{server.workspace}/audit"
        _, audit = await server.call("GET", path, token=CLIENT_TOKEN)
        outcomes = [(each["action"], each["outcome"]) for each in audit["items"]]
        assert outcomes == [("engine.reload", "done"), ("engine.reload", "denied")]


@pytest.mark.parametrize(
    ("kind", "file", "body"),
    [
        ("agents", "agents/notes.md", {"content": "---\ndescription: d\n---\ntext\n"}),
        ("commands", "commands/notes.md", {"template": "text"}),
        ("skills", "skills/notes/SKILL.md", {"content": "text", "description": "d"}),
    ],
)
async def test_an_event_tells_what_the_change_did_not_what_it_was_going_to(
    tmp_path, kind, file, body
):
    async with serving(tmp_path, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        path = f"/workspace/{server.workspace}/{kind}"
        change = server.call("POST", path, token=CLIENT_TOKEN, json={"name": "notes", **body})
        async with waiting_for_the_host(server, change) as (request_id, asked):
            there = server.folder / ".opencode" / file
            there.parent.mkdir(parents=True)
            there.write_text("---\nname: notes\ndescription: from outside\n---\n")
            await answer(server, request_id, "allow")
            status, told = await asked
            assert status < 300, told
        await settled(server)
        _, listed = await server.call("GET", events_path(server), token=CLIENT_TOKEN)
        assert listed["items"][-1]["trigger"]["action"] == "updated"


async def test_a_stop_denies_what_waits_and_says_so(tmp_path):
    async with serving(tmp_path, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        async with following(server, "/approvals/stream", HOST) as stream:
            await stream.next()
            waiting = asyncio.create_task(patch(server, "a/b"))
            assert (await stream.next()).event == "added"
            stopped = asyncio.create_task(server.child.stop())
            status, body = await waiting
            assert (status, body["code"]) == (403, "write_denied")
            assert body["details"]["reason"] == "restart"
            await stopped
        log = tmp_path / "state" / "audit" / f"{server.workspace}.jsonl"
        (entry,) = map(json.loads, log.read_text().splitlines())
        assert (entry["outcome"], entry["reason"]) == ("denied", "restart")
        assert not (server.folder / "opencode.jsonc").exists()


async def test_the_audit_log_is_paged_checked_and_taken_away(tmp_path):
    async with serving(tmp_path) as server:
        for n in range(5):
            assert (await patch(server, f"a/{n}"))[0] == 200
        base = f"/workspace/{server.workspace}/audit"
        _, page = await server.call("GET", f"{base}?limit=2", token=CLIENT_TOKEN)
        _, rest = await server.call(
            "GET", f"{base}?before={page['nextBefore']}", token=CLIENT_TOKEN
        )
        assert len(page["items"]) == 2
        assert len(rest["items"]) == 3
        assert "nextBefore" not in rest
        for query, count in (("action=config.*", 5), ("action=skills.*", 0), ("actor=viewer", 0),
                             ("actor=collaborator&limit=3", 3), ("limit=banana", 5),
                             (f"before={rest['items'][0]['id']}", 2)):  # fmt: skip
            _, found = await server.call("GET", f"{base}?{query}", token=CLIENT_TOKEN)
            assert len(found["items"]) == count, query
        for query in ("before=nowhere", "before=@3", "before=%00", "action=" + "x" * 300):
            status, error = await server.call("GET", f"{base}?{query}", token=CLIENT_TOKEN)
            assert (status, error["code"]) == (400, "invalid_payload"), query
        _, verdict = await server.call("GET", f"{base}/verify", token=CLIENT_TOKEN)
        assert (verdict["ok"], verdict["entries"], verdict["torn"]) == (True, 5, 0)
        assert verdict["head"] == page["items"][0]["hash"]
        log = tmp_path / "state" / "audit" / f"{server.workspace}.jsonl"
        async with server.http.get(f"{server.base}{base}/export", headers=BEARER) as response:
            assert await response.read() == log.read_bytes()
            assert "attachment" in response.headers["Content-Disposition"]
        async with server.http.get(
            f"{server.base}{base}/export?format=csv&action=config.*", headers=BEARER
        ) as response:
            assert response.content_type == "text/csv"
            assert len(list(csv.reader(io.StringIO(await response.text(), newline="")))) == 6
        status, error = await server.call("GET", f"{base}/export?format=xml", token=CLIENT_TOKEN)
        assert (status, error["code"]) == (400, "invalid_payload")
        log.write_bytes(log.read_bytes().replace(b"a/", b"b/").replace(b"config", b"konfig", 1))
        _, verdict = await server.call("GET", f"{base}/verify", token=CLIENT_TOKEN)
        assert verdict["firstBad"]["line"] == 1


async def test_a_client_that_takes_nothing_holds_nothing_up(server):
    path = events_path(server) + "/stream"
    host, port = server.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2048)
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CLIENT_TOKEN}\r\n\r\n"
    writer.write(head.encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    for n in range(5):
        assert (await patch(server, f"b/{n}"))[0] == 200
    writer.close()
    async with aiohttp.ClientSession() as http, http.get(server.base + "/health") as response:
        assert response.status == 200
    await until(lambda: any("/events/stream 200" in line for line in server.lines), pause_s=0.01)
