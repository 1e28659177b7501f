"""One engine serves two folders and holds keys: what of it the clients of one workspace get."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import secrets
import time
from urllib.parse import quote

import aiohttp
import pytest

from openwork.common.headers import basic_auth
from openwork.demo.layout import lay_out
from openwork.engine.events import events
from tests.stack import CLIENT_TOKEN, PROVIDER_KEY, running_server, running_stack
from tests.until import until

SCOPES = ("owner", "collaborator", "viewer")
CONFIG = {
    "provider": {
        "px": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {
                "apiKey": "KeyCANARY1",
                "baseURL": "http://u:LoginCANARY2@127.0.0.1:1/v1?sig=QueryCANARY3",
                "headers": {"X-Foo": "HeaderCANARY4"},
            },
            "models": {"m": {"name": "m", "headers": {"X-Bar": "ModelCANARY5"}}},
        }
    },
    "mcp": {
        "far": {
            "type": "remote",
            "url": "http://127.0.0.1:1/?k=UrlCANARY6",
            "headers": {"X-Auth": "McpCANARY7"},
            "enabled": False,
        },
        "near": {
            "type": "local",
            "command": [
                "x",
                "--token",
                "ArgCANARY8",
                "--api-key=ArgCANARY9",
                "PASSWORD=ArgCANARY0",
            ],
            "environment": {"K": "EnvCANARYa"},
            "enabled": False,
        },
    },
    "agent": {"zed": {"prompt": "Hello", "options": {"apiKey": "AgentCANARYb"}}},
}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory):
    async with running_stack(tmp_path_factory.mktemp("isolation")) as stack:
        lay_out(stack.server.folder)
        (stack.server.folder / "opencode.jsonc").write_text(json.dumps(CONFIG))
        (stack.server.folder / ".env.local").write_text("API_KEY=FileCANARYc")
        (stack.server.folder / "plain.txt").symlink_to(stack.server.folder / ".env.local")
        (stack.server.folder / "sub").mkdir()
        yield stack


@pytest.fixture(scope="module")
async def tokens(stack):
    return {scope: await stack.server.token(scope) for scope in SCOPES}


@pytest.fixture(scope="module")
async def other(stack):
    """A folder of the same engine that is no workspace here, and a session in it."""
    folder = stack.server.folder.with_name("workspace-other")
    lay_out(folder)
    async with stack.engine.client(str(folder)) as engine:
        yield engine, (await engine.create_session("FOREIGN")).id


def at(stack, path):
    return f"/w/{stack.server.workspace}/opencode{path}"


async def new_session(stack, token=CLIENT_TOKEN, **body):
    status, session = await stack.server.call("POST", at(stack, "/session"), token=token, json=body)
    assert status == 200, session
    return session["id"]


async def newest_audit(stack, limit=1):
    path = f"/workspace/{stack.server.workspace}/audit?limit={limit}"
    return (await stack.server.call("GET", path, token=CLIENT_TOKEN))[1]["items"]


@pytest.mark.parametrize("scope", SCOPES)
async def test_another_folders_session_is_not_there(stack, tokens, other, scope):
    _, foreign = other
    inside = quote(str(stack.server.folder))
    for path in (
        f"/session/{foreign}", f"/SESSION/{foreign}/message", f"/session/{foreign}/todo",
        f"/session/{foreign}/children", f"/session/{foreign}/diff",
        f"/session/{foreign}?directory={inside}", f"/api/session/{foreign}",
        f"/api/session/{foreign}/message", f"/api/session/{foreign}/event",
        f"/session/{foreign}%00", "/session/ses_missing", "/session/%24x",
    ):  # fmt: skip
        status, body = await stack.server.call("GET", at(stack, path), token=tokens[scope])
        assert status in {400, 404}, path
        assert "FOREIGN" not in json.dumps(body), path


@pytest.mark.parametrize("scope", ["owner", "collaborator"])
async def test_a_change_of_a_part_stays_in_the_session_that_the_path_names(
    stack, tokens, other, scope
):
    """The engine holds the ids in the body against those in the path, and these against nothing."""
    engine, _ = other
    foreign, own = (await engine.create_session("OTHER")).id, await new_session(stack)
    there, here = {}, {}
    async with stack.engine.client(str(stack.server.folder)) as own_engine:
        for client, session, found in ((engine, foreign, there), (own_engine, own, here)):
            url = f"{client.base_url}/session/{session}/message"
            body = {"noReply": True, "parts": [{"type": "text", "text": "as it was"}]}
            async with client.http.post(url, json=body) as response:
                found.update((await response.json())["parts"][0])

        async def texts(client, session, message):
            (found,) = [each for each in await client.messages(session) if each.info.id == message]
            return found.text

        async def patch(body, **in_path):
            ids = {**body, **in_path}
            path = f"/session/{own}/message/{ids['messageID']}/part/{ids['id']}"
            return await stack.server.call("PATCH", at(stack, path), token=tokens[scope], json=body)

        mine = {**here, "text": "changed"}
        for strange in (
            {**mine, "messageID": there["messageID"], "id": there["id"]},
            {**mine, "messageID": there["messageID"], "id": "prt_zzznew"},
            {**mine, "id": there["id"]},
            {**mine, "id": "prt_$"},
        ):
            status, answer = await patch(strange)
            assert (status, answer["code"]) == (404, "part_not_found"), strange
        ids = {"messageID": here["messageID"], "id": here["id"]}
        for strange in ({**there, "text": "changed"}, {**mine, "sessionID": foreign}):
            assert (await patch(strange, **ids))[0] == 400, strange
        assert await texts(own_engine, own, here["messageID"]) == "as it was"
        assert await texts(engine, foreign, there["messageID"]) == "as it was"
        path = f"/session/{own}/message/{there['messageID']}"
        for gone in (path, f"{path}/part/{there['id']}"):
            await stack.server.call("DELETE", at(stack, gone), token=tokens[scope])
        assert await texts(engine, foreign, there["messageID"]) == "as it was"
        assert (await patch(mine))[0] == 200
        assert await texts(own_engine, own, here["messageID"]) == "changed"


async def test_nobody_prompts_or_changes_another_folders_session(stack, tokens, other):
    engine, foreign = other
    prompt = {"parts": [{"type": "text", "text": "net 30"}]}
    for scope in ("owner", "collaborator"):
        for method, path, body in (
            ("POST", f"/session/{foreign}/message", prompt),
            ("POST", f"/session/{foreign}/prompt_async", prompt),
            ("POST", f"/session/{foreign}/abort", {}),
            ("POST", f"/session/{foreign}/fork", {}),
            ("PATCH", f"/session/{foreign}", {"title": "HIJACKED"}),
            ("DELETE", f"/session/{foreign}", None),
        ):
            status, answer = await stack.server.call(
                method, at(stack, path), token=tokens[scope], json=body
            )
            assert (status, answer["code"]) == (404, "session_not_found"), path
    for path in (
        f"/session/{foreign}/shell", f"/session/{foreign}/permissions/per_x",
        f"/api/session/{foreign}/prompt", f"/api/session/{foreign}/permission/per_x/reply",
        f"/experimental/session/{foreign}/background",
    ):  # fmt: skip
        status, _ = await stack.server.call(
            "POST", at(stack, path), token=tokens["owner"], json={"reply": "once"}
        )
        assert status == 404, path
    assert await engine.messages(foreign) == []
    assert (await engine.session(foreign)).title == "FOREIGN"


async def test_only_the_workspaces_own_sessions_are_deleted(stack, tokens, other):
    engine, foreign = other
    path = f"/workspace/{stack.server.workspace}/sessions/"
    for scope in ("owner", "collaborator"):
        status, body = await stack.server.call("DELETE", path + foreign, token=tokens[scope])
        assert (status, body["code"]) == (404, "session_not_found")
    assert foreign in [session.id for session in await engine.sessions()]
    own = await new_session(stack)
    assert (await stack.server.call("DELETE", path + own, token=CLIENT_TOKEN))[0] == 200
    assert (await stack.server.call("DELETE", path + own, token=CLIENT_TOKEN))[0] == 404


async def test_what_moves_conversations_between_folders_is_refused_to_all(stack, tokens):
    for method, path in (
        ("POST", "/sync/history"), ("POST", "/experimental/control-plane/move-session"),
        ("POST", "/experimental/workspace"), ("GET", "/api/session/active"),
    ):  # fmt: skip
        status, body = await stack.server.call(
            method, at(stack, path), token=tokens["owner"], json={} if method == "POST" else None
        )
        assert (status, body["code"]) == (403, "forbidden"), path


async def test_lists_hold_the_workspaces_sessions_only_whatever_is_asked(stack, tokens, other):
    engine, _ = other
    mine = await new_session(stack, title="MINE")
    titled = "/session?", "/experimental/session?", "/api/session?"
    foreign_path = quote(str(stack.server.folder.with_name("workspace-other"))[1:])
    for route in titled:
        for query in ("", "limit=100", "scope=project", f"path={foreign_path}", "roots=true",
                      f"scope=project&path={foreign_path}", "search=O", "DIRECTORY=/"):  # fmt: skip
            status, body = await stack.server.call(
                "GET", at(stack, route + query), token=tokens["viewer"]
            )
            assert status == 200, (route, query)
            items = body["data"] if isinstance(body, dict) else body
            assert "FOREIGN" not in json.dumps(items), (route, query)
            assert query == "search=O" or any(each["id"] == mine for each in items), route
    everything = await engine._call("GET", "/api/session?limit=1", dict)
    status, body = await stack.server.call(
        "GET", at(stack, f"/api/session?cursor={everything['cursor']['previous']}"),
        token=tokens["viewer"],
    )  # fmt: skip
    assert (status, body["code"]) == (400, "invalid_payload")


async def test_pages_of_sessions_are_whole(stack, tokens):
    for number in range(3):
        await new_session(stack, title=f"PAGED {number}")
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        path = f"/api/session?search=PAGED&limit=1{cursor}"
        _, page = await stack.server.call("GET", at(stack, path), token=tokens["viewer"])
        seen += [each["title"] for each in page["data"]]
        cursor = "&cursor=" + quote(page["cursor"]["next"])
    assert seen == ["PAGED 2", "PAGED 1", "PAGED 0"]


async def test_a_session_of_a_subfolder_belongs_to_the_workspace(stack, tokens):
    sub = {"x-opencode-directory": str(stack.server.folder / "sub")}
    _, session = await stack.server.call(
        "POST", at(stack, "/session"), token=CLIENT_TOKEN, headers=sub, json={}
    )
    path = at(stack, f"/session/{session['id']}")
    assert (await stack.server.call("GET", path, token=tokens["viewer"]))[0] == 200
    _, listed = await stack.server.call(
        "GET", at(stack, "/session"), token=tokens["viewer"], headers=sub
    )
    assert [each["id"] for each in listed] == [session["id"]]
    (stack.server.folder / "sub").rename(stack.server.folder / "moved")
    (stack.server.folder / "sub").symlink_to(stack.server.folder.parent)
    assert (await stack.server.call("GET", path, token=tokens["viewer"]))[0] == 404


@pytest.mark.parametrize("path", ["/global/event", "/api/event"])
async def test_the_streams_of_all_events_tell_of_the_workspace_only(stack, tokens, other, path):
    engine, foreign = other
    headers = {"Authorization": f"Bearer {tokens['viewer']}"}
    seen = b""
    async with (
        asyncio.timeout(30),
        stack.server.http.get(stack.server.base + at(stack, path), headers=headers) as stream,
    ):
        while b"server.connected" not in seen:
            seen += await stream.content.readany()
        mine: list[bytes] = []
        while not any(each in seen for each in mine):
            # The engine says that it is connected a moment before it listens: one may be missed.
            mine.append((await new_session(stack, title="SEEN")).encode())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while mine[-1] not in seen:
                        seen += await stream.content.readany()
        async with stack.engine.client(engine_folder(stack)) as watching:
            async for event in events(watching):
                if event.type == "server.connected":
                    await engine.prompt(foreign, "Which payment terms? net 30 FOREIGN-TEXT")
                if event.type == "session.idle":
                    break
        last = await new_session(stack, title="LAST")
        # The engine ends its newer stream by itself at some events: then there is no last one.
        while last.encode() not in seen and (chunk := await stream.content.readany()):
            seen += chunk
    assert b"FOREIGN" not in seen
    assert foreign.encode() not in seen


def engine_folder(stack):
    return str(stack.server.folder.with_name("workspace-other"))


async def documented_reads(stack):
    async with stack.engine.client(str(stack.server.folder)) as engine:
        paths = (await engine._call("GET", "/doc", dict))["paths"]
    return [path for path, methods in paths.items() if "get" in methods]


async def read(stack, token, path):
    """What a caller gets of a path, at least its beginning when it is a stream."""
    headers = {"Authorization": f"Bearer {token}"}
    status, text = 0, b""
    url = stack.server.base + at(stack, path)
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(0.3 if "event" in path else 20),
            stack.server.http.get(url, headers=headers) as got,
        ):
            status = got.status
            async for chunk in got.content.iter_any():
                text += chunk
    return status, text.decode(errors="replace")


@pytest.mark.parametrize("scope", ["viewer", "collaborator"])
async def test_no_key_is_in_any_answer_the_engine_documents(stack, tokens, scope):
    session = await new_session(stack)
    root = str(stack.server.folder)
    turns = asyncio.Semaphore(8)

    async def ask(path):
        filled = path.replace("{sessionID}", session).replace("{providerID}", "px")
        filled = re.sub(r"\{[^}]+\}", "x", filled).replace("/read/*", "/read/opencode.jsonc")
        asked = f"{filled}?path=opencode.jsonc&pattern=CANARY&query=open&mode=git"
        async with turns:
            status, text = await read(stack, tokens[scope], asked)
        assert "CANARY" not in text, (path, text[max(text.find("CANARY") - 80, 0) :][:200])
        assert PROVIDER_KEY not in text, path
        assert stack.engine.password not in text, path
        assert "workspace-other" not in text.replace(root, ""), path
        return status

    statuses = await asyncio.gather(*(ask(path) for path in await documented_reads(stack)))
    assert statuses.count(200) > 40
    _, text = await read(stack, tokens["owner"], "/config")
    assert text.count("CANARY") > 8


@pytest.mark.parametrize("scope", ["viewer", "collaborator"])
async def test_an_error_about_the_configuration_does_not_quote_it(stack, tokens, scope):
    folder = stack.server.folder / f"broken-{scope}"
    folder.mkdir()
    (folder / "opencode.jsonc").write_text('{"provider": {"x": {"options": {"apiKey": "CANARY"')
    for path in ("/path", "/config", "/session/status", "/event"):
        for given in (tokens[scope], tokens["owner"]):
            status, body = await stack.server.call(
                "GET", at(stack, f"{path}?directory={quote(str(folder))}"), token=given
            )
            assert status == 400, path
            assert str(folder) in json.dumps(body), path
            assert given == tokens["owner"] or "CANARY" not in json.dumps(body), path


async def test_files_that_hold_keys_are_for_owners(stack, tokens):
    for path in ("opencode.jsonc", "./OPENCODE.jsonc", "sub/../opencode.jsonc", ".env.local",
                 "plain.txt", f"{stack.server.folder}/.env.local", "%2eenv.local"):  # fmt: skip
        for route in ("/file/content?path=" + quote(path), "/api/fs/read/" + quote(path, safe="")):
            status, text = await read(stack, tokens["collaborator"], route)
            assert status >= 400, route
            assert "CANARY" not in text, route
    status, text = await read(stack, tokens["owner"], "/file/content?path=.env.local")
    assert "FileCANARYc" in text
    status, text = await read(stack, tokens["viewer"], "/file/content?path=README.md")
    assert status == 200


async def test_a_page_cannot_take_an_answer_for_another_kind_of_file(stack, tokens):
    async with stack.server.http.get(
        stack.server.base + at(stack, "/file/content?path=README.md"),
        headers={"Authorization": f"Bearer {tokens['viewer']}"},
    ) as got:
        assert got.headers.getall("x-content-type-options") == ["nosniff"]


async def test_a_collaborator_does_not_prompt_where_permissions_are_lifted(stack, tokens):
    rules = [{"permission": "*", "pattern": "*", "action": "allow"}]
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/message")
    body = {"parts": [{"type": "text", "text": "What does net 30 mean?"}]}
    assert (await stack.server.call("POST", path, token=CLIENT_TOKEN, json=body))[0] == 200
    status, _ = await stack.server.call(
        "PATCH", at(stack, f"/session/{session}"), token=tokens["owner"], json={"permission": rules}
    )
    assert status == 200
    for route in ("message", "prompt_async", "command", "init"):
        status, answer = await stack.server.call(
            "POST", at(stack, f"/session/{session}/{route}"), token=CLIENT_TOKEN, json=body
        )
        assert (status, answer["code"]) == (403, "forbidden"), route
        assert "lifted by an owner" in answer["message"]
    assert (await stack.server.call("POST", path, token=tokens["owner"], json=body))[0] == 200


async def test_what_is_done_outside_a_conversation_is_recorded(stack, tokens):
    session = await new_session(stack)
    owner = tokens["owner"]
    for method, path, body, action, said in (
        ("POST", f"/session/{session}/shell",
         {"agent": "build", "command": "echo sk-ant-abcdefghijklmnopqrstuvwx hi"},
         "session.shell", "echo *** hi"),
        ("PATCH", "/config", {"username": "SECRET-VALUE"}, "engine.change",
         "PATCH /config: username"),
        ("PATCH", "/config", {"username": "x" * 1_010_000}, "engine.change",
         "PATCH /config: a body of 1,010,016 bytes"),
        ("PUT", "/auth/px", {"type": "api", "key": "SECRET-VALUE"}, "engine.change",
         "PUT /auth/px"),
        ("POST", "/pty", {}, "engine.change", "POST /pty"),
        ("POST", "/instance/dispose", None, "engine.change", "POST /instance/dispose"),
        ("POST", f"/session/{session}/unrevert", None, "session.unrevert", "unrevert"),
        ("DELETE", f"/session/{session}", None, "session.delete", session),
    ):  # fmt: skip
        status, answer = await stack.server.call(method, at(stack, path), token=owner, json=body)
        assert status == 200, (path, answer)
        (newest,) = await newest_audit(stack)
        assert (newest["action"], newest["outcome"]) == (action, "done")
        assert said in newest["summary"]
        assert "SECRET-VALUE" not in json.dumps(newest)
    for path in ("/instance/dispose", "/mcp/near/connect", "/mcp/near/disconnect"):
        assert (await stack.server.call("POST", at(stack, path), token=CLIENT_TOKEN))[0] == 403


async def test_an_act_whose_caller_leaves_is_recorded_too(stack, tokens):
    session = await new_session(stack)
    task = asyncio.create_task(
        stack.server.call(
            "POST", at(stack, f"/session/{session}/shell"), token=tokens["owner"],
            json={"agent": "build", "command": "touch begun; sleep 20"},
        )
    )  # fmt: skip
    await until((stack.server.folder / "begun").exists, pause_s=0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log = stack.server.folder.parent / "state" / "audit" / f"{stack.server.workspace}.jsonl"
    await until(lambda: "sleep 20" in log.read_text(), pause_s=0.02)
    assert (await newest_audit(stack))[0]["outcome"] == "failed"


async def test_a_read_only_server_lets_a_person_stop_or_reload_the_agent_and_nothing_else(
    stack, tokens
):
    session = await new_session(stack)
    state = stack.server.folder.parent / "read-only"
    state.mkdir()
    env = {
        "OPENWORK_READONLY": "true",
        "OPENWORK_TOKEN_STORE": str(state.parent / "state" / "tokens.json"),
    }
    folder = stack.server.folder
    async with running_server(folder, state, engine=stack.engine, env=env) as server:
        for method, path, body in (
            ("POST", "/session", {}),
            ("POST", f"/session/{session}/message", {"parts": []}),
            ("DELETE", f"/session/{session}", None),
            ("POST", f"/session/{session}/revert", {}),
            ("POST", "/global/dispose", None),
            ("POST", "/log", {}),
        ):
            status, answer = await server.call(
                method, at(stack, path), token=CLIENT_TOKEN, json=body
            )
            assert (status, answer["code"]) == (403, "read_only"), path
        path = at(stack, f"/session/{session}/abort")
        assert (await server.call("POST", path, token=CLIENT_TOKEN))[0] == 200
        # The same act in two ways: no file is changed.
        path = f"/workspace/{server.workspace}/engine/reload"
        assert (await server.call("POST", path, token=CLIENT_TOKEN))[0] == 200
        path = at(stack, "/instance/dispose")
        assert (await server.call("POST", path, token=tokens["owner"]))[0] == 200
        assert (await server.call("POST", path, token=CLIENT_TOKEN))[1]["code"] == "forbidden"
        assert (await server.call("GET", at(stack, "/session"), token=CLIENT_TOKEN))[0] == 200
        for reply, code in (("once", "read_only"), ("always", "read_only"), ("reject", None)):
            _, answer = await server.call(
                "POST",
                at(stack, "/permission/per_x/reply"),
                token=tokens["owner"],
                json={"reply": reply},
            )
            assert answer.get("code") == code, reply
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await server.http.ws_connect(
                server.base + at(stack, "/pty/x/connect"),
                headers={"Authorization": f"Bearer {tokens['owner']}"},
            )


async def test_a_prompt_of_very_many_parts_keeps_nobody_waiting(stack):
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/message")
    part = {"type": "file", "mime": "t", "filename": "x", "url": f"file://{stack.server.folder}/a"}
    status, body = await stack.server.call(
        "POST", path, token=CLIENT_TOKEN, json={"parts": [part] * 65}
    )
    assert (status, body["code"]) == (400, "invalid_payload")
    for raw, status, code in (
        (json.dumps({"parts": [part] * 50_000}).encode(), 400, "invalid_payload"),
        (b'{"parts":[' + b"{}," * 300_000 + b"{}]}", 400, "invalid_payload"),
        (b" " * 16_000_001, 413, "body_too_large"),
    ):
        got, body = await stack.server.call(
            "POST", path, token=CLIENT_TOKEN, data=io.BytesIO(raw),
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert (got, body["code"]) == (status, code)


def fresh_id(kind, age_s=0.0):
    """An id as the engine and its clients make them, from the time."""
    made = int((time.time() - age_s) * 1000) << 12
    return f"{kind}_{made & (1 << 48) - 1:012x}{secrets.token_hex(7)}"


async def asked_of_engine(stack, method, path, **options):
    """The engine's own answer, past the server."""
    headers = {"Authorization": basic_auth(stack.engine.username, stack.engine.password)}
    url = stack.engine.base_url + path
    async with stack.server.http.request(method, url, headers=headers, **options) as response:
        return await response.json()


