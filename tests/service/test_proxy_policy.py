"""What each scope may do to the real engine through the server, and why the rules are needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from urllib.parse import quote

import aiohttp
import pytest

from openwork.demo.layout import lay_out
from openwork.engine.events import events
from tests.stack import CLIENT_TOKEN, PROVIDER_KEY, running_stack

SCOPES = ("owner", "collaborator", "viewer")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory):
    async with running_stack(tmp_path_factory.mktemp("policy")) as stack:
        folder = stack.server.folder
        lay_out(folder)
        commands = folder / ".opencode" / "commands"
        commands.mkdir(parents=True)
        (commands / "say.md").write_text("---\ndescription: Say it\n---\nnet 30: $ARGUMENTS\n")
        (commands / "show.md").write_text("---\ndescription: Show it\n---\nnet 30 of @$1\n")
        (folder.parent / "outside.txt").write_text("OUTSIDE-CANARY")
        (folder / "out").symlink_to(folder.parent)
        (folder / "sub").mkdir()
        # As package managers do: a link that leads deeper into the folder.
        (folder / "modules" / ".store" / "a" / "foo").mkdir(parents=True)
        (folder / "modules" / "foo").symlink_to(".store/a/foo")
        (folder / ".env").write_text("KEY=PRIVATE-CANARY")
        (folder / "shown.txt").symlink_to(".env")
        folder.with_name("workspace-sibling").mkdir()
        yield stack


@pytest.fixture(scope="module")
async def tokens(stack):
    return {scope: await stack.server.token(scope) for scope in SCOPES}


def at(stack, path):
    return f"/w/{stack.server.workspace}/opencode{path}"


async def new_session(stack, token=CLIENT_TOKEN, **body):
    status, session = await stack.server.call("POST", "/opencode/session", token=token, json=body)
    assert status == 200, session
    return session["id"]


async def messages_of(stack, session):
    _, found = await stack.server.call(
        "GET", f"/opencode/session/{session}/message", token=CLIENT_TOKEN
    )
    return json.dumps(found)


@pytest.mark.parametrize("mounted", [True, False])
async def test_every_scope_sees_the_engines_health(stack, tokens, mounted):
    path = at(stack, "/global/health") if mounted else "/opencode/global/health"
    for token in tokens.values():
        status, body = await stack.server.call("GET", path, token=token)
        assert (status, body["healthy"]) == (200, True)
    assert (await stack.server.call("GET", path))[0] == 401
    assert (await stack.server.call("GET", "/w/ws_000000000000/opencode/path", token=CLIENT_TOKEN))[
        0
    ] == 404


async def test_a_viewer_reads_and_changes_nothing(stack, tokens):
    viewer = tokens["viewer"]
    session = await new_session(stack)
    for path in ("/session", f"/session/{session}/message", "/config", "/permission", "/SESSION"):
        assert (await stack.server.call("GET", at(stack, path), token=viewer))[0] == 200, path
    for method, path in (
        ("POST", "/session"),
        ("POST", f"/session/{session}/message"),
        ("POST", f"/session/{session}/abort"),
        ("PATCH", f"/session/{session}"),
        ("DELETE", f"/session/{session}"),
        ("PATCH", "/config"),
        ("POST", "/pty"),
        ("POST", "/instance/dispose"),
        ("PUT", "/auth/x"),
    ):
        status, body = await stack.server.call(method, at(stack, path), token=viewer, json={})
        assert (status, body["code"]) == (403, "forbidden"), (method, path)
    assert (await stack.server.call("GET", at(stack, f"/session/{session}"), token=viewer))[
        0
    ] == 200


async def play(client, session, prompt, reply):
    """Give a task and answer each permission with ``reply``."""
    asked = 0
    async with asyncio.timeout(40):
        async for event in events(client):
            if event.type == "server.connected":
                await client.prompt(session, prompt)
            if event.type == "permission.asked":
                asked += 1
                await client.reply_permission(event.properties["id"], reply)
            if event.type == "session.idle":
                return asked
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(
    ("reply", "outcome", "verb"),
    [("reject", "denied", "Refused"), ("once", "done", "Allowed once"),
     ("always", "done", "Allowed from now on")],
)  # fmt: skip
async def test_an_owners_answers_to_permissions_count_and_are_recorded(
    stack, tokens, reply, outcome, verb
):
    server = stack.server
    summary = server.folder / "summary.md"
    summary.unlink(missing_ok=True)
    async with server.engine_client(tokens["owner"]) as client:
        session = (await client.create_session()).id
        assert await play(client, session, "Summarise the expenses", reply) == 1
    assert summary.exists() is (reply != "reject")
    _, audit = await server.call(
        "GET", f"/workspace/{server.workspace}/audit?limit=1", token=CLIENT_TOKEN
    )
    newest = audit["items"][0]
    assert (newest["action"], newest["outcome"]) == ("permission.reply", outcome)
    assert newest["summary"].startswith(verb)
    assert "summary.md" in newest["target"]


@pytest.mark.parametrize("scope", ["collaborator", "viewer"])
async def test_only_owners_answer_permissions_on_each_route_and_spelling(stack, tokens, scope):
    for path in (
        "/permission/per_x/reply",
        "/PERMISSION/per_x/reply",
        "/session/ses_x/permissions/per_x",
        "/api/session/ses_x/permission/per_x/reply",
        "/session/ses_x//permissions/per_x/",
        "/session/ses_x/%70ermissions/per_x",
    ):
        status, body = await stack.server.call(
            "POST", at(stack, path), token=tokens[scope], json={"reply": "always"}
        )
        assert status == 403, path
        assert body["details"]["required"] == "owner"


async def test_a_refused_reply_is_not_recorded_as_given(stack, tokens):
    status, _ = await stack.server.call(
        "POST", at(stack, "/permission/per_missing/reply"), token=tokens["owner"],
        json={"reply": "once"},
    )  # fmt: skip
    assert status >= 400
    _, audit = await stack.server.call(
        "GET", f"/workspace/{stack.server.workspace}/audit", token=CLIENT_TOKEN
    )
    assert not any("per_missing" in each["target"] for each in audit["items"])


ESCAPES = ["{base}", "/etc", "{root}/out", "{root}-sibling", "{root}/..", "{root}/missing", ".."]


@pytest.mark.parametrize("scope", ["owner", "viewer"])
@pytest.mark.parametrize("path", ESCAPES)
async def test_no_request_reaches_another_folder(stack, tokens, scope, path):
    root = stack.server.folder
    wanted = path.replace("{base}", str(root.parent)).replace("{root}", str(root))
    token = tokens[scope]
    for headers, query in (
        ({"x-opencode-directory": wanted}, ""),
        ({"x-opencode-directory": quote(wanted, safe="")}, ""),
        ({}, "?directory=" + quote(wanted)),
        ({}, "?directory=" + quote(wanted, safe="")),
        ({}, "?location[directory]=" + quote(wanted)),
        ({}, "?location%5Bdirectory%5D=" + quote(wanted)),
        ({}, f"?directory={quote(str(root))}&directory={quote(wanted)}"),
    ):
        status, body = await stack.server.call(
            "GET", at(stack, "/path" + query), token=token, headers=headers
        )
        assert (status, body["code"]) == (403, "workspace_unauthorized"), (headers, query)


async def test_a_folder_below_is_reached_and_the_root_is_the_default(stack, tokens):
    root = stack.server.folder
    viewer = tokens["viewer"]
    _, body = await stack.server.call("GET", at(stack, "/path"), token=viewer)
    assert body["directory"] == str(root)
    for headers, query in (
        ({"x-opencode-directory": str(root / "sub")}, ""),
        ({}, "?directory=" + quote(str(root / "sub"), safe="")),
    ):
        _, body = await stack.server.call(
            "GET", at(stack, "/path" + query), token=viewer, headers=headers
        )
        assert body["directory"] == str(root / "sub")


async def test_files_are_read_in_the_folder_only(stack, tokens):
    """The engine refuses paths outside by itself; a link that leads outside is refused too."""
    for path in ("/etc/passwd", "../outside.txt", "out/outside.txt"):
        for route in ("/file/content?path=", "/api/fs/read/"):
            status, body = await stack.server.call(
                "GET", at(stack, route + quote(path)), token=tokens["viewer"]
            )
            text = json.dumps(body)
            assert "OUTSIDE-CANARY" not in text, (route, path, status)
            assert "root:" not in text, (route, path, status)
    status, body = await stack.server.call(
        "GET", at(stack, "/file?path=out"), token=tokens["viewer"]
    )
    assert "outside.txt" not in json.dumps(body), status


async def test_a_private_file_is_for_owners_whatever_way_leads_to_it(stack, tokens):
    """Without the rule: the engine takes ``..`` out first, so the link before it does not count."""
    for path in (".env", "shown.txt", "modules/foo/../../shown.txt", "modules/foo/../../.env"):
        target = at(stack, "/file/content?path=" + quote(path))
        status, body = await stack.server.call("GET", target, token=tokens["viewer"])
        assert status in {400, 403}, path
        assert "PRIVATE-CANARY" not in json.dumps(body)
        _, body = await stack.server.call("GET", target, token=tokens["owner"])
        assert "PRIVATE-CANARY" in json.dumps(body), path


async def test_nobody_starts_a_session_of_the_new_family_elsewhere(stack, tokens):
    for scope in SCOPES:
        status, _ = await stack.server.call(
            "POST", at(stack, "/api/session"), token=tokens[scope],
            json={"location": {"directory": "/"}},
        )  # fmt: skip
        assert status == 403, scope


async def test_a_session_that_allows_tools_is_for_owners(stack, tokens):
    """Without the rule: the engine runs the command at once, and nobody is asked."""
    rules = [{"permission": "*", "pattern": "*", "action": "allow"}]
    for method, path in (("POST", "/session"), ("PATCH", f"/session/{await new_session(stack)}")):
        status, body = await stack.server.call(
            method, at(stack, path), token=CLIENT_TOKEN, json={"permission": rules}
        )
        assert (status, body["code"]) == (403, "forbidden")
    lifted = await new_session(stack, tokens["owner"], permission=rules)
    status, _ = await stack.server.call(
        "POST", at(stack, f"/session/{lifted}/message"), token=tokens["owner"],
        json={"parts": [{"type": "text", "text": "Which invoices are open?"}]},
    )  # fmt: skip
    assert status == 200
    assert "Total due" in await messages_of(stack, lifted)


async def test_a_prompt_that_allows_tools_is_for_owners(stack, tokens):
    """Without the rule: ``tools: {bash: true}`` lifts the engine's question before a command."""
    body = {
        "parts": [{"type": "text", "text": "Which invoices are open?"}],
        "tools": {"bash": True},
    }
    session = await new_session(stack)
    for route in ("message", "prompt_async", "MESSAGE"):
        status, _ = await stack.server.call(
            "POST", at(stack, f"/session/{session}/{route}"), token=CLIENT_TOKEN, json=body
        )
        assert status == 403, route
    status, _ = await stack.server.call(
        "POST", at(stack, f"/session/{session}/message"), token=tokens["owner"], json=body
    )
    assert status == 200
    assert "Total due" in await messages_of(stack, session)


