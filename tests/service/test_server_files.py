"""File sessions and Markdown content of a real server, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading

import pytest

from openwork.common.ids import workspace_id
from openwork.workspace.batches import MAX_FILE_BYTES, MAX_ITEMS
from tests.bad_paths import NO_PATHS
from tests.stack import CLIENT_TOKEN, running_server

JSON = {"Content-Type": "application/json"}
BAD_PATHS = list(NO_PATHS.values())


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("files")
    folder, state = base / "workspace", base / "state"
    (folder / "docs").mkdir(parents=True)
    state.mkdir()
    (base / "outside").mkdir()
    (base / "outside/secret.md").write_text("secret")
    (folder / "out").symlink_to(base / "outside")
    (folder / "secret.md").symlink_to(base / "outside/secret.md")
    async with running_server(folder, state) as server:
        yield server


async def open_session(server, token=CLIENT_TOKEN, **body):
    status, answer = await server.call(
        "POST", f"/workspace/{server.workspace}/files/sessions", token=token, json=body
    )
    assert status == 200, answer
    return answer["session"]


def large(body):
    """The options that send a large JSON body."""
    return {"data": io.BytesIO(json.dumps(body).encode()), "headers": JSON}


class Session:
    def __init__(self, server, identity, token=CLIENT_TOKEN):
        self.server, self.path, self.token = server, f"/files/sessions/{identity}", token

    async def ask(self, method, path, **options):
        return await self.server.call(method, self.path + path, token=self.token, **options)

    async def write(self, *writes):
        encoded = [
            {"path": path, "contentBase64": base64.b64encode(data).decode(), **more}
            for path, data, more in writes
        ]
        return await self.ask("POST", "/write-batch", **large({"writes": encoded}))

    async def read(self, *paths):
        return await self.ask("POST", "/read-batch", json={"paths": paths})

    async def operate(self, *operations):
        return await self.ask("POST", "/ops", json={"operations": operations})

    async def listed(self, query=""):
        status, body = await self.ask("GET", f"/catalog/snapshot{query}")
        assert status == 200, body
        return [item["path"] for item in body["items"]]


@pytest.fixture
async def session(server):
    return Session(server, (await open_session(server))["id"])


async def test_files_are_written_read_listed_moved_and_told_as_events(server, session):
    status, body = await session.write(("one/a.md", b"# A", {}), ("one/empty", b"", {}))
    assert status == 200
    assert [(each["ok"], each["bytes"]) for each in body["items"]] == [(True, 3), (True, 0)]
    since = body["cursor"] - 2
    _, body = await session.read("one/a.md", "one/empty", "one", "none")
    assert [each.get("contentBase64", each.get("code")) for each in body["items"]] == [
        "IyBB", "", "file_not_found", "file_not_found"
    ]  # fmt: skip
    assert await session.listed("?prefix=one") == ["one", "one/a.md", "one/empty"]
    assert await session.listed("?prefix=one&includeDirs=false") == ["one/a.md", "one/empty"]
    status, body = await session.operate(
        {"type": "rename", "from": "one/a.md", "to": "two/b.md"},
        {"type": "mkdir", "path": "two/sub"},
        {"type": "delete", "path": "one", "recursive": True},
    )
    assert [each["ok"] for each in body["items"]] == [True] * 3
    assert await session.listed("?prefix=one") == []
    assert await session.listed("?prefix=two") == ["two", "two/b.md", "two/sub"]
    _, body = await session.ask("GET", f"/catalog/events?since={since}")
    assert [each["type"] for each in body["items"]] == [
        "write", "write", "rename", "mkdir", "delete"
    ]  # fmt: skip
    _, audit = await server.call(
        "GET", f"/workspace/{server.workspace}/audit?limit=2", token=CLIENT_TOKEN
    )
    assert [each["action"] for each in audit["items"]] == [
        "workspace.files.session.ops", "workspace.files.session.write"
    ]  # fmt: skip


async def test_one_writer_does_not_undo_another(session):
    _, body = await session.write(("c.md", b"one", {}))
    revision = body["items"][0]["revision"]
    done = await asyncio.gather(
        *(session.write(("c.md", b"%d" % n, {"ifMatchRevision": revision})) for n in range(8))
    )
    results = [body["items"][0] for _, body in done]
    assert sum(each["ok"] for each in results) == 1
    assert {each.get("code") for each in results} == {None, "conflict"}
    _, body = await session.write(
        ("c.md", b"no", {"ifMatchRevision": revision}), ("d.md", b"yes", {}),
        ("c.md", b"forced", {"ifMatchRevision": revision, "force": True}),
    )  # fmt: skip
    assert [(each["ok"], each["path"]) for each in body["items"]] == [
        (False, "c.md"), (True, "d.md"), (True, "c.md")
    ]  # fmt: skip


async def test_a_catalog_is_paged_and_leaves_out_git(server, session):
    for name in ("p/1", "p/2", "p/.git/HEAD", "p/node_modules/m", "p/3"):
        place = server.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    (server.folder / "p/.openwork-0.tmp").touch()
    first = (await session.ask("GET", "/catalog/snapshot?prefix=p&limit=2"))[1]
    assert (first["total"], first["truncated"], first["nextAfter"]) == (4, True, "p/1")
    rest = await session.listed(f"?prefix=p&limit=9&after={first['nextAfter']}")
    assert rest == ["p/2", "p/3"]
    everything = await session.listed("?prefix=p&includeIgnored=true&includeDirs=false")
    assert everything == ["p/.git/HEAD", "p/1", "p/2", "p/3", "p/node_modules/m"]
    for odd in ("limit=abc", "limit=-1", "limit=1e9", "limit=" + "9" * 5000, "after=%00",
                "after=%ff%fe", "after=%zz", "prefix=%20", "includeDirs=%80"):  # fmt: skip
        status, body = await session.ask("GET", f"/catalog/snapshot?{odd}")
        assert status == 200, (odd, body)
    for since in ("abc", "-1", "9" * 5000, "%ff"):
        status, body = await session.ask("GET", f"/catalog/events?since={since}")
        assert status == 200, (since, body)


async def test_a_session_belongs_to_its_token_and_ends_with_it(server):
    mine, yours = await server.token("collaborator"), await server.token("collaborator")
    one = Session(server, (await open_session(server, mine))["id"], mine)
    other = Session(server, one.path.rsplit("/", 1)[1], yours)
    for method, path, body in (
        ("POST", "/renew", {}), ("DELETE", "", None), ("GET", "/catalog/snapshot", None),
        ("GET", "/catalog/events", None), ("POST", "/read-batch", {"paths": ["x"]}),
        ("POST", "/write-batch", {"writes": [{"path": "x", "contentBase64": ""}]}),
        ("POST", "/ops", {"operations": [{"type": "mkdir", "path": "x"}]}),
    ):  # fmt: skip
        status, answer = await other.ask(method, path, json=body)
        assert (status, answer["code"]) == (403, "forbidden"), path
        nobody = Session(server, "%2e%2e%ff", mine)
        status, answer = await nobody.ask(method, path, json=body)
        assert (status, answer["code"]) in {(404, "file_session_not_found"), (404, "not_found")}
    _, tokens = await server.call("GET", "/tokens", host=True)
    newest_but_one = tokens["items"][1]["id"]
    await server.call("DELETE", f"/tokens/{newest_but_one}", host=True)
    assert (await one.ask("POST", "/renew", json={}))[0] == 401
    fresh = Session(server, (await open_session(server, yours))["id"], yours)
    assert (await fresh.ask("DELETE", ""))[1] == {"ok": True}
    assert (await fresh.ask("DELETE", ""))[1]["code"] == "file_session_not_found"


async def test_a_session_exists_under_its_own_mount_only(server, session):
    for mount, expected in ((server.workspace, 200), ("ws_000000000000", 404)):
        status, _ = await server.call(
            "GET", f"/w/{mount}{session.path}/catalog/snapshot", token=CLIENT_TOKEN
        )
        assert status == expected


async def test_who_may_write(server):
    viewer = await server.token("viewer")
    made = await open_session(server, viewer, write=True)
    assert made["canWrite"] is False
    reading = await open_session(server, write=False, ttlSeconds=1)
    assert (reading["canWrite"], reading["expiresAt"] - reading["createdAt"]) == (False, 30_000)
    status, body = await Session(server, made["id"], viewer).write(("v.md", b"x", {}))
    assert (status, body["details"]["required"]) == (403, "collaborator")
    for use in (
        Session(server, reading["id"]).write(("v.md", b"x", {})),
        Session(server, reading["id"]).operate({"type": "mkdir", "path": "v"}),
    ):
        assert (await use)[0] == 403
    assert (await Session(server, made["id"], viewer).read("secret.md"))[0] == 200
    assert not (server.folder / "v.md").exists()


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_a_path_that_leads_out_refuses_the_whole_call(server, session, path):
    name = "b" + str(BAD_PATHS.index(path))
    markdown = f"/workspace/{server.workspace}/files/content"
    text = json.dumps(path)
    for use in (
        session.ask("POST", "/read-batch", data=f'{{"paths": ["x", {text}]}}', headers=JSON),
        session.ask("POST", "/write-batch", headers=JSON, data=f'{{"writes": [{{"path": "{name}", '
                    f'"contentBase64": ""}}, {{"path": {text}, "contentBase64": ""}}]}}'),
        session.ask("POST", "/ops", headers=JSON, data=f'{{"operations": [{{"type": "mkdir", '
                    f'"path": "{name}"}}, {{"type": "delete", "path": {text}}}]}}'),
        session.ask("POST", "/ops", headers=JSON, data=f'{{"operations": [{{"type": "rename", '
                    f'"from": "docs", "to": {text}}}]}}'),
        server.call("POST", markdown, token=CLIENT_TOKEN, headers=JSON,
                    data=f'{{"path": {text}, "content": "x"}}'),
    ):  # fmt: skip
        status, body = await use
        assert (status, body["code"]) in {(400, "invalid_path"), (400, "invalid_payload")}, body
    assert not (server.folder / name).exists()
    if path.isascii() and "\0" not in path:
        status, body = await server.call("GET", markdown, token=CLIENT_TOKEN, params={"path": path})
        assert (status, body["code"]) == (400, "invalid_path")
        query = {"prefix": path}
        status, _ = await session.ask("GET", "/catalog/snapshot", params=query)
        assert status == (400 if path else 200)


async def test_links_that_lead_out_are_of_no_use(server, session):
    outside = server.folder.parent / "outside"
    _, body = await session.read("out/secret.md", "secret.md", "out/none")
    assert [each["code"] for each in body["items"]] == ["invalid_path"] * 3
    _, body = await session.write(("out/new", b"x", {}), ("secret.md", b"x", {"force": True}))
    assert [each["code"] for each in body["items"]] == ["invalid_path"] * 2
    _, body = await session.operate(
        {"type": "delete", "path": "out/secret.md"}, {"type": "mkdir", "path": "out/made"},
        {"type": "rename", "from": "docs", "to": "out/docs"},
        {"type": "rename", "from": "out/secret.md", "to": "mine"},
    )  # fmt: skip
    assert [each["code"] for each in body["items"]] == ["invalid_path"] * 4
    for path in ("out/secret.md", "secret.md", "out/none.md"):
        for method, options in (
            ("GET", {"params": {"path": path}}), ("POST", {"json": {"path": path, "content": "x"}})
        ):  # fmt: skip
            status, body = await server.call(
                method,
                f"/workspace/{server.workspace}/files/content",
                token=CLIENT_TOKEN,
                **options,
            )
            assert (status, body["code"]) == (400, "invalid_path")
    listed = await session.listed()
    assert not [each for each in listed if each.startswith(("out", "secret"))]
    assert [each.name for each in outside.iterdir()] == ["secret.md"]
    assert (outside / "secret.md").read_text() == "secret"


async def test_a_link_turned_outside_again_and_again_leads_nowhere(server, session):
    outside, inside = server.folder.parent / "outside", server.folder / "inside"
    inside.mkdir()
    (inside / "secret.md").write_text("mine")
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            for target in (inside, outside):
                (server.folder / "next").symlink_to(target)
                (server.folder / "next").replace(server.folder / "turning")

    turning = asyncio.create_task(asyncio.to_thread(turn))
    seen = set()
    try:
        for number in range(80):
            _, body = await session.read("turning/secret.md")
            seen.add(body["items"][0].get("contentBase64"))
            await session.write((f"turning/{number}", b"x", {}))
            await session.operate({"type": "mkdir", "path": f"turning/d{number}"})
    finally:
        stop.set()
        await turning
    assert seen == {None, base64.b64encode(b"mine").decode()}
    assert [each.name for each in outside.iterdir()] == ["secret.md"]


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", "null", '{"writes": []}', '{"writes": [{"path": "a"}]}',
     '{"writes": [{"path": 5, "contentBase64": ""}]}', '{"writes": {"a": 1}}',
     '{"writes": [{"path": "bad", "contentBase64": "***"}]}',
     '{"writes": [{"path": "bad", "contentBase64": "\\ud800"}]}',
     '{"writes": [{"path": "bad", "contentBase64": "", "ifMatchRevision": "\\ud800"}]}',
     '{"writes": [{"path": "bad", "contentBase64": "", "ifMatchRevision": 5}]}',
     '{"writes": [{"path": "\\ud800", "contentBase64": ""}]}', "[" * 100_000,
     json.dumps({"writes": [{"path": "bad", "contentBase64": ""}] * (MAX_ITEMS + 1)})],
)  # fmt: skip
async def test_a_bad_write_batch_is_400(server, session, body):
    status, answer = await session.ask("POST", "/write-batch", data=body, headers=JSON)
    assert status == 400, answer
    assert not (server.folder / "bad").exists()


async def test_a_large_body_of_many_small_values_is_400(server, session):
    body = b'{"writes": [' + b'{"a":{}},' * 200_000 + b"{}]}"
    status, answer = await session.ask("POST", "/write-batch", data=io.BytesIO(body), headers=JSON)
    assert (status, answer["code"]) == (400, "invalid_payload")
    assert "100,000 values" in answer["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/read-batch", '{"paths": []}'), ("/read-batch", '{"paths": [5]}'),
     ("/read-batch", '{"paths": "a"}'), ("/ops", '{"operations": []}'),
     ("/ops", '{"operations": [{"path": "x"}]}'), ("/ops", '{"operations": [{"type": 5}]}'),
     ("/ops", '{"operations": [{"type": "\\ud800"}]}'),
     ("/ops", '{"operations": [{"type": "mkdir"}]}'),
     ("/ops", '{"operations": [{"type": "mkdir", "path": "\\u0000"}]}'),
     ("/renew", '{"ttlSeconds": NaN}'), ("/renew", '{"ttlSeconds": 1e400}'),
     ("/renew", '{"ttlSeconds": "long"}'), ("/renew", '{"ttlSeconds": %s}' % ("9" * 400)),
     ("/renew", ""), ("/renew", "{")],
)  # fmt: skip
async def test_other_bad_bodies_are_400(session, path, body):
    status, answer = await session.ask("POST", path, data=body, headers=JSON)
    assert status == 400, answer


async def test_large_files_are_read_as_a_stream_and_too_large_ones_refused(server, session):
    data = os.urandom(1_500_000)
    for name in ("1", "2", "3"):
        (server.folder / f"large{name}").write_bytes(data)
    (server.folder / "too-large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    status, body = await session.read("large1", "too-large", "large2", "none", "large3")
    assert status == 200
    found = [
        base64.b64decode(each["contentBase64"]) == data if each["ok"] else each["code"]
        for each in body["items"]
    ]
    assert found == [True, "file_too_large", True, "file_not_found", True]
    status, body = await session.write(("w", b"x" * (MAX_FILE_BYTES + 1), {}))
    assert (status, body["items"][0]["code"]) == (200, "file_too_large")
    status, body = await session.write(*((f"w{n}", b"x" * MAX_FILE_BYTES, {}) for n in range(4)))
    assert (status, body["code"]) == (413, "body_too_large")
    status, body = await session.write(*((f"w{n}", b"x" * 4_000_000, {}) for n in range(4)))
    assert [each["ok"] for each in body["items"]] == [True] * 4


async def test_markdown_is_read_and_saved_unless_it_changed_meanwhile(server):
    path = f"/workspace/{server.workspace}/files/content"

    async def save(**body):
        return await server.call("POST", path, token=CLIENT_TOKEN, **large(body))

    status, saved = await save(path="docs/m.md", content="# M\n")
    assert (status, saved["ok"], saved["bytes"]) == (200, True, 4)
    status, read = await server.call("GET", path + "?path=docs/m.md", token=CLIENT_TOKEN)
    assert (status, read["content"], read["updatedAt"]) == (200, "# M\n", saved["updatedAt"])
    status, again = await save(path="docs/m.md", content="two", baseUpdatedAt=read["updatedAt"])
    assert status == 200
    status, body = await save(path="docs/m.md", content="x", baseUpdatedAt=read["updatedAt"])
    assert (status, body["code"]) == (409, "conflict")
    assert body["details"]["currentUpdatedAt"] == again["updatedAt"]
    status, _ = await save(path="docs/m.md", content="x", baseUpdatedAt=5, force=True)
    assert status == 200
    for bad in ('{"path": "a.md", "content": 5}', '{"path": "a.md"}', '{"content": ""}',
                '{"path": "a.md", "content": "", "baseUpdatedAt": NaN}',
                '{"path": "a.md", "content": "", "baseUpdatedAt": 1e999}',
                '{"path": "a.md", "content": "\\ud800"}'):  # fmt: skip
        status, body = await server.call("POST", path, token=CLIENT_TOKEN, data=bad, headers=JSON)
        assert (status, body["code"]) == (400, "invalid_payload"), bad
    for query in ("", "?path=", "?path=%ff.md", "?path=%zz", "?path=..%2fx.md", "?path=a%00.md"):
        status, body = await server.call("GET", path + query, token=CLIENT_TOKEN)
        assert status in {400, 404}, query
    status, body = await save(path="big.md", content="x" * (MAX_FILE_BYTES + 1))
    assert (status, body["code"]) == (413, "file_too_large")
    status, body = await save(path="big.md", content="x" * 12_000_001)
    assert (status, body["code"]) == (413, "body_too_large")


async def test_a_read_only_server_hands_out_sessions_for_reading(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, env={"OPENWORK_READONLY": "1"}) as server:
        made = await open_session(server)
        assert made["canWrite"] is False
        session = Session(server, made["id"])
        status, body = await session.write(("x", b"", {}))
        assert (status, body["code"]) == (403, "read_only")
        assert await session.listed() == []
        _, body = await server.call("GET", "/capabilities", token=CLIENT_TOKEN)
        assert body["toolProviders"]["files"]["injection"] is False


async def test_a_batch_waits_for_approval_and_is_looked_at_again(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        token = await server.token("collaborator")
        session = Session(server, (await open_session(server, token))["id"], token)

        async def waiting():
            async with asyncio.timeout(10):
                while True:
                    _, body = await server.call("GET", "/approvals", host=True)
                    if body["items"]:
                        return body["items"][0]

        writing = asyncio.create_task(session.write(("a", b"mine", {"ifMatchRevision": "1:1"}),
                                                    ("b", b"mine", {})))  # fmt: skip
        item = await waiting()
        assert item["paths"] == [str(folder / "b")]
        assert "b" in item["summary"]
        reply = f"/approvals/{item['id']}"
        await server.call("POST", reply, host=True, json={"reply": "allow"})
        _, body = await writing
        assert [each["ok"] for each in body["items"]] == [False, True]

        writing = asyncio.create_task(session.write(("c", b"x", {})))
        item = await waiting()
        assert (await session.ask("DELETE", ""))[0] == 200
        reply = f"/approvals/{item['id']}"
        await server.call("POST", reply, host=True, json={"reply": "allow"})
        status, body = await writing
        assert (status, body["code"]) == (404, "file_session_not_found")
        assert not (folder / "c").exists()


async def test_a_session_ends_with_its_workspace(server, tmp_path):
    folder = tmp_path / "other"
    status, _ = await server.call(
        "POST",
        "/workspaces/local",
        host=True,
        json={"folderPath": str(folder), "preset": "minimal"},
    )
    assert status == 201
    other = workspace_id(folder)
    path = f"/workspace/{other}/files/sessions"
    _, body = await server.call("POST", path, token=CLIENT_TOKEN, json={})
    session = Session(server, body["session"]["id"])
    assert (await session.ask("GET", "/catalog/snapshot"))[0] == 200
    assert (await server.call("DELETE", f"/workspaces/{other}", host=True))[0] == 200
    status, body = await session.ask("GET", "/catalog/snapshot")
    assert (status, body["code"]) == (404, "file_session_not_found")


async def test_files_that_hold_keys_are_read_by_owners_only(server):
    (server.folder / ".env.local").write_text("KEY=canary")
    (server.folder / "harmless.txt").symlink_to(server.folder / ".env.local")
    paths = [".env.local", "harmless.txt"]
    for token, readable in ((CLIENT_TOKEN, False), (await server.token("owner"), True)):
        opened = await open_session(server, token)
        _, body = await server.call(
            "POST",
            f"/files/sessions/{opened['id']}/read-batch",
            token=token,
            json={"paths": paths},
        )
        assert [each["ok"] for each in body["items"]] == [readable, readable]
        codes = {each.get("code") for each in body["items"]}
        assert codes == ({None} if readable else {"file_access_denied"})


async def test_what_only_owners_read_nobody_else_moves_deletes_or_writes_over(server):
    (server.folder / "keys/deep").mkdir(parents=True)
    (server.folder / "keys/deep/.npmrc").write_text("canary")
    (server.folder / "keys/.env").write_text("canary")
    (server.folder / "keys/.env.md").write_text("canary")
    (server.folder / "keys/notes.md").symlink_to(".env")
    (server.folder / "keys/plain.txt").touch()
    outbox = ".opencode/openwork/outbox"
    session = Session(server, (await open_session(server))["id"])
    operations = [
        {"type": "rename", "from": "keys/.env", "to": "a.txt"},
        {"type": "rename", "from": "keys\\.env", "to": "a.txt"},
        {"type": "rename", "from": "keys/plain.txt", "to": "keys/.env"},
        {"type": "rename", "from": "keys", "to": f"{outbox}/keys"},
        {"type": "rename", "from": "keys/deep", "to": "deep"},
        {"type": "delete", "path": "keys/.env"},
        {"type": "delete", "path": "keys", "recursive": True},
    ]
    status, body = await session.operate(*operations)
    assert status == 200
    assert {each.get("code") for each in body["items"]} == {"file_access_denied"}
    _, body = await session.write(
        ("keys/.env", b"", {}), ("keys/notes.md", b"", {"force": True}), ("keys/.ENV.new", b"", {})
    )
    assert [each.get("code") for each in body["items"]] == [
        "file_access_denied", "file_access_denied", None
    ]  # fmt: skip
    content = f"/workspace/{server.workspace}/files/content"
    for path in ("keys/notes.md", "keys/.env.md"):
        for method, options in (
            ("GET", {"params": {"path": path}}),
            ("POST", {"json": {"path": path, "content": "", "force": True}}),
        ):
            status, body = await server.call(method, content, token=CLIENT_TOKEN, **options)
            assert (status, body["code"]) == (403, "file_access_denied")
    assert (server.folder / "keys/.env").read_text() == "canary"
    owner = await server.token("owner")
    status, body = await server.call("GET", f"{content}?path=keys/notes.md", token=owner)
    assert (status, body["content"]) == (200, "canary")
    session = Session(server, (await open_session(server, owner))["id"], owner)
    _, body = await session.operate(operations[0], operations[-1])
    assert [each["ok"] for each in body["items"]] == [True, True]


async def test_what_cannot_be_moved_is_told_before_anybody_is_asked(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    (folder / ".env").write_text("canary")
    async with running_server(folder, state, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        session = Session(server, (await open_session(server))["id"])
        _, body = await session.operate({"type": "rename", "from": ".env", "to": "a"})
        assert body["items"][0]["code"] == "file_access_denied"
        assert "canary" not in json.dumps(body)