async def raw_messages(stack, session):
    return await asked_of_engine(stack, "GET", f"/session/{session}/message")


async def post(stack, path, token=CLIENT_TOKEN, **body):
    return await stack.server.call("POST", at(stack, path), token=token, json=body)


@pytest.fixture
async def foreign_message(stack, other):
    """A message with its part in a session of another folder."""
    _, foreign = other
    body = {"parts": [{"type": "text", "text": "FOREIGN-WORDS"}], "noReply": True}
    message = await asked_of_engine(stack, "POST", f"/session/{foreign}/message", json=body)
    return foreign, message["info"]["id"], message["parts"][0]["id"]


async def test_no_prompt_writes_over_a_message_of_another_session(stack, tokens, foreign_message):
    """Without the rule: the engine stores a message under its id, wherever that id is."""
    foreign, message, part = foreign_message
    before = await raw_messages(stack, foreign)
    mine = await new_session(stack)
    evil = {"type": "text", "text": "EVIL"}
    for route, body in (
        ("message", {"messageID": message, "parts": [evil], "noReply": True}),
        ("prompt_async", {"messageID": message, "parts": [evil], "noReply": True}),
        ("command", {"messageID": message, "command": "init", "arguments": "EVIL"}),
        ("init", {"messageID": message, "providerID": "openwork-demo", "modelID": "scripted"}),
    ):
        status, answer = await post(stack, f"/session/{mine}/{route}", **body)
        assert (status, answer["code"]) == (403, "forbidden"), route
    status, answer = await post(
        stack, f"/session/{mine}/message", parts=[{"id": part, **evil}], noReply=True
    )
    assert status == 200
    assert answer["parts"][0]["id"] != part
    assert await raw_messages(stack, foreign) == before


