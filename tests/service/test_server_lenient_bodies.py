"""Bodies as existing clients send them: any content type, null for what is not said, 90.0 for 90."""

from __future__ import annotations

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
