"""Uploads and downloads of a real server, over real sockets."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from openwork.workspace.artifacts import item_id
from tests.bad_paths import NO_PATHS
from tests.stack import CLIENT_TOKEN, running_server
from tests.until import until

UNSENT = "half a character"
LIMIT_BYTES = 48_000_000


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("inbox")
    folder, state = base / "workspace", base / "state"
    (folder / ".opencode/openwork/outbox/reports").mkdir(parents=True)
    state.mkdir()
    (base / "outside").mkdir()
    (base / "outside/secret").write_text("secret")
    async with running_server(
        folder, state, env={"OPENWORK_INBOX_MAX_BYTES": str(LIMIT_BYTES)}
    ) as server:
        yield server


def inbox_of(server) -> Path:
    return server.folder / ".opencode/openwork/inbox"


def outbox_of(server) -> Path:
    return server.folder / ".opencode/openwork/outbox"


def form(
    content: bytes | io.BytesIO = b"hello", name: str | None = "notes.txt", **fields: str
) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for key, value in fields.items():
        data.add_field(key, value)
    if name is not None:
        data.add_field("file", content, filename=name)
    return data


async def upload(server, data, query="", token=CLIENT_TOKEN, headers=None):
    path = f"/workspace/{server.workspace}/inbox{query}"
    return await server.call("POST", path, token=token, data=data, headers=headers)


async def download(server, kind, identity, token=CLIENT_TOKEN, method="GET", **headers):
    url = f"{server.base}/workspace/{server.workspace}/{kind}/{identity}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["Authorization"] = f"Bearer {token}"
    async with server.http.request(method, url, headers=sent) as response:
        return response.status, response.headers, await response.read()


def left_behind(server) -> list[str]:
    """Half-written files, and spooled ones that still have a name."""
    state = server.folder.parent / "state"
    known = {"tokens.json", "audit", "server.json"}
    found = [each.name for each in server.folder.rglob(".openwork-*")]
    return found + [each.name for each in state.iterdir() if each.name not in known]


async def test_an_upload_is_listed_and_handed_out(server):
    viewer = await server.token("viewer")
    assert await upload(server, form()) == (200, {"ok": True, "path": "notes.txt", "bytes": 5})
    assert (await upload(server, form(b"deep"), "?path=sub/dir/a.txt"))[1][
        "path"
    ] == "sub/dir/a.txt"
    assert (await upload(server, form(b"field", path="by/field.txt")))[1]["path"] == "by/field.txt"
    assert (await upload(server, form(b"", "empty")))[1]["bytes"] == 0
    assert (await upload(server, form(b"again")))[1]["bytes"] == 5
    _, body = await server.call("GET", f"/workspace/{server.workspace}/inbox", token=viewer)
    names = [item["path"] for item in body["items"]]
    assert names[0] == "notes.txt"
    assert sorted(names) == ["by/field.txt", "empty", "notes.txt", "sub/dir/a.txt"]
    status, headers, content = await download(server, "inbox", item_id("notes.txt"), viewer)
    assert (status, content) == (200, b"again")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "5"
    assert headers["Content-Disposition"] == 'attachment; filename="notes.txt"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    _, body = await server.call("GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN)
    assert body["items"][0]["action"] == "workspace.inbox.upload"
    assert left_behind(server) == []


async def test_artifacts_are_listed_and_handed_out_under_any_name(server):
    name = 'reports/übung "1"\n.html'
    (outbox_of(server) / name).write_text("<script>")
    _, body = await server.call(
        "GET", f"/workspace/{server.workspace}/artifacts", token=CLIENT_TOKEN
    )
    (item,) = [each for each in body["items"] if each["path"] == name]
    assert set(item) == {"id", "path", "size", "updatedAt"}
    status, headers, content = await download(server, "artifacts", item["id"])
    assert (status, content) == (200, b"<script>")
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"_bung _1__.html\"; filename*=UTF-8''%C3%BCbung%20%221%22%0A.html"
    )


@pytest.mark.parametrize("kind", ["inbox", "artifacts"])
@pytest.mark.parametrize(
    "identity",
    [item_id("../../../secret"), item_id("/etc/passwd"), item_id("out/secret"), item_id("x" * 300),
     item_id(".openwork-1.tmp"), item_id("a\0b"), item_id("reports/.."), "none", "%ff", "%zz", "%",
     "%2e%2e%2f", "%00", "..", "x" * 5000],
)  # fmt: skip
async def test_an_id_opens_nothing_else(server, kind, identity):
    for folder in (inbox_of(server), outbox_of(server)):
        folder.mkdir(exist_ok=True)
        if not (folder / "out").is_symlink():
            (folder / "out").symlink_to(server.folder.parent / "outside")
        (folder / ".openwork-1.tmp").touch()
    try:
        status, _, content = await download(server, kind, identity)
        assert status in {400, 404}
        assert b"secret" not in content.replace(b"secret'", b"")
    finally:
        for folder in (inbox_of(server), outbox_of(server)):
            (folder / ".openwork-1.tmp").unlink()


@pytest.mark.parametrize(
    "path",
    # A drive in a file's own name is left out; the others no address or form can carry.
    [*(text for trick, text in NO_PATHS.items() if trick not in {"drive", "empty", UNSENT}),
     "../../evil.txt", ".openwork-1.tmp", "out/x", "out"],
)  # fmt: skip
async def test_an_upload_leads_nowhere_else(server, path):
    inbox_of(server).mkdir(exist_ok=True)
    if not (inbox_of(server) / "out").is_symlink():
        (inbox_of(server) / "out").symlink_to(server.folder.parent / "outside")
    query = "?path=" + "".join(f"%{byte:02x}" for byte in path.encode())
    assert (await upload(server, form(), query))[1]["code"] == "invalid_path"
    # No client library lets control characters into a file's name.
    for field in ({"path": path}, {"name": path})[: 2 if path.isprintable() else 1]:
        status, body = await upload(server, form(**field))
        assert (status, body["code"]) in {(400, "invalid_path"), (400, "invalid_payload")}, field
    assert [each.name for each in (server.folder.parent / "outside").iterdir()] == ["secret"]


async def test_bodies_that_are_no_upload(server):
    for data, headers, code in (
        ("{}", {"Content-Type": "application/json"}, "invalid_payload"),
        (b"", {"Content-Type": "multipart/form-data"}, "invalid_payload"),
        (b"xx", {"Content-Type": "multipart/form-data; boundary=x"}, "invalid_payload"),
        (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "invalid_payload"),
        (form(name=None, other="x"), None, "file_required"),
    ):
        status, body = await upload(server, data, headers=headers)
        assert (status, body["code"]) == (400, code)
    viewer = await server.token("viewer")
    assert (await upload(server, form(), token=viewer))[1]["code"] == "forbidden"
    assert left_behind(server) == []


async def pieces(total: int):
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
    block = b"x" * 65536
    for begin in range(0, total, len(block)):
        yield block[: total - begin]
    yield b"\r\n--B--\r\n"


FORM_B = {"Content-Type": "multipart/form-data; boundary=B"}


async def test_a_file_over_the_limit_is_refused_told_or_not(server):
    status, body = await upload(server, form(io.BytesIO(b"x" * (LIMIT_BYTES + 300_000)), "large"))
    assert (status, body["code"]) == (413, "file_too_large")
    status, body = await upload(server, pieces(LIMIT_BYTES + 1), headers=FORM_B)
    assert (status, body["code"]) == (413, "file_too_large")
    assert body["details"]["maxBytes"] == LIMIT_BYTES
    assert not (inbox_of(server) / "large").exists()
    assert left_behind(server) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_large_file_goes_through_little_memory(server):
    (process,) = psutil.Process(server.child.pid).children()

    def peak_bytes() -> int:
        text = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024

    await upload(server, pieces(100_000), headers=FORM_B)
    before = peak_bytes()
    status, body = await upload(server, pieces(LIMIT_BYTES), headers=FORM_B)
    assert (status, body["bytes"]) == (200, LIMIT_BYTES)
    _, headers, content = await download(server, "inbox", item_id("large"))
    assert headers["Content-Length"] == str(len(content)) == str(LIMIT_BYTES)
    assert peak_bytes() - before < LIMIT_BYTES / 4


async def test_a_download_is_of_the_file_that_was_opened(server):
    place = outbox_of(server) / "steady"
    place.write_bytes(b"a" * 20_000_000)
    url = f"{server.base}/workspace/{server.workspace}/artifacts/{item_id('steady')}"
    headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    async with server.http.get(url, headers=headers) as response:
        first = await response.content.readexactly(1)
        place.with_name("new").write_bytes(b"b" * 10)
        place.with_name("new").replace(place)
        assert first + await response.read() == b"a" * 20_000_000


@pytest.mark.parametrize("kind", ["inbox", "artifacts"])
async def test_a_download_goes_on_where_it_was_broken_off(server, kind):
    place = (inbox_of if kind == "inbox" else outbox_of)(server) / "digits"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"0123456789")
    digits = item_id("digits")
    status, headers, content = await download(server, kind, digits, method="HEAD")
    assert (status, headers["Content-Length"], content) == (200, "10", b"")
    assert headers["Accept-Ranges"] == "bytes"
    tag = headers["ETag"]
    status, headers, content = await download(server, kind, digits, Range="bytes=4-", If_Range=tag)
    assert (status, content) == (206, b"456789")
    assert (headers["Content-Range"], headers["Content-Length"]) == ("bytes 4-9/10", "6")
    assert headers["ETag"] == tag
    status, headers, content = await download(server, kind, digits, Range="bytes=10-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert b"range_not_satisfiable" in content
    status, headers, content = await download(server, kind, digits, Range="bytes=0-1,4-5")
    assert (status, content) == (200, b"0123456789")
    place.with_name("new").write_bytes(b"abcdefghij")
    place.with_name("new").replace(place)
    status, headers, content = await download(server, kind, digits, Range="bytes=4-", If_Range=tag)
    assert (status, content) == (200, b"abcdefghij")
    assert headers["ETag"] != tag
    status, headers, _ = await download(
        server, kind, digits, method="HEAD", Range="bytes=4-", If_Range=tag
    )
    assert (status, headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize("kind", ["inbox", "artifacts"])
async def test_a_head_is_for_whom_a_download_is(server, kind):
    assert (await download(server, kind, item_id("x"), "wrong", "HEAD"))[0] == 401
    viewer = await server.token("viewer")
    assert (await download(server, kind, item_id("none"), viewer, "HEAD"))[0] == 404
    outside = item_id("../../../secret")
    assert (await download(server, kind, outside, viewer, "HEAD"))[0] == 400


async def test_a_download_ends_when_its_token_is_revoked(server):
    with (outbox_of(server) / "endless").open("wb") as file:
        file.truncate(64_000_000)
    token = await server.token("viewer")
    _, tokens = await server.call("GET", "/tokens", host=True)
    url = f"{server.base}/workspace/{server.workspace}/artifacts/{item_id('endless')}"
    headers = {"Authorization": f"Bearer {token}"}
    async with server.http.get(url, headers=headers) as response:
        await response.content.readexactly(1)
        await server.call("DELETE", f"/tokens/{tokens['items'][0]['id']}", host=True)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert not any("unexpected error" in line for line in server.lines)


async def test_whoever_leaves_during_an_upload_leaves_nothing(server):
    host, port = server.base.removeprefix("http://").split(":")

    def refused() -> int:
        return sum("/inbox 400" in line for line in server.lines)

    before = refused()
    for sent in (0, 10, 200, 500_000):
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /workspace/{server.workspace}/inbox HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {CLIENT_TOKEN}\r\nContent-Length: 1000000\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n"
        )
        part = '--B\r\nContent-Disposition: form-data; name="file"; filename="left"\r\n\r\n'
        writer.write(head.encode() + (part.encode() + b"x" * 500_000)[:sent])
        await writer.drain()
        writer.close()
    await until(lambda: refused() == before + 4, pause_s=0.01)
    assert not (inbox_of(server) / "left").exists()
    assert left_behind(server) == []
    assert not any("unexpected error" in line for line in server.lines)


async def test_an_upload_has_no_name_before_it_is_approved(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:

        async def waiting(count):
            async with asyncio.timeout(10):
                while True:
                    _, body = await server.call("GET", "/approvals", host=True)
                    if len(body["items"]) == count:
                        return body["items"]

        async def answer(reply):
            (item,) = await waiting(1)
            assert list(folder.iterdir()) == []
            assert left_behind(server) == []
            path = f"/approvals/{item['id']}"
            await server.call("POST", path, host=True, json={"reply": reply})
            return item

        sending = asyncio.create_task(upload(server, form(), "?path=sub/a.txt"))
        item = await answer("deny")
        assert item["paths"] == [str(folder / ".opencode/openwork/inbox/sub/a.txt")]
        status, body = await sending
        assert (status, body["code"]) == (403, "write_denied")
        leaving = asyncio.create_task(upload(server, form()))
        await waiting(1)
        leaving.cancel()
        await waiting(0)
        assert list(folder.iterdir()) == []
        sending = asyncio.create_task(upload(server, form()))
        await answer("allow")
        assert (await sending)[0] == 200
        assert (inbox_of(server) / "notes.txt").read_bytes() == b"hello"


async def test_switched_off_they_hand_out_nothing_and_say_so(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    (folder / ".opencode/openwork/outbox").mkdir(parents=True)
    (folder / ".opencode/openwork/outbox/a").touch()
    state.mkdir()
    env = {"OPENWORK_INBOX_ENABLED": "0", "OPENWORK_OUTBOX_ENABLED": "0",
           "OPENWORK_INBOX_MAX_BYTES": "1000"}  # fmt: skip
    async with running_server(folder, state, env=env) as server:
        for kind, code in (("inbox", "inbox_disabled"), ("artifacts", "outbox_disabled")):
            path = f"/workspace/{server.workspace}/{kind}"
            assert (await server.call("GET", path, token=CLIENT_TOKEN))[1] == {"items": []}
            status, body = await server.call("GET", f"{path}/{item_id('a')}", token=CLIENT_TOKEN)
            assert (status, body["code"]) == (404, code)
        assert (await upload(server, form()))[1]["code"] == "inbox_disabled"
        _, body = await server.call("GET", "/capabilities", token=CLIENT_TOKEN)
        assert body["toolProviders"]["files"] == {
            "injection": False,
            "outbox": False,
            "inboxPath": ".opencode/openwork/inbox/",
            "outboxPath": ".opencode/openwork/outbox/",
            "maxBytes": 1000,
        }


@pytest.mark.skipif(os.name == "nt", reason="names as POSIX has them")
async def test_an_inbox_that_leads_out_is_refused(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    for each in (folder, state, tmp_path / "elsewhere/openwork/inbox"):
        each.mkdir(parents=True)
    (folder / ".opencode").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/openwork/inbox/x").write_text("secret")
    async with running_server(folder, state) as server:
        assert (await upload(server, form()))[1]["code"] == "invalid_path"
        status, body = await server.call(
            "GET", f"/workspace/{server.workspace}/inbox", token=CLIENT_TOKEN
        )
        assert (status, body["code"]) == (400, "invalid_path")
        assert (await download(server, "inbox", item_id("x")))[0] == 400
        assert [each.name for each in (tmp_path / "elsewhere/openwork/inbox").iterdir()] == ["x"]


async def test_files_that_hold_keys_are_handed_to_owners_only(server):
    owner = await server.token("owner")
    for kind, folder in (("inbox", inbox_of(server)), ("artifacts", outbox_of(server))):
        folder.mkdir(exist_ok=True)
        (folder / ".env").write_text("canary")
        (folder / "report.txt").symlink_to(".env")
        for name in (".env", "report.txt"):
            status, _, content = await download(server, kind, item_id(name))
            assert status == 403
            assert b"file_access_denied" in content
            assert (await download(server, kind, item_id(name), owner))[2] == b"canary"
    for name in (".env", "report.txt"):
        status, body = await upload(server, form(b"", name))
        assert (status, body["code"]) == (403, "file_access_denied")
        status, body = await upload(server, form(b""), f"?path={name}")
        assert (status, body["code"]) == (403, "file_access_denied")
    assert (await upload(server, form(b"mine", ".env.new")))[0] == 200
    assert (await upload(server, form(b"canary", ".env"), token=owner))[0] == 200