SPELLINGS = ["file:///etc/passwd", "file:/etc/passwd", "FILE:/etc/passwd", " fi\nle:/etc/passwd",
             "file:\\\\\\etc\\passwd", "file:etc/passwd",
             "file://{root}/out/outside.txt",
             "file://{root}/modules/foo/../../../outside.txt",
             "file://{root}/modules/foo/%2e%2e/%2E./.%2e/outside.txt"]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
async def test_a_file_from_outside_is_for_owners(stack, tokens, url):
    """Without the rule: the engine reads the file into the conversation, and nobody is asked."""
    url = url.replace("{root}", str(stack.server.folder))
    text = {"type": "text", "text": "net 30"}
    file = {"type": "file", "mime": "text/plain", "filename": "x", "url": url}
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/message")
    status, _ = await stack.server.call(
        "POST", path, token=CLIENT_TOKEN, json={"parts": [text, file]}
    )
    assert status == 403
    await stack.server.call("POST", path, token=tokens["owner"], json={"parts": [text, file]})
    said = await messages_of(stack, session)
    assert "root:" in said or "OUTSIDE-CANARY" in said


@pytest.mark.parametrize(
    ("arguments", "proof"),
    [
        ("!`echo SHELL-RAN-$((40+2))`", "SHELL-RAN-42"),
        ("@/etc/passwd", "root:"),
        ("@etc/passwd", "root:"),
        ("@{base}/outside.txt../../../../../../..{root}/x", "OUTSIDE-CANARY"),
        ("@{root}/out/outside.txt", "OUTSIDE-CANARY"),
    ],
)
async def test_arguments_that_run_or_read_unasked_are_for_owners(stack, tokens, arguments, proof):
    """Without the rule: the engine runs !`…` and reads @path (from / where there is no git)."""
    root = str(stack.server.folder)
    arguments = arguments.replace("{base}", str(stack.server.folder.parent)).replace("{root}", root)
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/command")
    body = {"command": "say", "arguments": arguments}
    status, answer = await stack.server.call("POST", path, token=CLIENT_TOKEN, json=body)
    assert status == 403, answer
    await stack.server.call("POST", path, token=tokens["owner"], json=body)
    assert proof in await messages_of(stack, session)


