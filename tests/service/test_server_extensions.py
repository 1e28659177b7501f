"""Plugins, MCP servers, scheduled jobs, sessions and upgrades over a real server."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.reload_window import settled
from tests.stack import CLIENT_TOKEN, running_server, running_stack

CANARY = "canary-9c1f7d2e8b6a"
CONFIG = """{
  // for the team
  "mcp": { "kept": { "type": "local", "command": ["x"], "enabled": false } },
}
"""


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    base = tmp_path_factory.mktemp("extensions")
    folder, state, home = base / "workspace", base / "state", base / "home"
    for each in (folder, state, home / ".config" / "opencode"):
        each.mkdir(parents=True)
    env = {"HOME": str(home), "PATH": str(base)}  # no systemctl there
    async with running_server(folder, state, engine_url="http://127.0.0.1:9", env=env) as server:
        yield server, home


@pytest.fixture
def server(place):
    server, home = place
    (server.folder / "opencode.jsonc").write_text(CONFIG)
    (home / ".config" / "opencode" / "opencode.json").unlink(missing_ok=True)
    return server


@pytest.fixture
def home(place):
    return place[1]


def ask(server, method, path, token=CLIENT_TOKEN, **options):
    return server.call(method, f"/workspace/{server.workspace}{path}", token=token, **options)


def config(server):
    return (server.folder / "opencode.jsonc").read_text()


async def events_of(server, act):
    """The reload events that ``act`` causes."""
    before = await settled(server)
    await act
    await settled(server)
    _, after = await ask(server, "GET", f"/events?since={before}")
    return [
        (each["reason"], each["trigger"].get("action"))
        for each in after["items"]
        if each.get("trigger", {}).get("type") in {"plugin", "mcp"}
    ]


async def test_a_plugin_is_added_once_and_removed_whatever_its_version(server):
    added = [("plugins", "added")]
    post = ask(server, "POST", "/plugins", json={"spec": " @scope/name@1.2.3 "})
    assert await events_of(server, post) == added
    once = config(server)
    assert "// for the team" in once
    again = ask(server, "POST", "/plugins", json={"spec": "@scope/name@2"})
    assert await events_of(server, again) == []
    assert config(server) == once
    _, page = await ask(server, "GET", "/audit")
    assert [each["action"] for each in page["items"][:2]] == ["plugins.add", "plugins.add"]
    status, body = await ask(server, "GET", "/plugins")
    assert [each["spec"] for each in body["items"]] == ["@scope/name@1.2.3"]
    assert body["loadOrder"] == ["config.global", "config.project", "dir.global", "dir.project"]
    status, body = await ask(server, "DELETE", "/plugins/%40scope%2Fname")
    assert (status, body["items"]) == (200, [])
    assert "// for the team" in config(server)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"spec": ""},
        {"spec": "a\0"},
        {"spec": "-x"},
        {"spec": "\ud800"},
        {"spec": None},
        {"spec": ["a"]},
        {"spec": "x" * 5000},
        [],
        "x",
    ],
)
async def test_a_plugin_that_is_none_is_refused_and_the_file_stays(server, body):
    status, answer = await ask(server, "POST", "/plugins", json=body)
    assert status == 400
    assert answer["code"] in {"invalid_plugin_spec", "invalid_payload"}
    assert config(server) == CONFIG


async def test_a_file_that_does_not_parse_is_told_and_never_rewritten(server):
    broken = '{ "plugin": [ } // mine'
    (server.folder / "opencode.jsonc").write_text(broken)
    for method, path, body in (
        ("GET", "/plugins", None),
        ("POST", "/plugins", {"spec": "x"}),
        ("DELETE", "/plugins/x", None),
        ("GET", "/mcp", None),
        ("DELETE", "/mcp/x", None),
    ):
        status, answer = await ask(server, method, path, json=body)
        assert (status, answer["code"]) == (422, "invalid_jsonc"), path
        assert answer["details"][0]["offset"] >= 0
    assert config(server) == broken


async def test_the_users_own_plugins_and_servers_are_listed_and_never_changed(server, home):
    users = home / ".config" / "opencode" / "opencode.json"
    users.write_text(
        json.dumps({"plugin": ["theirs"], "mcp": {"g": {"type": "remote", "url": "u"}}})
    )
    for flag, found in (
        ("", []),
        ("?includeGlobal=false", []),
        ("?includeGlobal=true", ["theirs"]),
    ):
        _, body = await ask(server, "GET", f"/plugins{flag}")
        assert [each["spec"] for each in body["items"]] == found
    before = users.read_bytes()
    _, body = await ask(server, "DELETE", "/mcp/g")
    assert [(each["name"], each["source"]) for each in body["items"]] == [
        ("g", "config.global"),
        ("kept", "config.project"),
    ]
    await ask(server, "DELETE", "/plugins/theirs")
    assert users.read_bytes() == before


async def test_a_servers_keys_are_for_owners_in_every_answer(server):
    fields = {
        "type": "remote",
        "url": f"https://x/?token={CANARY}",
        "headers": {"X-K": CANARY},
        "oauth": {"clientId": "public", "clientSecret": CANARY},
    }
    owner = await server.token("owner")
    answers = [await ask(server, "POST", "/mcp", json={"name": "n", "config": fields})]
    for token in (CLIENT_TOKEN, await server.token("viewer")):
        answers += [await ask(server, "GET", path, token) for path in ("/mcp", "/audit")]
    assert {status for status, _ in answers} == {200}
    assert CANARY not in json.dumps(answers)
    _, body = await ask(server, "GET", "/mcp", owner)
    assert body["items"][1] == {"name": "n", "config": fields, "source": "config.project"}
    hidden = answers[1][1]["items"][1]["config"]
    status, body = await ask(server, "POST", "/mcp", json={"name": "n", "config": hidden})
    assert (status, body["code"]) == (400, "invalid_mcp_config")
    assert CANARY in config(server)
    assert CANARY not in "\n".join(server.lines)


async def test_what_json_cannot_carry_is_no_crash(server):
    (server.folder / "opencode.jsonc").write_text(
        '{"plugin": ["\\ud800"], "mcp": {"\\ud800": {"a": "\\udfff"}}}'
    )
    for path in ("/plugins", "/mcp"):
        assert (await ask(server, "GET", path))[0] < 500, path
    (server.folder / "opencode.jsonc").write_text(CONFIG)
    deep: object = "x"
    for _ in range(600):
        deep = [deep]
    for value in (deep, "\ud800", 1e308, 10**400, {"\ud800": 1}):
        fields = {"type": "remote", "url": "https://x", "extra": value}
        status, body = await ask(server, "POST", "/mcp", json={"name": "n", "config": fields})
        assert status in {200, 400}, body
        assert (await ask(server, "GET", "/mcp"))[0] == 200


async def test_a_job_is_listed_and_deleted(server, home):
    folder = home / ".config" / "opencode" / "jobs"
    folder.mkdir(exist_ok=True)
    job = {
        "slug": "daily",
        "name": "Daily",
        "schedule": "0 9 * * *",
        "workdir": str(server.folder),
        "prompt": f"password={CANARY}x1",
    }
    (folder / "daily.json").write_text(json.dumps(job))
    status, body = await ask(server, "GET", "/scheduler/jobs")
    assert (status, [each["slug"] for each in body["items"]]) == (200, ["daily"])
    assert CANARY not in json.dumps(body)
    owner = await server.token("owner")
    assert (await ask(server, "GET", "/scheduler/jobs", owner))[1] == {"items": [job]}
    assert (await ask(server, "DELETE", "/scheduler/jobs/nothing"))[0] == 404
    status, body = await ask(server, "DELETE", "/scheduler/jobs/Daily", owner)
    assert (status, body) == (200, {"job": job})
    assert not (folder / "daily.json").exists()
    status, body = await ask(server, "DELETE", "/scheduler/jobs/Daily")
    assert (status, body["code"]) == (404, "job_not_found")
    assert (await ask(server, "GET", "/scheduler/jobs"))[1] == {"items": []}


async def test_an_engine_that_is_gone_is_told(server):
    for path in ("/mcp/kept/auth", "/sessions/ses_1"):
        status, body = await ask(server, "DELETE", path)
        assert (status, body["code"]) == (502, "opencode_unreachable"), path
    for path, code in (
        ("/sessions/..%5C", "invalid_session_id"),
        ("/sessions/a%00", "invalid_session_id"),
        ("/mcp/a%20b/auth", "invalid_mcp_name"),
        ("/mcp/-x", "invalid_mcp_name"),
    ):
        status, body = await ask(server, "DELETE", path)
        assert (status, body["code"]) == (400, code), path


async def test_the_real_engine_forgets_sessions_and_sign_ins(tmp_path):
    async with running_stack(tmp_path) as stack:
        server = stack.server
        async with server.engine_client(CLIENT_TOKEN) as client:
            session = await client.create_session("to be deleted")
            assert (await ask(server, "DELETE", f"/sessions/{session.id}"))[1] == {"ok": True}
            assert await client.sessions() == []
        status, body = await ask(server, "DELETE", f"/sessions/{session.id}")
        assert (status, body["code"]) == (404, "session_not_found")
        assert await ask(server, "DELETE", "/mcp/never-was/auth") == (200, {"ok": True})
        _, page = await ask(server, "GET", "/audit")
        assert [each["action"] for each in page["items"]] == ["mcp.auth.remove", "session.delete"]
        owner = await server.token("owner")
        made = {"folderPath": str(tmp_path / "starter"), "name": "Starter"}
        _, body = await server.call("POST", "/workspaces/local", token=owner, json=made)
        mount = f"/w/{body['activeId']}/opencode"
        _, agents = await server.call("GET", f"{mount}/agent", token=CLIENT_TOKEN)
        assert "openwork" in [each["name"] for each in agents]
        _, commands = await server.call("GET", f"{mount}/command", token=CLIENT_TOKEN)
        assert "get-started" in [each["name"] for each in commands]


@asynccontextmanager
async def control_endpoint(answers):
    """A host's control endpoint that answers ``answers[path]`` and remembers what it was asked."""
    asked = []

    async def answer(request):
        body = await request.json() if request.can_read_body else None
        asked.append((request.method, request.path, request.headers.get("authorization"), body))
        status, value = answers[request.path]
        return web.json_response(value, status=status)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_versions_and_upgrades_are_asked_of_the_host(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    answers = {
        "/runtime/versions": (200, {"ok": True, "services": []}),
        "/runtime/upgrade": (202, {"ok": True, "started": True}),
    }
    async with control_endpoint(answers) as (address, asked):
        env = {"OPENWORK_CONTROL_BASE_URL": address, "OPENWORK_CONTROL_TOKEN": CANARY}
        async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
            for mount in ("", f"/w/{server.workspace}"):
                path = f"{mount}/runtime/versions"
                assert (
                    await server.call("GET", path, token=CLIENT_TOKEN)
                    == answers["/runtime/versions"]
                )
            wanted = {"services": ["opencode"], "later": 1}
            assert (await server.call("POST", "/runtime/upgrade", token=CLIENT_TOKEN, json={}))[
                0
            ] == 401
            answer = await server.call("POST", "/runtime/upgrade", host=True, json=wanted)
            assert answer == answers["/runtime/upgrade"]
            assert asked[-1] == ("POST", "/runtime/upgrade", f"Bearer {CANARY}", wanted)
            for told, status in ((409, 409), (400, 400), (401, 502), (500, 500)):
                answers["/runtime/upgrade"] = (told, {"code": "x", "apiKey": CANARY})
                got, body = await server.call("POST", "/runtime/upgrade", host=True, json={})
                assert (got, body["code"]) == (status, "runtime_upgrade_failed")
                assert body["details"] == {"code": "x", "apiKey": "***"}
            assert (await server.call("POST", "/runtime/upgrade", host=True, json={"services": 1}))[
                0
            ] == 400
            assert CANARY not in "\n".join(server.lines)


async def test_without_a_host_there_is_nothing_to_upgrade(server):
    for method, path, options in (
        ("GET", "/runtime/versions", {"token": CLIENT_TOKEN}),
        ("POST", "/runtime/upgrade", {"host": True, "json": {}}),
    ):
        status, body = await server.call(method, path, **options)
        assert (status, body["code"]) == (501, "runtime_upgrade_unavailable")
        assert "OPENWORK_CONTROL_BASE_URL" in body["hint"]


async def test_a_plugin_waits_for_the_host_and_the_summary_says_what_it_means(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    env = {"OPENWORK_APPROVAL_MODE": "manual"}
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        refused = await ask(server, "POST", "/plugins", json={"spec": " "})
        assert refused[1]["code"] == "invalid_plugin_spec"  # told before anybody is asked
        waiting = asyncio.create_task(ask(server, "POST", "/plugins", json={"spec": "a@1"}))
        async with asyncio.timeout(10):
            while not (items := (await server.call("GET", "/approvals", host=True))[1]["items"]):
                pass
        (item,) = items
        assert item["action"] == "plugins.add"
        assert item["paths"] == [str(tmp_path / "w" / "opencode.jsonc")]
        assert "runs on this machine" in item["summary"]
        # The file changes meanwhile: the edit is made on what is there then.
        (tmp_path / "w" / "opencode.jsonc").write_text('{"model": "m/m"} // new')
        await server.call("POST", f"/approvals/{item['id']}", host=True, json={"reply": "allow"})
        assert (await waiting)[0] == 200
        text = (tmp_path / "w" / "opencode.jsonc").read_text()
        assert '"model": "m/m"' in text
        assert '"a@1"' in text
        assert text.endswith("// new")
