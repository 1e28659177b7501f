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


@pytest.fixture(scope="module")
def config(server):
    """The router's configuration file."""
    return server.folder.parent / "state" / "opencode-router.json"


@pytest.fixture(autouse=True)
def forget(router, config):
    config.unlink(missing_ok=True)
    router.requests.clear()
    router.headers.clear()
    router.bindings.clear()
    router.refuse = None
    router.dies = router.starting = False
    router.stale = None
    for each in router.identities.values():
        each.clear()


def ask(server, method, path, **options):
    return server.call(
        method,
        f"/workspace/{server.workspace}/opencode-router{path}",
        token=CLIENT_TOKEN,
        **options,
    )


def stored(config, channel="telegram"):
    """The identities of a channel in the file."""
    channels = json.loads(config.read_text())["channels"]
    return channels[channel]["bots" if channel == "telegram" else "apps"]


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
    assert router.last[2]["token"] == TELEGRAM  # a router takes no identity without one
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
        ("/telegram-enabled", {"enabled": True}),  # there is none any more
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


async def test_what_is_connected_is_kept_in_the_routers_file_beside_all_else(server, config):
    other = {"id": "other", "token": "8:other", "note": "theirs"}
    before = {
        "version": 1,
        "opencodeUrl": "http://127.0.0.1:4096",
        "channels": {"telegram": {"enabled": False, "bots": [other]}, "sms": {"x": [1]}},
    }
    config.write_text(json.dumps(before))
    config.chmod(0o644)
    private = {"token": TELEGRAM, "access": "private", "pairingCode": "ABCD1234"}
    status, body = await ask(server, "POST", "/identities/telegram", json=private)
    assert (status, body["persisted"], body["applied"]) == (200, True, True)
    mine = {
        "id": server.workspace,
        "directory": str(server.folder),
        "token": TELEGRAM,
        "enabled": True,
        "access": "private",
        "pairingCodeHash": hashlib.sha256(b"ABCD1234").hexdigest(),
    }
    telegram = {"enabled": True, "bots": [other, mine]}
    assert json.loads(config.read_text()) == {
        **before,
        "channels": {"telegram": telegram, "sms": {"x": [1]}},
    }
    assert config.stat().st_mode & 0o777 == 0o600
    await ask(server, "POST", "/telegram-enabled", json={"enabled": False})
    assert stored(config) == [other, {**mine, "enabled": False}]
    await ask(server, "POST", "/telegram-token", json={"token": "9:fresh"})
    assert stored(config) == [other, {**mine, "enabled": False, "token": "9:fresh"}]
    await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM})
    public = {key: mine[key] for key in mine if key != "pairingCodeHash"}
    assert stored(config) == [other, {**public, "access": "public"}]
    await ask(server, "DELETE", f"/identities/telegram/{server.workspace}")
    assert stored(config) == [other]
    assert [each.name for each in config.parent.glob(".opencode-router*")] == [
        ".opencode-router.json.lock"
    ]


async def test_a_refusal_is_told_with_its_status_and_without_the_token(server, router, config):
    for status_of_router in (400, 401, 500):
        router.refuse = (status_of_router, f"bad token {TELEGRAM}")
        status, body = await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM})
        assert (status, body["persisted"], body["applied"]) == (200, True, False)
        assert body["applyStatus"] == status_of_router
        assert "bad token ***" in body["applyError"]
        assert TELEGRAM not in json.dumps(body)
        entry = await newest(server)
        assert (entry["outcome"], entry["summary"]) == (
            "done",
            "Connect Telegram (kept; the running router has not taken it)",
        )
    assert [each["token"] for each in stored(config)] == [TELEGRAM]
    # The router does not list it, but it is connected from its next start.
    _, body = await ask(server, "GET", "/identities/telegram")
    assert body["items"] == [
        {
            "id": server.workspace,
            "enabled": True,
            "running": False,
            "access": "public",
            "pairingRequired": False,
        }
    ]


async def test_a_bot_that_is_still_starting_is_neither_applied_nor_failed(server, router):
    router.starting = True
    _, body = await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM})
    assert (body["persisted"], body["applied"]) == (True, False)
    assert "applyError" not in body
    assert (await newest(server))["summary"] == "Connect Telegram"


async def test_a_router_that_writes_what_it_read_long_ago_takes_nothing_back(
    server, router, config
):
    old = {"version": 1, "channels": {"telegram": {"bots": []}, "slack": {"apps": []}}}
    router.stale = (config, old)
    await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM})
    assert [each["token"] for each in stored(config)] == [TELEGRAM]
    router.stale = (config, json.loads(config.read_text()))
    await ask(server, "DELETE", f"/identities/telegram/{server.workspace}")
    assert stored(config) == []


async def test_a_router_that_ends_between_the_file_and_the_word_has_it_in_the_file(
    server, router, config
):
    router.dies = True
    tokens = {"botToken": SLACK_BOT, "appToken": SLACK_APP}
    status, body = await ask(server, "POST", "/identities/slack", json=tokens)
    assert (status, body["persisted"], body["applied"]) == (200, True, False)
    assert "used when the router starts" in body["applyError"]
    assert body["slack"] == {"id": server.workspace, "enabled": True}
    assert [each["botToken"] for each in stored(config, "slack")] == [SLACK_BOT]
    status, body = await ask(server, "DELETE", f"/identities/slack/{server.workspace}")
    assert (status, body["applied"], body["slack"]["deleted"]) == (200, False, True)
    assert stored(config, "slack") == []