async def test_a_subtask_that_reads_unasked_is_for_owners(stack, tokens):
    """Without the rule: the engine reads each @path of a subtask's prompt, as of a command's."""
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/message")
    subtask = {"type": "subtask", "agent": "general", "description": "x", "prompt": "@/etc/passwd"}
    status, answer = await stack.server.call(
        "POST", path, token=CLIENT_TOKEN, json={"parts": [subtask]}
    )
    assert status == 403, answer
    await stack.server.call("POST", path, token=tokens["owner"], json={"parts": [subtask]})
    _, children = await stack.server.call(
        "GET", at(stack, f"/session/{session}/children"), token=CLIENT_TOKEN
    )
    assert "root:" in await messages_of(stack, children[0]["id"])


async def test_a_template_that_reads_or_runs_its_argument_is_for_owners(stack, tokens):
    """Without the rule: "@$1" in a command's own text reads any file an argument names."""
    session = await new_session(stack)
    path = at(stack, f"/session/{session}/command")
    body = {"command": "show", "arguments": "/etc/passwd"}
    status, answer = await stack.server.call("POST", path, token=CLIENT_TOKEN, json=body)
    assert status == 403, answer
    await stack.server.call("POST", path, token=tokens["owner"], json=body)
    assert "root:" in await messages_of(stack, session)


