"""Workspaces come and go while the server runs, and its settings file follows."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientPayloadError, web

from openwork.common.ids import workspace_id
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, RunningServer, running_server

if TYPE_CHECKING:
    from pathlib import Path


FROM_FILE = {"OPENWORK_WORKSPACES": ""}


@dataclass
class Place:
    server: RunningServer
    base: Path
    state: Path

    @property
    def config(self):
        return json.loads((self.state / "server.json").read_text())

    async def make(self, folder, **body):
        return await self.server.call(
            "POST", "/workspaces/local", host=True, json={"folderPath": str(folder), **body}
        )

    async def audited(self, key):
        page = await self.server.call("GET", f"/workspace/{key}/audit", token=CLIENT_TOKEN)
        return [each["action"] for each in page[1]["items"]]


@asynccontextmanager
async def running(base, *, config=None, **options):
    folder, state = base / "workspace", base / "state"
    folder.mkdir(exist_ok=True)
    state.mkdir(exist_ok=True)
    if config is not None:
        (state / "server.json").write_text(json.dumps(config))
    async with running_server(folder, state, **options) as server:
        yield Place(server, base, state)


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    base = tmp_path_factory.mktemp("workspaces")
    config = {"future": 1, "workspaces": [{"path": "../workspace"}]}
    options = {"engine_url": "http://127.0.0.1:9", "env": FROM_FILE}
    async with running(base, config=config, **options) as place:
        yield place


async def test_a_new_workspace_is_laid_out_served_active_kept_and_audited(place):
    folder = place.base / "deep" / "reports"
    status, body = await place.make(folder, name=" Reports ")
    key = workspace_id(folder)
    assert (status, body["activeId"], body["persisted"]) == (201, key, True)
    first = body["workspaces"][0]
    assert (first["name"], first["displayName"], first["preset"]) == (
        "Reports",
        "Reports",
        "starter",
    )
    assert first["opencode"] == {"baseUrl": "http://127.0.0.1:9", "directory": str(folder)}
    assert (folder / ".opencode" / "agents" / "openwork.md").is_file()
    assert place.config["future"] == 1
    assert place.config["workspaces"][0] == {
        "path": str(folder), "name": "Reports", "displayName": "Reports", "preset": "starter"
    }  # fmt: skip
    status, config = await place.server.call(
        "GET", f"/w/{key}/workspace/{key}/config", token=CLIENT_TOKEN
    )
    assert (status, config["opencode"]["default_agent"]) == (200, "openwork")
    _, status_body = await place.server.call("GET", "/status", token=CLIENT_TOKEN)
    assert status_body["activeWorkspaceId"] == key
    assert str(folder) in status_body["authorizedRoots"]
    assert "workspace.create" in await place.audited(key)


async def test_making_it_again_changes_no_file_and_makes_it_active(place):
    folder = place.base / "again"
    await place.make(folder, name="Kept", preset="minimal")
    (folder / "opencode.jsonc").write_text("{ /* mine */ }")
    await place.make(place.base / "another", preset="automation")
    status, body = await place.make(folder)
    assert (status, body["workspaces"][0]["name"]) == (201, "Kept")
    assert (folder / "opencode.jsonc").read_text() == "{ /* mine */ }"
    assert [each["path"] for each in place.config["workspaces"]].count(str(folder)) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_payload"),
        ({"folderPath": "  "}, "invalid_payload"),
        ({"folderPath": 5}, "invalid_payload"),
        ({"folderPath": "{base}/x", "preset": "huge"}, "invalid_payload"),
        ({"folderPath": "{base}/x", "name": "a\u0000b"}, "invalid_payload"),
        ({"folderPath": "{base}/x", "name": "\ud800"}, "invalid_payload"),
        ({"folderPath": "{base}/x", "name": "n" * 300}, "invalid_payload"),
        ({"folderPath": "/"}, "invalid_path"),
        ({"folderPath": "/etc/openwork"}, "invalid_path"),
        ({"folderPath": "relative"}, "invalid_path"),
        ({"folderPath": "{base}/a\u0000b"}, "invalid_path"),
        ({"folderPath": "{base}/\ud800"}, "invalid_path"),
        ({"folderPath": "{state}"}, "invalid_path"),
        ({"folderPath": "{state}/inside"}, "invalid_path"),
        ({"folderPath": "{base}"}, "invalid_path"),
        ({"folderPath": "{base}/file"}, "invalid_path"),
        ({"folderPath": "{base}/file/below"}, "workspace_unusable"),
    ],
)
async def test_a_folder_that_cannot_be_one_is_refused_with_a_reason(place, body, code):
    (place.base / "file").write_text("")
    before = (await place.server.call("GET", "/workspaces", token=CLIENT_TOKEN))[1]
    filled = {
        key: value.replace("{base}", str(place.base)).replace("{state}", str(place.state))
        if isinstance(value, str) else value
        for key, value in body.items()
    }  # fmt: skip
    status, answer = await place.server.call("POST", "/workspaces/local", host=True, json=filled)
    assert (status, answer["code"]) == (400, code), answer
    assert (await place.server.call("GET", "/workspaces", token=CLIENT_TOKEN))[1] == before
    assert not (place.base / "x").exists()


async def test_a_name_is_given_and_taken_back(place):
    folder = place.base / "named"
    await place.make(folder, preset="minimal")
    path = f"/workspaces/{workspace_id(folder)}/display-name"
    for given, shown in (
        ("Q3 \N{SNOWMAN}", "Q3 \N{SNOWMAN}"),
        ("  ", "named"),
        ("x", "x"),
        (None, "named"),
    ):
        status, body = await place.server.call(
            "PATCH", path, host=True, json={"displayName": given}
        )
        assert (status, body["persisted"]) == (200, True)
        assert body["workspaces"][0]["name"] == shown
        assert place.config["workspaces"][0]["name"] == shown
    status, body = await place.server.call("PATCH", path, host=True, json={"displayName": ["x"]})
    assert (status, body["code"]) == (400, "invalid_payload")
    status, body = await place.server.call(
        "PATCH", "/workspaces/ws_0/display-name", host=True, json={}
    )
    assert (status, body["code"]) == (404, "workspace_not_found")


async def test_deleting_serves_it_no_more_and_leaves_its_folder(place):
    folder = place.base / "going"
    await place.make(folder, preset="minimal")
    key = workspace_id(folder)
    for options, code in (({"token": CLIENT_TOKEN}, 401), ({}, 401)):
        assert (await place.server.call("DELETE", f"/workspaces/{key}", **options))[0] == code
    status, body = await place.server.call("DELETE", f"/workspaces/{key}", host=True)
    assert status == 200
    assert (body["ok"], body["deleted"], body["persisted"]) == (True, True, True)
    assert set(body) == {"ok", "deleted", "persisted", "activeId", "items"}
    assert key not in [each["id"] for each in body["items"]]
    assert str(folder) not in [each["path"] for each in place.config["workspaces"]]
    assert (folder / "opencode.jsonc").is_file()
    status, body = await place.server.call("DELETE", f"/workspaces/{key}", host=True)
    assert (status, body["code"]) == (404, "workspace_not_found")
    status, body = await place.server.call("GET", f"/w/{key}/status", token=CLIENT_TOKEN)
    assert (status, body["code"]) == (404, "workspace_not_found")


async def test_many_at_once_are_all_kept(place):
    folders = [place.base / f"many-{number}" for number in range(8)]
    answers = await asyncio.gather(*(place.make(each, preset="minimal") for each in folders))
    assert {status for status, _ in answers} == {201}
    assert {str(each) for each in folders} <= {each["path"] for each in place.config["workspaces"]}


async def test_a_first_workspace_makes_the_settings_file_and_a_damaged_one_is_told(tmp_path):
    async with running(tmp_path, env=FROM_FILE) as place:
        status, body = await place.make(tmp_path / "a", preset="minimal")
        assert (status, body["persisted"]) == (201, True)
        assert stat.S_IMODE((place.state / "server.json").stat().st_mode) == 0o600
        entry = {"path": str(tmp_path / "a"), "name": "a", "preset": "minimal"}
        assert place.config == {"workspaces": [entry]}
        (place.state / "server.json").write_text("{broken")
        status, body = await place.make(tmp_path / "b", preset="minimal")
        assert (status, body["code"]) == (422, "invalid_json")
        assert not (tmp_path / "b").exists()
        key = workspace_id(tmp_path / "a")
        for method, path in (("DELETE", ""), ("PATCH", "/display-name")):
            status, body = await place.server.call(
                method, f"/workspaces/{key}{path}", host=True, json={"displayName": "x"}
            )
            assert (status, body["code"]) == (422, "invalid_json")
        _, listed = await place.server.call("GET", "/workspaces", token=CLIENT_TOKEN)
        assert [each["name"] for each in listed["items"]] == ["a"]
        assert (place.state / "server.json").read_text() == "{broken"


async def test_what_was_kept_is_served_after_a_restart(tmp_path):
    async with running(tmp_path, env=FROM_FILE) as place:
        await place.make(tmp_path / "first", preset="minimal")
        await place.make(tmp_path / "kept", name="Kept", preset="automation")
        before = (await place.server.call("GET", "/workspaces", token=CLIENT_TOKEN))[1]
        assert [each["name"] for each in before["items"]] == ["Kept", "first"]
    async with running(tmp_path, env=FROM_FILE) as place:
        assert (await place.server.call("GET", "/workspaces", token=CLIENT_TOKEN))[1] == before


async def test_the_active_one_is_kept_when_that_is_asked_for(tmp_path):
    async def activate(folder, **options):
        path = f"/workspaces/{workspace_id(folder)}/activate"
        status, body = await place.server.call(
            "POST", path + options.pop("query", ""), host=True, **options
        )
        assert (status, body["activeId"]) == (200, workspace_id(folder))
        return body["persisted"]

    one, two = tmp_path / "one", tmp_path / "two"
    async with running(tmp_path, env=FROM_FILE) as place:
        await place.make(one, preset="minimal")
        await place.make(two, preset="minimal")
        assert await activate(one) is False
        assert place.config["workspaces"][0]["path"] == str(two)
        assert await activate(one, query="?persist=true") is True
        assert place.config["workspaces"][0]["path"] == str(one)
        assert await activate(two, json={"persist": True}) is True
        assert place.config["workspaces"][0]["path"] == str(two)
    env = {**FROM_FILE, "OPENWORK_READONLY": "1"}
    async with running(tmp_path, env=env) as place:
        path = f"/workspaces/{workspace_id(one)}/activate"
        status, body = await place.server.call("POST", f"{path}?persist=true", host=True)
        assert (status, body["code"]) == (403, "read_only")
        assert await activate(one) is False


async def test_where_the_environment_names_the_workspaces_nothing_is_kept_and_that_is_said(
    tmp_path,
):
    async with running(tmp_path) as place:
        status, body = await place.make(tmp_path / "a", preset="minimal")
        assert (status, body["persisted"]) == (201, False)
        assert not (place.state / "server.json").exists()
        key = workspace_id(tmp_path / "a")
        for method, path in (("PATCH", "/display-name"), ("DELETE", "")):
            status, body = await place.server.call(
                method, f"/workspaces/{key}{path}", host=True, json={"displayName": "x"}
            )
            assert (status, body["persisted"]) == (200, False)


async def test_a_read_only_server_makes_names_and_removes_nothing(tmp_path):
    async with running(tmp_path, env={"OPENWORK_READONLY": "1"}) as place:
        key = place.server.workspace
        for method, path in (("POST", "/workspaces/local"), ("DELETE", f"/workspaces/{key}"),
                             ("PATCH", f"/workspaces/{key}/display-name")):  # fmt: skip
            body = {"folderPath": str(tmp_path / "x"), "displayName": "x"}
            status, answer = await place.server.call(method, path, host=True, json=body)
            assert (status, answer["code"]) == (403, "read_only")
        assert not (tmp_path / "x").exists()


async def test_deleting_denies_what_waits_and_ends_open_streams(tmp_path):
    async def events(request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        with pytest.raises(ConnectionError):  # noqa: PT012  # it breaks at some write
            while True:
                await asyncio.sleep(0.01)
                await response.write(b": still here\n\n")
        return response

    engine = web.Application()
    engine.router.add_get("/event", events)
    runner = web.AppRunner(engine)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with running(
            tmp_path,
            engine_url=f"http://{host}:{port}",
            env={"OPENWORK_APPROVAL_MODE": "manual"},
        ) as place:
            server, key = place.server, place.server.workspace
            headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
            async with server.http.get(f"{server.base}/opencode/event", headers=headers) as stream:
                await stream.content.readuntil(b"\n\n")
                waiting = asyncio.create_task(
                    server.call(
                        "POST", f"/workspace/{key}/plugins", token=CLIENT_TOKEN, json={"spec": "x"}
                    )
                )
                async with asyncio.timeout(10):
                    while not (await server.call("GET", "/approvals", host=True))[1]["items"]:
                        pass
                    status, _ = await server.call("DELETE", f"/workspaces/{key}", host=True)
                    assert status == 200
                    status, body = await waiting
                    assert (status, body["details"]["reason"]) == (403, "denied")
                    with pytest.raises(ClientPayloadError):  # cut, not ended well
                        await stream.content.read()
            assert list((tmp_path / "workspace").iterdir()) == []
            assert (await server.call("GET", "/approvals", host=True))[1] == {"items": []}
    finally:
        await runner.cleanup()


async def test_no_answer_or_log_line_holds_a_token(place):
    await place.make(place.base / "quiet", preset="minimal")
    text = "\n".join(place.server.lines) + json.dumps(place.config)
    assert HOST_TOKEN not in text
    assert CLIENT_TOKEN not in text
