"""The messaging router behind the server: who may ask it what, and that tokens stay nowhere."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from openwork.common.net import free_port
from tests.fake_router import fake_router
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server

TELEGRAM = "7000000001:AAcanary-telegram-token-abcdefghijk"
SLACK_BOT = "xoxb-canary-1234567890-bot"
SLACK_APP = "xapp-1-canary-1234567890-app"


@pytest.fixture(scope="module")
async def router():
    async with fake_router() as router:
        yield router


@pytest.fixture(scope="module")
async def server(tmp_path_factory, router):
    base = tmp_path_factory.mktemp("router")
    folder, state = base / "workspace", base / "state"
    (folder / "sub").mkdir(parents=True)
    state.mkdir()
    env = {"OPENCODE_ROUTER_HEALTH_PORT": str(router.port), "OPENWORK_VERBOSE": "1"}
    async with running_server(folder, state, env=env) as server:
        yield server


@pytest.fixture(autouse=True)
def forget(router):
    router.requests.clear()
    router.headers.clear()
    router.bindings.clear()
    router.refuse = None
    for each in router.identities.values():
        each.clear()


def ask(server, method, path, **options):
    return server.call(
        method,
        f"/workspace/{server.workspace}/opencode-router{path}",
        token=CLIENT_TOKEN,
        **options,
    )


async def newest(server):
    _, page = await server.call("GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN)
    return page["items"][0]


# The router's own routes.


async def test_reads_are_for_clients_and_the_rest_is_the_hosts(server, router):
    viewer = await server.token("viewer")
    for path in ("", "/", "/health"):
        status, body = await server.call("GET", f"/opencode-router{path}", token=viewer)
        assert (status, body["ok"]) == (503, False), path  # the router's own answer
    for path in ("/bindings", "/identities/telegram", "/identities/slack"):
        assert (await server.call("GET", f"/opencode-router{path}", token=viewer))[0] == 403
        assert (await server.call("GET", f"/opencode-router{path}", token=CLIENT_TOKEN))[0] == 200
    router.requests.clear()
    for method, path in (
        ("POST", "/send"),
        ("POST", "/bindings"),
        ("GET", "/config/groups"),
        ("GET", "/identities/telegram/x"),
        ("DELETE", "/identities/slack/x"),
        ("GET", "/bindings/"),
        ("PUT", "/health"),
        ("GET", "/health%2F..%2Fconfig%2Fgroups"),
    ):
        status, body = await server.call(method, f"/opencode-router{path}", token=CLIENT_TOKEN)
        assert (status, body["code"]) == (401, "unauthorized"), path
    assert router.requests == []
    status, body = await server.call("GET", "/opencode-router/config/groups?a=b%20c", host=True)
    assert (status, body) == (404, {"ok": False, "error": "Not found"})
    assert router.last == ("GET", "/config/groups?a=b+c", None)


async def test_the_callers_credentials_stop_here_and_a_change_is_recorded(server, router):
    body = {"id": "x", "token": TELEGRAM}
    mount = f"/w/{server.workspace}/opencode-router"
    status, _ = await server.call(
        "POST",
        f"{mount}/identities/telegram",
        host=True,
        json=body,
        headers={"Origin": server.base, "X-OpenWork-Client-Id": "me"},
    )
    assert status == 200
    assert router.last == ("POST", "/identities/telegram", body)
    assert not set(router.headers[-1]) & {
        "authorization",
        "origin",
        "x-openwork-host-token",
        "x-openwork-client-id",
    }
    entry = await newest(server)
    assert (entry["action"], entry["outcome"]) == ("opencodeRouter.request", "done")
    router.refuse = (400, "no")
    await server.call("DELETE", f"{mount}/identities/telegram/x", host=True)
    assert (await newest(server))["outcome"] == "failed"


# The workspace's.


async def test_an_identity_is_the_workspaces_own(server, router):
    path = "/identities/telegram"
    assert await ask(server, "GET", path) == (200, {"ok": True, "items": []})
    router.identities["telegram"]["another"] = {"id": "another", "enabled": True}
    status, body = await ask(server, "POST", path, json={"token": f" {TELEGRAM} "})
    assert status == 200
    assert (body["ok"], body["persisted"], body["applied"]) == (True, True, True)
    assert body["telegram"]["id"] == server.workspace
    method, where, sent = router.last
    assert (method, where) == ("POST", path)
    assert sent == {
        "id": server.workspace,
        "directory": str(server.folder),
        "token": TELEGRAM,
        "enabled": True,
        "access": "public",
    }
    _, body = await ask(server, "GET", path)
    assert [each["id"] for each in body["items"]] == [server.workspace]
    assert (await ask(server, "GET", "/telegram"))[1] == {
        "ok": True,
        "configured": True,
        "enabled": True,
        "bot": None,
    }
    for given, code in (("another", "identity_mismatch"), ("env", "invalid_identity")):
        status, body = await ask(server, "POST", path, json={"token": TELEGRAM, "id": given})
        assert (status, body["code"]) == (400, code)
        status, body = await ask(server, "DELETE", f"{path}/{given}")
        assert (status, body["code"]) == (400, code)
    status, body = await ask(server, "DELETE", f"{path}/{server.workspace}")
    assert (status, body["telegram"]) == (200, {"id": server.workspace, "deleted": True})
    assert list(router.identities["telegram"]) == ["another"]


async def test_a_private_bot_has_a_code_that_is_told_once_and_kept_as_a_hash(server, router):
    path = "/identities/telegram"
    private = {"token": TELEGRAM, "access": "private"}
    _, body = await ask(server, "POST", path, json={**private, "pairingCode": "abcd-1234"})
    assert body["telegram"]["pairingCode"] == "ABCD1234"
    hashed = hashlib.sha256(b"ABCD1234").hexdigest()
    assert router.last[2]["pairingCodeHash"] == hashed
    assert "pairingCode" not in router.last[2]
    assert hashed not in json.dumps(body)
    _, body = await ask(server, "POST", path, json=private)
    assert re.fullmatch(r"[A-HJ-NP-Z2-9]{8}", body["telegram"]["pairingCode"])
    for code in ("abc", "a" * 25, "ab/cd.ef"):
        status, body = await ask(server, "POST", path, json={**private, "pairingCode": code})
        assert (status, body["code"]) == (400, "invalid_pairing_code")


async def test_the_older_forms_answer_in_their_shapes(server, router):
    status, body = await ask(server, "POST", "/telegram-token", json={"token": TELEGRAM})
    assert status == 200
    assert body["telegram"]["configured"] is True
    status, body = await ask(
        server, "POST", "/slack-tokens", json={"botToken": SLACK_BOT, "appToken": SLACK_APP}
    )
    assert (status, body["slack"]["configured"]) == (200, True)
    assert router.last[2]["appToken"] == SLACK_APP
    status, body = await ask(server, "POST", "/telegram-enabled", json={"enabled": False})
    assert (status, body) == (
        200,
        {"ok": True, "persisted": True, "applied": True, "enabled": False},
    )
    assert "token" not in router.last[2]
    status, body = await ask(
        server, "POST", "/telegram-enabled", json={"enabled": True, "clearToken": True}
    )
    assert (status, body["enabled"]) == (200, False)
    assert router.identities["telegram"] == {}
    for path, body in (
        ("/telegram-token", {}),
        ("/telegram-token", {"token": "  "}),
        ("/slack-tokens", {"botToken": SLACK_BOT}),
        ("/identities/slack", {}),
    ):
        status, answer = await ask(server, "POST", path, json=body)
        assert (status, answer["code"]) == (400, "token_required"), path


async def test_conversations_are_bound_to_folders_of_the_workspace_only(server, router, tmp_path):
    base = {"channel": "telegram", "peerId": "42"}
    for directory, real in (
        ("sub", "/sub"),
        (str(server.folder), ""),
        (f"{server.folder}/sub", "/sub"),
    ):
        status, body = await ask(server, "POST", "/bindings", json={**base, "directory": directory})
        assert (status, body) == (200, {"ok": True})
        assert router.last[2]["directory"] == f"{server.folder}{real}"
    (server.folder / "out").symlink_to(tmp_path)
    sent = len(router.requests)
    for directory in ("/", "..", "out", str(tmp_path), "missing", "a\0b", "\ud800"):
        status, body = await ask(server, "POST", "/bindings", json={**base, "directory": directory})
        assert (status, body["code"]) == (403, "workspace_unauthorized"), directory
        status, body = await ask(
            server, "POST", "/send", json={**base, "text": "x", "directory": directory}
        )
        assert (status, body["code"]) == (403, "workspace_unauthorized"), directory
    assert len(router.requests) == sent
    for wrong, code in (
        ({"channel": "sms"}, "invalid_channel"),
        ({"peerId": " "}, "peer_required"),
        ({"identityId": "other"}, "identity_mismatch"),
    ):
        status, body = await ask(server, "POST", "/bindings", json={**base, **wrong})
        assert (status, body["code"]) == (400, code)
    assert (await ask(server, "POST", "/bindings", json=base))[0] == 200
    assert router.last[2]["directory"] == ""
    assert (await newest(server))["action"] == "opencodeRouter.binding.clear"
    router.bindings[:] = [{"identityId": "other", "peerId": "9"}, {"identityId": server.workspace}]
    status, body = await ask(server, "GET", "/bindings?channel=telegram")
    assert [each["identityId"] for each in body["items"]] == [server.workspace]
    assert (await ask(server, "GET", "/bindings?channel=sms"))[0] == 400


async def test_a_text_is_sent_and_recorded_without_its_words(server, router):
    text = {"channel": "slack", "text": "confidential words", "peerId": "D1"}
    status, body = await ask(server, "POST", "/send", json=text)
    assert (status, body["sent"]) == (200, 1)
    assert router.last[2] == {
        "channel": "slack",
        "identityId": server.workspace,
        "peerId": "D1",
        "text": "confidential words",
        "directory": str(server.folder),
    }
    entry = await newest(server)
    assert (entry["action"], entry["outcome"]) == ("opencodeRouter.send", "done")
    assert "confidential" not in json.dumps(entry)
    for wrong, code in (
        ({"text": " "}, "text_required"),
        ({"text": "FILE:/etc/passwd"}, "invalid_payload"),
        ({"directory": " "}, "directory_required"),
        ({"channel": ""}, "invalid_channel"),
        ({"text": 5}, "invalid_payload"),
    ):
        status, body = await ask(server, "POST", "/send", json={**text, **wrong})
        assert (status, body["code"]) == (400, code), wrong
    router.refuse = (404, "chat not found")
    status, body = await ask(server, "POST", "/send", json=text)
    assert (status, body["code"]) == (404, "opencodeRouter_request_failed")
    assert (await newest(server))["outcome"] == "failed"


async def test_health_is_the_routers_own_account(server):
    status, body = await ask(server, "GET", "/health")
    assert (status, body["opencode"]) == (200, {"healthy": False})


async def test_a_refusal_is_told_without_the_token_and_nothing_is_kept_of_it(server, router):
    for status_of_router, status in ((400, 400), (401, 502), (500, 502)):
        router.refuse = (status_of_router, f"bad token {TELEGRAM}")
        answer_status, body = await ask(
            server, "POST", "/identities/telegram", json={"token": TELEGRAM}
        )
        assert (answer_status, body["code"]) == (status, "opencodeRouter_request_failed")
        assert TELEGRAM not in json.dumps(body)
        assert (await newest(server))["outcome"] == "failed"


async def test_tokens_are_in_no_answer_log_or_file(server, router):
    answers = [
        await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM}),
        await ask(
            server, "POST", "/identities/slack", json={"botToken": SLACK_BOT, "appToken": SLACK_APP}
        ),
        await ask(server, "GET", "/identities/slack"),
        await ask(server, "POST", "/identities/telegram", json={"token": [TELEGRAM]}),
        await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM + "x" * 600}),
    ]
    kept = "".join(each.read_text() for each in server.folder.parent.rglob("*") if each.is_file())
    everything = json.dumps(answers) + "\n".join(server.lines) + kept
    for secret in (TELEGRAM, SLACK_BOT, SLACK_APP, HOST_TOKEN):
        assert secret not in everything


async def test_viewers_learn_nothing_of_a_workspaces_messaging(server):
    viewer = await server.token("viewer")
    base = f"/workspace/{server.workspace}/opencode-router"
    for path in ("health", "telegram", "identities/telegram", "bindings"):
        assert (await server.call("GET", f"{base}/{path}", token=viewer))[0] == 403


# No router, a dead one, something else in its place.


async def test_without_a_router_every_route_says_so(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    async with running_server(tmp_path / "w", tmp_path / "s") as server:
        assert (await server.call("GET", "/capabilities", token=CLIENT_TOKEN))[1]["proxy"][
            "opencodeRouter"
        ] is False
        for method, path, body in (
            ("GET", "/health", None),
            ("GET", "/identities/telegram", None),
            ("POST", "/identities/telegram", {"token": TELEGRAM}),
            ("POST", "/bindings", {"channel": "telegram", "peerId": "1"}),
            ("POST", "/send", {"channel": "telegram", "text": "x"}),
        ):
            for prefix in ("/opencode-router", f"/workspace/{server.workspace}/opencode-router"):
                host = method == "POST" and not prefix.startswith("/workspace")
                token = None if host else CLIENT_TOKEN
                status, answer = await server.call(
                    method, prefix + path, json=body, host=host, token=token
                )
                assert (status, answer["code"]) == (404, "opencodeRouter_unconfigured"), path


async def test_a_router_that_does_not_answer_is_told_with_its_address(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    port = free_port()
    env = {"OPENCODE_ROUTER_HEALTH_PORT": str(port)}
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        for path in (
            "/opencode-router/health",
            f"/workspace/{server.workspace}/opencode-router/health",
        ):
            status, body = await server.call("GET", path, token=CLIENT_TOKEN)
            assert (status, body["code"]) == (503, "opencodeRouter_unreachable")
            assert body["details"]["port"] == port
            assert body["details"]["targetUrl"] == f"http://127.0.0.1:{port}/health"
            assert body["details"]["baseUrl"] == f"http://127.0.0.1:{port}"
            assert body["details"]["error"]
        status, body = await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM})
        assert status == 503
        assert TELEGRAM not in json.dumps(body)