async def test_ordinary_work_of_a_collaborator_passes(stack):
    session = await new_session(stack, title="Mine")
    inside = f"file://{stack.server.folder}/README.md"
    for route, body in (
        ("command", {"command": "say", "arguments": "30 days, me@example.org"}),
        ("message", {"parts": [{"type": "text", "text": "net 30"}, {
            "type": "file", "mime": "text/plain", "filename": "README.md", "url": inside}]}),
        ("message", {"parts": [{"type": "text", "text": "net 30"}], "tools": {"bash": False}}),
    ):  # fmt: skip
        status, answer = await stack.server.call(
            "POST", at(stack, f"/session/{session}/{route}"), token=CLIENT_TOKEN, json=body
        )
        assert status == 200, answer


@pytest.mark.parametrize("path", ["/config", "/CONFIG", "/config/providers", "/provider",
                                  "/global/config", "/api/provider"])  # fmt: skip
async def test_providers_keys_are_for_owners(stack, tokens, path):
    for scope in SCOPES:
        async with stack.server.http.get(
            stack.server.base + at(stack, path),
            headers={"Authorization": f"Bearer {tokens[scope]}", "Accept-Encoding": "gzip, br"},
        ) as response:
            raw = await response.read()
            assert response.status == 200
            body = json.loads(raw)
            if scope != "owner":
                assert PROVIDER_KEY not in raw.decode()
                assert response.headers["content-length"] == str(len(raw))
            elif path in {"/config", "/provider"}:
                assert PROVIDER_KEY in raw.decode()
            if path == "/config":
                assert body["model"].endswith("scripted")
                options = body["provider"]["openwork-demo"]["options"]
                assert (options["apiKey"] == "***") is (scope != "owner")
    status, _ = await stack.server.call("HEAD", at(stack, path), token=tokens["viewer"])
    assert status in {200, 404, 405}


