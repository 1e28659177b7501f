"""A workspace that cannot be served stops nothing: it is listed, says why, and can be removed."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from openwork.common.ids import workspace_id
from tests.stack import CLIENT_TOKEN, RunningServer, running_server

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = {
    "path": "",
    "name": "Team",
    "workspaceType": "remote",
    "baseUrl": "https://files.example.com/w/ws_1",
    "opencodePassword": "secret-canary",
    "future": [1],
}


@dataclass
class Place:
    server: RunningServer
    base: Path

    @property
    def gone(self) -> Path:
        return self.base / "gone"

    @property
    def config(self) -> dict[str, Any]:
        return json.loads((self.base / "s" / "server.json").read_text())

    async def listed(self) -> dict[str, Any]:
        status, body = await self.server.call("GET", "/workspaces", token=CLIENT_TOKEN)
        assert status == 200
        return body

    async def remote_id(self) -> str:
        found = [each["id"] for each in (await self.listed())["items"] if each["name"] == "Team"]
        return found[0]


@asynccontextmanager
async def running(tmp_path):
    for name in ("w", "s"):
        (tmp_path / name).mkdir()
    gone = {"path": "../gone", "displayName": "Q3", "name": "Q3", "future": 1}
    config = {"workspaces": [gone, REMOTE, {"path": "../w"}], "authorizedRoots": [".."]}
    (tmp_path / "s" / "server.json").write_text(json.dumps(config))
    env = {"OPENWORK_WORKSPACES": ""}
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        yield Place(server, tmp_path)


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """For looking at only."""
    async with running(tmp_path_factory.mktemp("unavailable")) as place:
        yield place


@pytest.fixture
async def own_place(tmp_path):
    """For changing."""
    async with running(tmp_path) as place:
        yield place


async def test_the_server_starts_warns_and_lists_what_it_cannot_serve(place):
    before = place.config
    body = await place.listed()
    served, gone, remote = body["items"]
    assert body["activeId"] == served["id"] == place.server.workspace
    assert "unavailable" not in served
    assert (gone["id"], gone["path"]) == (workspace_id(place.gone), str(place.gone))
    assert (gone["name"], gone["displayName"], gone["workspaceType"]) == ("Q3", "Q3", "local")
    assert gone["unavailable"]["reason"] == "it does not exist"
    assert f"mkdir -p {place.gone}" in gone["unavailable"]["hint"]
    assert (remote["workspaceType"], remote["baseUrl"]) == ("remote", REMOTE["baseUrl"])
    assert "another server" in remote["unavailable"]["reason"]
    _, status = await place.server.call("GET", "/status", token=CLIENT_TOKEN)
    assert (status["activeWorkspaceId"], status["workspaceCount"]) == (served["id"], 1)
    warnings = [line for line in place.server.lines if "WARN" in line]
    assert any(str(place.gone) in line and "it does not exist" in line for line in warnings)
    assert any("Team" in line for line in warnings)
    assert "canary" not in json.dumps(body) + "".join(place.server.lines)
    assert place.config == before


@pytest.mark.parametrize("which", ["gone", "remote"])
async def test_every_route_of_it_says_why_and_what_to_do(place, which):
    key = workspace_id(place.gone) if which == "gone" else await place.remote_id()
    for method, path in (
        ("GET", f"/workspace/{key}/config"),
        ("POST", f"/workspace/{key}/files/sessions"),
        ("GET", f"/workspace/{key}/audit"),
        ("GET", f"/w/{key}/status"),
        ("GET", f"/w/{key}/capabilities"),
        ("GET", f"/w/{key}/workspaces"),
        ("GET", f"/w/{key}/opencode/session"),
        ("GET", f"/w/{key}/workspace/{key}/skills"),
    ):
        status, body = await place.server.call(method, path, token=CLIENT_TOKEN, json={})
        assert (status, body["code"]) == (409, "workspace_unavailable"), path
        assert body["details"]["workspaceId"] == key
        assert body["details"]["reason"] in body["message"]
        assert f"DELETE /workspaces/{key}" in body["hint"]
    status, body = await place.server.call("POST", f"/workspaces/{key}/activate", host=True)
    assert (status, body["code"]) == (409, "workspace_unavailable")
    assert (await place.server.call("GET", f"/workspace/{key}/config"))[0] == 401
    assert (await place.listed())["activeId"] == place.server.workspace


async def test_it_is_renamed_and_removed_and_the_rest_of_the_file_stays(own_place):
    place = own_place
    gone, remote = workspace_id(place.gone), await place.remote_id()
    first, second, third = place.config["workspaces"]
    for key in (gone, remote):
        path = f"/workspaces/{key}/display-name"
        status, body = await place.server.call(
            "PATCH", path, host=True, json={"displayName": f"New {key}"}
        )
        assert (status, body["persisted"]) == (200, True)
        assert f"New {key}" in [each["name"] for each in body["workspaces"]]
    named = [{"name": f"New {key}", "displayName": f"New {key}"} for key in (gone, remote)]
    assert place.config["workspaces"] == [first | named[0], second | named[1], third]
    status, body = await place.server.call(
        "PATCH", f"/workspaces/{gone}/display-name", host=True, json={"displayName": None}
    )
    assert "gone" in [each["name"] for each in body["workspaces"]]
    for key in (gone, remote):
        status, body = await place.server.call("DELETE", f"/workspaces/{key}", host=True)
        assert (status, body["deleted"], body["persisted"]) == (200, True, True)
        assert key not in [each["id"] for each in body["items"]]
        status, body = await place.server.call(
            "GET", f"/workspace/{key}/config", token=CLIENT_TOKEN
        )
        assert (status, body["code"]) == (404, "workspace_not_found")
    assert place.config["workspaces"] == [third]


async def test_a_folder_that_is_made_again_is_served_with_the_name_it_had(own_place):
    place = own_place
    body = {"folderPath": str(place.gone), "preset": "minimal"}
    status, body = await place.server.call("POST", "/workspaces/local", host=True, json=body)
    key = workspace_id(place.gone)
    assert (status, body["activeId"], body["persisted"]) == (201, key, True)
    (item,) = [each for each in body["workspaces"] if each["id"] == key]
    assert item["displayName"] == "Q3"
    assert "unavailable" not in item
    entries = [each for each in place.config["workspaces"] if each.get("name") == "Q3"]
    assert [each["future"] for each in entries] == [1]
    status, _ = await place.server.call("GET", f"/workspace/{key}/config", token=CLIENT_TOKEN)
    assert status == 200


async def test_a_made_folder_that_is_deleted_does_not_stop_the_next_start(tmp_path):
    for name in ("w", "s"):
        (tmp_path / name).mkdir()
    env = {"OPENWORK_WORKSPACES": ""}
    made = tmp_path / "made"
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        body = {"folderPath": str(made), "preset": "minimal"}
        assert (await server.call("POST", "/workspaces/local", host=True, json=body))[0] == 201
    made.rename(tmp_path / "elsewhere")
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        _, body = await server.call("GET", "/workspaces", token=CLIENT_TOKEN)
        assert body["activeId"] is None
        assert [each["unavailable"]["reason"] for each in body["items"]] == ["it does not exist"]
        status, body = await server.call("GET", "/opencode/session", token=CLIENT_TOKEN)
        assert (status, body["code"]) == (400, "opencode_unconfigured")


async def test_an_odd_path_is_listed_renamed_and_removed_too(tmp_path):
    for name in ("w", "s"):
        (tmp_path / name).mkdir()
    odd = ["a\0b", "\ud800", "n" * 300, "../w/\x1b[31m", "~no-such-user"]
    config = {"workspaces": [*({"path": path} for path in odd), {"path": "../w"}]}
    (tmp_path / "s" / "server.json").write_text(json.dumps(config))
    env = {"OPENWORK_WORKSPACES": ""}
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        _, body = await server.call("GET", "/workspaces", token=CLIENT_TOKEN)
        keys = [each["id"] for each in body["items"] if "unavailable" in each]
        assert len(keys) == len(odd)
        for key in keys:
            path = f"/workspaces/{key}"
            status, body = await server.call(
                "PATCH", f"{path}/display-name", host=True, json={"displayName": "x"}
            )
            assert (status, body["persisted"]) == (200, True)
            assert (await server.call("DELETE", path, host=True))[0] == 200
        assert "\x1b" not in "".join(server.lines)
    left = json.loads((tmp_path / "s" / "server.json").read_text())
    assert left == {"workspaces": [{"path": "../w"}]}
