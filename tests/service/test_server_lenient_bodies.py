"""Bodies as existing clients send them: of any type, null for what is not said, 90.0 for 90."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.stack import CLIENT_TOKEN, running_server


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("lenient")
    (base / "w").mkdir()
    (base / "s").mkdir()
    async with running_server(base / "w", base / "s") as server:
        yield server


TYPES = [
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "text/plain;charset=UTF-8"},
    {"Content-Type": "application/vnd.api+json"},
    {"Content-Type": "nonsense"},
    {"Content-Type": ""},
]


@pytest.mark.parametrize("headers", TYPES)
async def test_a_body_is_json_whatever_its_type_says(server, headers):
    path = f"/workspace/{server.workspace}/files/content"
    content = json.dumps({"path": "a.md", "content": "x"})
    sent = {"token": CLIENT_TOKEN, "headers": headers}
    status, body = await server.call("POST", path, data=content.encode(), **sent)
    assert (status, body.get("ok")) == (200, True), body
    status, body = await server.call("POST", path, data=b"{oops", **sent)
    assert (status, body["code"]) == (400, "invalid_json")
    status, body = await server.call("POST", path, data=b"", **sent)
    assert (status, body["code"]) == (400, "invalid_json")


async def test_so_is_a_body_without_a_type_and_a_form_is_none(server):
    def send(data):
        return server.http.post(
            f"{server.base}/workspace/{server.workspace}/plugins",
            headers={"Authorization": f"Bearer {CLIENT_TOKEN}"},
            skip_auto_headers=("Content-Type",),
            data=data,
        )

    async with send(b'{"spec": "a@1"}') as response:
        assert "Content-Type" not in response.request_info.headers
        assert response.status == 200
    async with send(b"spec=a") as response:
        assert (await response.json())["code"] == "invalid_json"


async def test_null_is_as_if_nothing_were_said(server):
    async def send(path, body):
        path = f"/workspace/{server.workspace}{path}"
        return await server.call("POST", path, token=CLIENT_TOKEN, json=body)

    status, body = await send("/files/sessions", {"write": None, "ttlSeconds": None})
    assert (status, body["session"]["canWrite"]) == (200, True)
    write = {"path": "null.md", "content": "x", "force": None, "baseUpdatedAt": None}
    assert (await send("/files/content", write))[0] == 200
    automation = {"name": "n", "prompt": "p", "enabled": None,
                  "schedule": {"kind": "interval", "seconds": 90.0}}  # fmt: skip
    status, body = await send("/agentlab/automations", automation)
    assert (status, body["items"][0]["enabled"]) == (201, True)
    assert body["items"][0]["schedule"] == {"kind": "interval", "seconds": 90}
    assert isinstance(body["items"][0]["schedule"]["seconds"], int)
    for schedule in ({"kind": "interval", "seconds": 90.5}, {"kind": "interval", "seconds": None},
                     {"kind": "interval", "seconds": "90"}, {"kind": "interval", "seconds": True},
                     {"kind": "interval", "seconds": 1e300}):  # fmt: skip
        status, body = await send("/agentlab/automations", {**automation, "schedule": schedule})
        assert (status, body["code"]) == (400, "invalid_payload"), schedule
    status, body = await send("/files/content", {"path": None, "content": "x"})
    assert (status, body["code"]) == (400, "invalid_payload")  # there is no default


async def test_the_document_says_where_null_is_taken(server):
    _, document = await server.call("GET", "/openapi.json")
    write = document["components"]["schemas"]["NewFileSession"]["properties"]["write"]
    assert write["anyOf"] == [{"type": "boolean"}, {"type": "null"}]
    assert write["default"] is True
    assert document["components"]["schemas"]["Ok"]["properties"]["ok"]["type"] == "boolean"


NOT_ALLOW = [
    {"reply": "maybe"}, {"reply": "Allow"}, {"reply": " allow"}, {"reply": None}, {"reply": True},
    {"reply": 1}, {"reply": ["allow"]}, {"reply": {"allow": True}}, {}, {"Reply": "allow"},
    {"reply": "deny"},
]  # fmt: skip


async def test_only_the_exact_word_allows_a_waiting_change(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    env = {"OPENWORK_APPROVAL_MODE": "manual"}
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:

        async def waiting_id():
            async with asyncio.timeout(10):
                while not (
                    items := (await server.call("GET", "/approvals", host=True))[1]["items"]
                ):
                    pass
            return items[0]["id"]

        for number, reply in enumerate([*NOT_ALLOW, {"reply": "allow"}]):
            allows = reply == {"reply": "allow"}
            path = f"/workspace/{server.workspace}/plugins"
            change = asyncio.create_task(
                server.call("POST", path, token=CLIENT_TOKEN, json={"spec": f"p{number}"})
            )
            key = await waiting_id()
            answer = await server.call("POST", f"/approvals/{key}", host=True, json=reply)
            assert answer == (200, {"ok": True, "allowed": allows}), reply
            assert (await change)[0] == (200 if allows else 403)
        status, body = await server.call("POST", "/approvals/none", host=True, json={"reply": "x"})
        assert (status, body["code"]) == (404, "approval_not_found")