async def test_the_engines_page_is_no_answer(stack, tokens):
    for path in ("/", "/no/such/route", ""):
        status, body = await stack.server.call("GET", at(stack, path), token=tokens["owner"])
        assert (status, body["code"]) == (404, "not_found")


async def test_paths_that_could_be_read_two_ways_are_refused(stack, tokens):
    from yarl import URL

    for path in ("/a%2Fb", "/%2e%2e/config", "/session/..%5Cconfig", "/a/%2e/b"):
        url = URL(stack.server.base + at(stack, path), encoded=True)
        async with stack.server.http.get(
            url, headers={"Authorization": f"Bearer {tokens['owner']}"}
        ) as response:
            assert response.status == 400, path


async def terminal(stack, token):
    status, body = await stack.server.call("POST", at(stack, "/pty"), token=token, json={})
    assert status == 200, body
    return at(stack, f"/pty/{body['id']}/connect")


async def test_a_terminal_works_for_its_owner(stack, tokens):
    path = await terminal(stack, tokens["owner"])
    headers = {"Authorization": f"Bearer {tokens['owner']}"}
    async with (
        asyncio.timeout(20),
        stack.server.http.ws_connect(stack.server.base + path, headers=headers) as socket,
    ):
        await socket.send_str("echo TERMINAL-$((40+2))\n")
        seen = ""
        async for message in socket:
            seen += message.data if isinstance(message.data, str) else message.data.decode()
            if "TERMINAL-42" in seen:
                break
        assert "TERMINAL-42" in seen


async def test_a_terminal_is_refused_to_everybody_else_before_the_engine_is_asked(stack, tokens):
    path = await terminal(stack, tokens["owner"])
    owner = {"Authorization": f"Bearer {tokens['owner']}"}
    for target, headers in (
        (path, {}),
        (path, {"Authorization": "Bearer wrong"}),
        (path + f"?token={tokens['owner']}", {}),
        (path, {"Authorization": f"Bearer {tokens['collaborator']}"}),
        (path, {"Authorization": f"Bearer {tokens['viewer']}"}),
        (path.replace("/pty/", "/PTY/"), {"Authorization": f"Bearer {tokens['viewer']}"}),
        (path, {**owner, "Origin": "http://evil.example"}),
        (path, {**owner, "Origin": "null"}),
        (path, {**owner, "Host": "evil.example"}),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await stack.server.http.ws_connect(stack.server.base + target, headers=headers)
        assert caught.value.status == 403, (target, headers)
    async with stack.server.http.ws_connect(
        stack.server.base + path, headers={**owner, "Origin": stack.server.base}
    ):
        pass


async def test_a_revoked_tokens_stream_and_terminal_are_cut(stack, tokens):
    server = stack.server
    _, issued = await server.call("POST", "/tokens", host=True, json={"scope": "owner"})
    headers = {"Authorization": f"Bearer {issued['token']}"}
    path = await terminal(stack, tokens["owner"])
    async with (
        asyncio.timeout(20),
        server.http.get(server.base + at(stack, "/event"), headers=headers) as stream,
        server.http.ws_connect(server.base + path, headers=headers) as socket,
    ):
        await stream.content.readany()
        assert (await server.call("DELETE", f"/tokens/{issued['id']}", host=True))[0] == 200
        with contextlib.suppress(aiohttp.ClientError):  # an end, clean or not, is what counts
            while await stream.content.readany():
                pass
        while not (await socket.receive()).type.name.startswith("CLOS"):
            pass
    assert (await server.call("GET", "/whoami", token=issued["token"]))[0] == 401
