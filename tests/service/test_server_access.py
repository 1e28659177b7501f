"""Every route of a real server, with every kind of caller, over real sockets."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import stat

import pytest

from openwork.demo.layout import lay_out
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server
from tests.until import until

# Who may call what. A route that is added belongs here: that is the point of the table.
TABLE = {
    "GET /health": "nobody",
    "GET /whoami": "viewer",
    "GET /status": "viewer",
    "GET /capabilities": "viewer",
    "GET /workspaces": "viewer",
    "POST /workspaces/{workspace_id}/activate": "host",
    "POST /workspaces/local": "host",
    "PATCH /workspaces/{target_id}/display-name": "host",
    "DELETE /workspaces/{target_id}": "host",
    "GET /workspace/{workspace_id}/skills": "viewer",
    "POST /workspace/{workspace_id}/skills": "collaborator",
    "GET /workspace/{workspace_id}/skills/{name}": "viewer",
    "DELETE /workspace/{workspace_id}/skills/{name}": "collaborator",
    "GET /hub/skills": "viewer",
    "POST /workspace/{workspace_id}/skills/hub/{name}": "collaborator",
    "GET /workspace/{workspace_id}/commands": "viewer",
    "POST /workspace/{workspace_id}/commands": "collaborator",
    "DELETE /workspace/{workspace_id}/commands/{name}": "collaborator",
    "GET /workspace/{workspace_id}/agents": "viewer",
    "POST /workspace/{workspace_id}/agents": "collaborator",
    "GET /workspace/{workspace_id}/agents/{name}": "viewer",
    "DELETE /workspace/{workspace_id}/agents/{name}": "collaborator",
    "GET /workspace/{workspace_id}/plugins": "viewer",
    "POST /workspace/{workspace_id}/plugins": "collaborator",
    "DELETE /workspace/{workspace_id}/plugins/{name}": "collaborator",
    "GET /workspace/{workspace_id}/mcp": "viewer",
    "POST /workspace/{workspace_id}/mcp": "collaborator",
    "DELETE /workspace/{workspace_id}/mcp/{name}": "collaborator",
    "DELETE /workspace/{workspace_id}/mcp/{name}/auth": "collaborator",
    "GET /workspace/{workspace_id}/scheduler/jobs": "viewer",
    "DELETE /workspace/{workspace_id}/scheduler/jobs/{name}": "collaborator",
    "DELETE /workspace/{workspace_id}/sessions/{session_id}": "collaborator",
    "GET /runtime/versions": "viewer",
    "POST /runtime/upgrade": "host",
    "GET /opencode-router": "viewer",
    "GET /opencode-router/health": "viewer",
    "GET /opencode-router/bindings": "collaborator",
    "GET /opencode-router/identities/telegram": "collaborator",
    "GET /opencode-router/identities/slack": "collaborator",
    "GET /opencode-router/{path}": "host",
    "POST /opencode-router/{path}": "host",
    "PUT /opencode-router/{path}": "host",
    "PATCH /opencode-router/{path}": "host",
    "DELETE /opencode-router/{path}": "host",
    "GET /workspace/{workspace_id}/opencode-router/health": "collaborator",
    "GET /workspace/{workspace_id}/opencode-router/telegram": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/telegram-token": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/slack-tokens": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/telegram-enabled": "collaborator",
    "GET /workspace/{workspace_id}/opencode-router/identities/{channel}": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/identities/{channel}": "collaborator",
    "DELETE /workspace/{workspace_id}/opencode-router/identities/{channel}/{name}": "collaborator",
    "GET /workspace/{workspace_id}/opencode-router/bindings": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/bindings": "collaborator",
    "POST /workspace/{workspace_id}/opencode-router/send": "collaborator",
    "GET /metrics": "viewer",
    "GET /audit": "host",
    "GET /tokens": "host",
    "POST /tokens": "host",
    "DELETE /tokens/{token_id}": "host",
    "GET /workspace/{workspace_id}/config": "viewer",
    "PATCH /workspace/{workspace_id}/config": "collaborator",
    "GET /workspace/{workspace_id}/export": "viewer",
    "POST /workspace/{workspace_id}/import": "collaborator",
    "GET /workspace/{workspace_id}/audit": "viewer",
    "GET /workspace/{workspace_id}/audit/verify": "viewer",
    "GET /workspace/{workspace_id}/audit/export": "viewer",
    "GET /workspace/{workspace_id}/events": "viewer",
    "GET /workspace/{workspace_id}/events/stream": "viewer",
    "POST /workspace/{workspace_id}/engine/reload": "collaborator",
    "POST /engine/restarted": "host",
    "GET /workspace/{workspace_id}/inbox": "viewer",
    "POST /workspace/{workspace_id}/inbox": "collaborator",
    "GET /workspace/{workspace_id}/inbox/{item_id}": "viewer",
    "GET /workspace/{workspace_id}/artifacts": "viewer",
    "GET /workspace/{workspace_id}/artifacts/{artifact_id}": "viewer",
    "GET /workspace/{workspace_id}/files/content": "viewer",
    "POST /workspace/{workspace_id}/files/content": "collaborator",
    "POST /workspace/{workspace_id}/files/sessions": "viewer",
    "POST /files/sessions/{session_id}/renew": "viewer",
    "DELETE /files/sessions/{session_id}": "viewer",
    "GET /files/sessions/{session_id}/catalog/snapshot": "viewer",
    "GET /files/sessions/{session_id}/catalog/events": "viewer",
    "POST /files/sessions/{session_id}/read-batch": "viewer",
    "POST /files/sessions/{session_id}/write-batch": "collaborator",
    "POST /files/sessions/{session_id}/ops": "collaborator",
    "GET /workspace/{workspace_id}/agentlab/automations": "viewer",
    "POST /workspace/{workspace_id}/agentlab/automations": "collaborator",
    "DELETE /workspace/{workspace_id}/agentlab/automations/{automation_id}": "collaborator",
    "POST /workspace/{workspace_id}/agentlab/automations/{automation_id}/run": "collaborator",
    "GET /workspace/{workspace_id}/agentlab/automations/logs": "viewer",
    "GET /workspace/{workspace_id}/agentlab/automations/logs/{automation_id}": "viewer",
    "GET /approvals": "host",
    "GET /approvals/stream": "host",
    "POST /approvals/{approval_id}": "host",
}
OPEN_PATHS = {"/health", "/openapi.json"}
RANK = {"viewer": 1, "collaborator": 2, "owner": 3, "host": 3}


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("access")
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    nobody = "http://127.0.0.1:9"
    env = {"OPENWORK_HUB_API_URL": nobody, "OPENWORK_HUB_RAW_URL": nobody}
    async with running_server(folder, state, engine_url=nobody, env=env) as server:
        yield server


@pytest.fixture(scope="module")
async def tokens(server):
    return {scope: await server.token(scope) for scope in ("owner", "collaborator", "viewer")}


def concrete(server, operation):
    method, path = operation.split(" ", 1)
    path = path.replace("{workspace_id}", server.workspace)
    return method, path.replace("{token_id}", "t").replace("{approval_id}", "a")


async def test_the_table_holds_every_documented_route_and_no_other(server):
    status, document = await server.call("GET", "/openapi.json")
    assert status == 200
    found = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert set(found) == set(TABLE)
    for operation, who in TABLE.items():
        security = [name for each in found[operation].get("security", []) for name in each]
        assert ("hostToken" in security) is (who == "host"), operation
        assert bool(security) is (who != "nobody"), operation


@pytest.mark.parametrize("mount", ["", "/w/{id}"])
@pytest.mark.parametrize("operation", TABLE)
async def test_every_route_admits_exactly_whom_the_table_says(server, tokens, operation, mount):
    who = TABLE[operation]
    method, path = concrete(server, operation)
    path = mount.replace("{id}", server.workspace) + path
    status, body = await server.call(method, path)
    if who == "nobody":
        assert status == 200
        return
    assert (status, body["code"]) == (401, "unauthorized")
    for wrong in ("wrong", HOST_TOKEN, "owt_" + "0" * 32):
        assert (await server.call(method, path, token=wrong))[0] == 401, wrong
    assert (await server.call(method, path + f"?token={tokens['owner']}"))[0] == 401
    assert (await server.call(method, path, headers={"X-OpenWork-Host-Token": "wrong"}))[0] == 401
    for scope, token in tokens.items():
        status, _ = await server.call(method, path, token=token, json={})
        if RANK[scope] >= RANK[who]:
            assert status not in {401, 403}, (scope, status)
        else:
            assert status == (401 if who == "host" else 403), (scope, status)


async def test_nothing_outside_the_table_answers_with_anything(server, tokens):
    owner = tokens["owner"]
    for path in ("/docs", "/redoc", "/opencode-router/health", "/nope", "/workspace", "/tokens/",
                 "//health", "/w/", "/.env", "/page.js.map",
                 f"/w/{server.workspace}/workspace/ws_000000000000/config"):  # fmt: skip
        status, _ = await server.call("GET", path, token=owner)
        assert status in {401, 404}, (path, status)
    for method in ("PUT", "TRACE", "PROPFIND"):
        assert (await server.call(method, "/whoami", token=owner))[0] in {404, 405, 501}, method


async def test_a_scope_a_client_claims_for_itself_counts_nowhere(server, tokens):
    viewer = tokens["viewer"]
    claims = {"X-OpenWork-Scope": "owner", "X-Scope": "owner", "X-Forwarded-User": "owner"}
    _, body = await server.call("GET", "/whoami?scope=owner", token=viewer, headers=claims)
    assert body["actor"]["scope"] == "viewer"
    status, _ = await server.call(
        "PATCH", f"/workspace/{server.workspace}/config?scope=owner", token=viewer,
        headers=claims, json={"scope": "owner", "opencode": {"model": "x"}},
    )  # fmt: skip
    assert status == 403


async def raw(server, request: bytes, *, wait_for: bytes = b"\r\n\r\n") -> bytes:
    """Send bytes, return what comes back until the server closes or ``wait_for`` has come."""
    host, port = server.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        got = b""
        async with asyncio.timeout(10):
            while wait_for not in got:
                chunk = await reader.read(65536)
                if not chunk:
                    break
                got += chunk
        return got
    finally:
        writer.close()


async def test_fuzzed_hosts_open_no_route(server):
    rng = random.Random(7)  # noqa: S311  # a repeatable test
    pieces = ["127.0.0.1", "localhost", "/health?y=", "@", ":80", "#", "?", "evil.example", "..",
              "[::1]", "%2f", "x", "/", " ", ";", ",", "/health", "\\"]  # fmt: skip
    hosts = ["x/health?y=", "127.0.0.1/health?", "localhost:8787/openapi.json#"]
    hosts += ["".join(rng.choices(pieces, k=rng.randint(1, 5))) for _ in range(200)]
    for host in hosts:
        head = f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = await raw(server, head.encode())
        assert answer[9:12] in {b"401", b"421", b"400"}, (host, answer[:80])


async def test_a_foreign_host_is_refused_before_anything_else(server):
    for path in ("/health", "/openapi.json", "/", "/opencode/session"):
        status, body = await server.call("GET", path, headers={"Host": "evil.example"})
        assert (status, body["code"]) == (421, "host_not_allowed")
    for host in ("localhost", "[::1]:8787", "192.168.1.5", "127.0.0.1:1"):
        assert (await server.call("GET", "/health", headers={"Host": host}))[0] == 200, host


async def test_a_page_of_another_origin_learns_nothing_without_a_token(server):
    origin = {"Origin": "http://evil.example"}
    for path in ("/health", "/openapi.json", "/whoami", "/opencode/session", "/"):
        async with server.http.get(server.base + path, headers=origin) as response:
            assert not [key for key in response.headers if key.lower().startswith("access-control")]
    simple = {**origin, "Content-Type": "text/plain"}
    for path in ("/tokens", "/opencode/session", "/approvals/x"):
        status, _ = await server.call("POST", path, headers=simple, data='{"scope": "owner"}')
        assert status == 401


@pytest.mark.parametrize("path", ["/tokens", "/workspace/{id}/config", "/opencode/session",
                                  "/opencode/permission/x/reply"])  # fmt: skip
@pytest.mark.parametrize("framing", ["content-length: 1000000000", "transfer-encoding: chunked"])
async def test_a_bad_token_is_answered_before_the_body_is_taken(server, path, framing):
    method = "PATCH" if path.endswith("config") else "POST"
    host, port = server.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"{method} {path.replace('{id}', server.workspace)} HTTP/1.1\r\nhost: localhost\r\n"
    writer.write(f"{head}authorization: Bearer wrong\r\n{framing}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 401")
            assert b"connection: close" in answer.lower()
            sent = 0
            with pytest.raises(ConnectionError):  # noqa: PT012  # it breaks at some piece
                while sent < 50_000_000:
                    piece = b"x" * 65536
                    writer.write(b"10000\r\n" + piece + b"\r\n" if "chunked" in framing else piece)
                    sent += len(piece)
                    await writer.drain()
    finally:
        writer.close()


async def test_a_body_over_the_routes_limit_is_refused(server, tokens):
    for declared in (True, False):

        async def parts():
            for _ in range(17):
                yield b" " * 65536

        body = io.BytesIO(b" " * 1_100_000) if declared else parts()
        status, answer = await server.call("POST", "/tokens", host=True, data=body)
        assert (status, answer["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"scope": "\xff"}', "invalid_json"),
        (b"9" * 5000, "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_payload"),
        (b'"x"', "invalid_payload"),
        (b"{}", "invalid_scope"),
        (b'{"scope": "root"}', "invalid_scope"),
        (b'{"scope": ["owner"]}', "invalid_scope"),
        (b'{"scope": "viewer", "label": 5}', "invalid_payload"),
        (b'{"scope": "viewer", "label": "' + b"x" * 300 + b'"}', "invalid_payload"),
    ],
)
async def test_a_bad_body_is_400_and_is_not_repeated(server, body, code):
    status, answer = await server.call(
        "POST", "/tokens", host=True, data=body, headers={"Content-Type": "application/json"}
    )
    assert (status, answer["code"]) == (400, code)
    assert "x" * 50 not in json.dumps(answer)


async def test_nested_json_is_no_crash(server):
    deep = b"[" * 200_000
    for path, options in (
        ("/tokens", {"host": True}),
        ("/opencode/session", {"token": CLIENT_TOKEN}),
    ):
        status, _ = await server.call(
            "POST", path, data=deep, headers={"Content-Type": "application/json"}, **options
        )
        assert status == 400, path


async def test_the_engines_password_and_the_tokens_are_in_no_answer(server, tokens):
    for path in ("/status", "/workspaces", "/capabilities", "/whoami", "/tokens",
                 f"/workspace/{server.workspace}/config"):  # fmt: skip
        _, body = await server.call("GET", path, token=tokens["owner"])
        text = json.dumps(body)
        for secret in (CLIENT_TOKEN, HOST_TOKEN, *tokens.values()):
            assert secret not in text, path
        assert "assword" not in text, path


async def test_a_read_only_server_changes_nothing(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, env={"OPENWORK_READONLY": "1"}) as server:
        for method, path, options in (
            ("POST", "/tokens", {"host": True, "json": {"scope": "viewer"}}),
            ("PATCH", f"/workspace/{server.workspace}/config",
             {"token": CLIENT_TOKEN, "json": {"opencode": {"model": "a/b"}}}),
        ):  # fmt: skip
            status, body = await server.call(method, path, **options)
            assert (status, body["code"]) == (403, "read_only")
        assert (await server.call("GET", "/status", token=CLIENT_TOKEN))[1]["readOnly"] is True
        assert list(folder.iterdir()) == []


async def test_approvals_wait_are_answered_and_are_withdrawn_by_leaving(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    lay_out(folder)
    async with running_server(folder, state, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:

        def patch(model):
            return asyncio.create_task(
                server.call("PATCH", f"/workspace/{server.workspace}/config",
                            token=CLIENT_TOKEN, json={"opencode": {"model": model}})
            )  # fmt: skip

        async def waiting(count):
            async with asyncio.timeout(10):
                while True:
                    _, body = await server.call("GET", "/approvals", host=True)
                    if len(body["items"]) == count:
                        return body["items"]

        allowed = patch("a/allowed")
        (item,) = await waiting(1)
        assert item["actor"]["scope"] == "collaborator"
        leaver = patch("a/leaver")
        await waiting(2)
        leaver.cancel()
        await waiting(1)
        await server.call("POST", f"/approvals/{item['id']}", host=True, json={"reply": "allow"})
        assert (await allowed)[0] == 200
        denied = patch("a/denied")
        (item,) = await waiting(1)
        await server.call("POST", f"/approvals/{item['id']}", host=True, json={"reply": "deny"})
        status, body = await denied
        assert (status, body["details"]["reason"]) == (403, "denied")
        (written,) = folder.glob("opencode.json*")
        config = written.read_text()
        assert "a/allowed" in config
        _, audit = await server.call(
            "GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN
        )
        assert [each["outcome"] for each in audit["items"]] == ["denied", "done", "withdrawn"]


async def test_secrets_stay_out_of_logs_audit_and_command_lines(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    canary = "canary-password-51234"
    env = {"OPENWORK_OPENCODE_PASSWORD": canary, "OPENWORK_VERBOSE": "1"}
    async with running_server(folder, state, engine_url="http://127.0.0.1:9", env=env) as server:
        owner = await server.token("owner")
        await server.call("GET", f"/opencode/session?token={owner}", token=owner)
        await server.call("GET", f"/{owner}/{HOST_TOKEN}", token=CLIENT_TOKEN)
        await server.call("GET", "/status", token="wrong-token-canary")
        await server.call("PATCH", f"/workspace/{server.workspace}/config", token=owner,
                          json={"opencode": {"model": "a/b"}})  # fmt: skip
        await until(lambda: any("/config" in line for line in server.lines), pause_s=0.01)
        lines = "\n".join(server.lines)
        import psutil

        family = [psutil.Process(server.child.pid)]
        family += family[0].children(recursive=True)
        shown = "\n".join(" ".join(each.cmdline()) for each in family)
        stored = "".join(each.read_text() for each in state.rglob("*") if each.is_file())
        for secret in (owner, CLIENT_TOKEN, HOST_TOKEN, canary, "wrong-token-canary"):
            assert secret not in lines
            assert secret not in shown
            assert secret not in stored
        for each in state.rglob("*"):
            if each.is_file():
                assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
        assert os.environ.get("OPENWORK_TOKEN") is None


async def test_tokens_issued_and_revoked_are_on_the_servers_own_record(server):
    _, issued = await server.call(
        "POST", "/tokens", host=True, json={"scope": "viewer", "label": "phone"}
    )
    await server.call("DELETE", f"/tokens/{issued['id']}", host=True)
    status, body = await server.call("GET", "/audit?limit=2", host=True)
    assert status == 200
    assert [(each["action"], each["target"]) for each in body["items"]] == [
        ("tokens.revoke", issued["id"]),
        ("tokens.issue", issued["id"]),
    ]
    assert body["items"][0]["actor"]["type"] == "host"
    assert "phone" in body["items"][1]["summary"]
    assert issued["token"] not in json.dumps(body)