async def test_a_damaged_file_is_told_and_left_alone(server, router, config):
    for damaged in (
        "{not json",
        "[]",
        '{"channels": []}',
        '{"channels": {"telegram": 1}}',
        '{"channels": {"telegram": {"bots": [1]}}}',
    ):
        config.write_text(damaged)
        for method, path, body in (
            ("POST", "/identities/telegram", {"token": TELEGRAM}),
            ("DELETE", f"/identities/telegram/{server.workspace}", None),
        ):
            status, answer = await ask(server, method, path, json=body)
            assert (status, answer["code"]) == (422, "invalid_json"), damaged
            assert TELEGRAM not in json.dumps(answer)
        assert config.read_text() == damaged
    assert [each for each in router.requests if each[0] != "GET"] == []


async def test_a_token_that_is_none_is_refused(server, config):
    for token in ("a b", "a\0b", "a\nb", "\ud800", "ключ"):
        status, body = await ask(server, "POST", "/identities/telegram", json={"token": token})
        assert (status, body["code"]) == (400, "invalid_payload"), token
    assert not config.exists()


async def test_a_channel_is_one_of_two(server):
    for method, path in (
        ("GET", "/identities/sms"),
        ("POST", "/identities/sms"),
        ("DELETE", "/identities/sms/x"),
    ):
        status, body = await ask(server, method, path, json={} if method == "POST" else None)
        assert (status, body["code"]) == (400, "invalid_channel"), path


async def test_tokens_are_in_no_answer_log_or_file_but_the_routers(server, router, config):
    tokens = {"botToken": SLACK_BOT, "appToken": SLACK_APP}
    answers = [
        await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM}),
        await ask(server, "POST", "/identities/slack", json=tokens),
        await ask(server, "GET", "/identities/slack"),
        await ask(server, "POST", "/identities/telegram", json={"token": [TELEGRAM]}),
        await ask(server, "POST", "/identities/telegram", json={"token": TELEGRAM + "x" * 600}),
    ]
    router.refuse = (400, f"bad {TELEGRAM} {SLACK_BOT} {SLACK_APP}")
    answers += [
        await ask(server, "POST", "/telegram-enabled", json={"enabled": False}),
        await ask(server, "DELETE", f"/identities/slack/{server.workspace}"),
        await ask(server, "GET", "/telegram"),
        await ask(server, "DELETE", f"/identities/telegram/{server.workspace}"),
    ]
    router.refuse = None
    files = [each for each in server.folder.parent.rglob("*") if each.is_file() and each != config]
    everything = "\n".join(
        [json.dumps(answers), *server.lines, *(each.read_text() for each in files)]
    )
    assert "Connect Telegram" in everything
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
        for path, sent in (
            ("/bindings", {"channel": "telegram", "peerId": "1"}),
            ("/send", {"channel": "telegram", "text": "x"}),
        ):
            status, body = await ask(server, "POST", path, json=sent)
            assert (status, body["code"]) == (503, "opencodeRouter_unreachable"), path


async def test_what_changes_while_the_router_is_down_is_there_when_it_starts(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    port = free_port()
    env = {"OPENCODE_ROUTER_HEALTH_PORT": str(port)}
    path = "/identities/telegram"
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        item = {"id": server.workspace, "access": "public", "pairingRequired": False}
        assert await ask(server, "GET", path) == (200, {"ok": True, "items": []})
        status, body = await ask(server, "POST", path, json={"token": TELEGRAM})
        assert (status, body["persisted"], body["applied"]) == (200, True, False)
        assert "does not answer" in body["applyError"]
        assert "applyStatus" not in body
        assert TELEGRAM not in json.dumps(body)
        assert body["telegram"] == {**item, "enabled": True}
        _, body = await ask(server, "GET", path)
        assert body["items"] == [{**item, "enabled": True, "running": False}]
        status, body = await ask(server, "POST", "/telegram-enabled", json={"enabled": False})
        assert (status, body["persisted"], body["applied"]) == (200, True, False)
        assert body["enabled"] is False
        _, body = await ask(server, "GET", "/telegram")
        assert body == {"ok": True, "configured": True, "enabled": False, "bot": None}
        async with fake_router(port) as router:
            status, body = await ask(server, "POST", "/telegram-enabled", json={"enabled": True})
            assert (status, body["applied"], body["enabled"]) == (200, True, True)
            assert router.last[2]["token"] == TELEGRAM
            assert (await ask(server, "GET", path))[1]["items"][0]["running"] is True
        status, body = await ask(
            server, "POST", "/telegram-enabled", json={"enabled": False, "clearToken": True}
        )
        assert (status, body["persisted"], body["applied"]) == (200, True, False)
        assert (await ask(server, "GET", path))[1]["items"] == []
        assert stored(tmp_path / "s" / "opencode-router.json") == []