async def test_a_clients_own_fresh_id_is_kept_and_may_come_again(stack):
    mine = await new_session(stack)
    message = fresh_id("msg")
    first = {"id": fresh_id("prt"), "type": "text", "text": "first"}
    body = {"messageID": message, "parts": [first], "noReply": True}
    status, answer = await post(stack, f"/session/{mine}/message", **body)
    assert (status, answer["info"]["id"]) == (200, message)
    stored = answer["parts"][0]["id"]
    body["parts"] = [{"id": stored, "type": "text", "text": "second"}]
    status, answer = await post(stack, f"/session/{mine}/message", **body)
    assert (status, answer["parts"][0]["id"]) == (200, stored)
    said = await raw_messages(stack, mine)
    assert [part["text"] for part in said[0]["parts"]] == ["second"]


@pytest.mark.parametrize(
    "given", ["msg_x", "msg_../../x", 7, "prt_" + "0" * 26, "msg_" + "0" * 26, "", ["msg_"]]
)
async def test_an_id_that_no_client_would_make_now_is_refused(stack, given):
    mine = await new_session(stack)
    status, answer = await post(
        stack, f"/session/{mine}/message", messageID=given, parts=[], noReply=True
    )
    assert (status, answer["code"]) == (400, "invalid_payload")
    for age_s in (3600, -3600):
        body = {"messageID": fresh_id("msg", age_s), "parts": [], "noReply": True}
        assert (await post(stack, f"/session/{mine}/message", **body))[0] == 400


@pytest.mark.parametrize("scope", ["owner", "collaborator"])
async def test_a_session_is_put_into_no_workspace_of_the_engine(stack, tokens, scope):
    status, answer = await post(stack, "/session", tokens[scope], workspaceID="wrk_abc")
    assert (status, answer["code"]) == (403, "forbidden")
