"""What goes over the wire to an engine and back, seen by an engine that records every byte."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server
from tests.until import until

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
PROBE = b"GET /global/health "
CANARY = "engine-password-canary"


class Recorder:
    """An engine that keeps what it was sent and answers with ``answer``.

    To the question which permissions wait with ``permissions``, when there is such an answer.
    """

    def __init__(self):
        self.answer = OK
        self.permissions: bytes | None = None
        self.heads: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.bodies: list[bytes] = []
        self.open = 0
        self.port = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        self.open += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(PROBE):
                    writer.write(OK)  # the server's own question after a lost connection
                    continue
                self.heads.append(head)
                self.bodies.append(await self._body(head.lower(), reader))
                looked_up = self.permissions if head.startswith(b"GET /permission ") else None
                answer = looked_up or self.answer
                writer.write(answer)
                if b"content-length" not in answer.lower():
                    await reader.read()  # a stream: open until the other side leaves
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.remove(writer)
            self.open -= 1
            writer.close()

    async def _body(self, head, reader):
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                await reader.readuntil(b"\r\n")
            await reader.readuntil(b"\r\n")
            return body
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return await reader.readexactly(int(line.split(b":")[1]))
        return b""


@pytest.fixture(scope="module")
async def engine():
    async with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
async def server(engine, tmp_path_factory):
    base = tmp_path_factory.mktemp("wire")
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    url = f"http://127.0.0.1:{engine.port}"
    env = {"OPENWORK_OPENCODE_PASSWORD": CANARY}
    async with running_server(folder, state, engine_url=url, env=env) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(engine):
    engine.answer = OK
    engine.permissions = None
    engine.heads.clear()
    engine.bodies.clear()


async def connect(server):
    host, port = server.base.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def raw(server, request):
    """Everything the server answers to these bytes until it closes or has given one answer."""
    reader, writer = await connect(server)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


def head(method="POST", path="/opencode/session/s/abort", *lines, token=CLIENT_TOKEN):
    start = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
    return ("\r\n".join([*start, *lines]) + "\r\n\r\n").encode()


async def test_credentials_and_origins_stop_here_and_the_engines_own_are_added(server, engine):
    sent = {
        "X-OpenWork-Host-Token": HOST_TOKEN, "X-OpenWork-Client-Id": "desk", "Cookie": "a=b",
        "Origin": server.base, "Referer": server.base + "/secret", "Forwarded-Not": "kept",
        "X-Forwarded-For": "1.2.3.4", "Sec-Fetch-Site": "same-origin", "Proxy-Authorization": "x",
        "Connection": "X-Drop-Me, keep-alive", "X-Drop-Me": "1", "TE": "trailers",
        "X-OpenCode-Directory": str(server.folder), "X-OpenCode-Workspace": "wrk_1",
        "X-OpenCode-Ticket": "1",
    }  # fmt: skip
    await server.call("GET", "/opencode/path?a=1", token=CLIENT_TOKEN, headers=sent)
    (seen,) = engine.heads
    lower = seen.lower()
    for gone in (
        CLIENT_TOKEN, HOST_TOKEN, "client-id", "cookie", "origin", "referer", "x-forwarded",
        "sec-fetch", "proxy-", "x-drop-me", "connection:", "\r\nte:",
        "x-opencode-workspace", "x-opencode-ticket",
    ):  # fmt: skip
        assert gone.lower().encode() not in lower, gone
    assert b"forwarded-not: kept" in lower
    assert lower.count(b"authorization: basic ") == 1
    assert lower.count(b"x-opencode-directory: ") == 1
    assert seen.startswith(b"GET /path?a=1 HTTP/1.1\r\nhost: 127.0.0.1:")


SMUGGLED = b"0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("POST", "/opencode/log", "Content-Length: 4", "Transfer-Encoding: chunked") + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: chunked", "Content-Length: 4") + SMUGGLED,
        head("POST", "/opencode/log", "Content-Length: 4", "Content-Length: 40") + SMUGGLED,
        head("POST", "/opencode/log", "Content-Length: +4") + SMUGGLED,
        head("POST", "/opencode/log", "Content-Length: 4,4") + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: xchunked") + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: chunked, identity") + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding : chunked") + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n" + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: chunked") + b"3;x\nabc\r\n" + SMUGGLED,
        head("POST", "/opencode/log", "Transfer-Encoding: chunked") + b"-1\r\nabc\r\n" + SMUGGLED,
        head("POST", "/opencode/log", "X: a", " folded: b", "Content-Length: 0"),
        head("GET", "/opencode/path", "X\x00: a"),
        head("GET", "/opencode/path", "X y: a"),
        b"GET /opencode/path HTTP/1.1\nHost: localhost\nX: a\n\n",
        b"GET  /opencode/path HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /opencode/pa th HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /opencode/path HTTP/1.1\r\nHost: localhost\rAuthorization: Bearer x\r\n\r\n",
    ],
)
async def test_a_request_that_could_be_read_two_ways_never_becomes_two(
    server, engine, request_bytes
):
    answer = await raw(server, request_bytes)
    status = answer[9:12]
    assert status in {b"400", b"401", b"200", b"501", b""}, answer
    for seen in engine.heads:
        assert b"/evil" not in seen.split(b"\r\n")[0]
        lower = seen.lower()
        assert not (b"content-length" in lower and b"transfer-encoding" in lower)
    if status == b"200":
        assert len(engine.heads) == 1


async def test_what_follows_a_request_is_the_next_request_with_its_own_check(server, engine):
    reader, writer = await connect(server)
    first = head("POST", "/opencode/log", "Content-Length: 2") + b"{}"
    writer.write(first + head("GET", "/opencode/path", token="wrong"))
    async with asyncio.timeout(10):
        seen = b""
        while b"401" not in seen:
            seen += await reader.read(65536)
    writer.close()
    assert seen.startswith(b"HTTP/1.1 200")
    assert len(engine.heads) == 1


@pytest.mark.parametrize("chunked", [True, False])
async def test_bodies_pass_unchanged_upwards(server, engine, chunked):
    body = bytes(range(256)) * 1000

    async def parts():
        for start in range(0, len(body), 7000):
            yield body[start : start + 7000]

    await server.call(
        "POST", "/opencode/log", token=CLIENT_TOKEN, data=parts() if chunked else body
    )
    assert engine.bodies == [body]
    assert (b"transfer-encoding: chunked" in engine.heads[0].lower()) is chunked


async def test_compressed_answers_pass_unchanged(server, engine):
    packed = gzip.compress(b'{"a": 1}' * 100)
    engine.answer = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        b"content-length: %d\r\nset-cookie: a=b\r\nwww-authenticate: Basic\r\n"
        b"connection: x-gone\r\nx-gone: 1\r\nx-kept: 1\r\naccess-control-allow-origin: *\r\n\r\n"
        % len(packed)
    ) + packed
    async with server.http.get(
        server.base + "/opencode/session",
        headers={"Authorization": f"Bearer {CLIENT_TOKEN}", "Origin": "http://a.example"},
        auto_decompress=False,
    ) as response:
        assert await response.read() == packed
        headers = {key.lower(): value for key, value in response.headers.items()}
    assert headers["content-encoding"] == "gzip"
    assert headers["x-kept"] == "1"
    assert not {"set-cookie", "www-authenticate", "x-gone"} & set(headers)
    assert response.headers.getall("access-control-allow-origin") == ["*"]


async def test_the_head_of_a_stream_arrives_before_its_first_event(server, engine):
    engine.answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    async with (
        asyncio.timeout(10),
        server.http.get(
            server.base + "/opencode/event", headers={"Authorization": f"Bearer {CLIENT_TOKEN}"}
        ) as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/event-stream"


async def test_streams_whose_clients_have_left_are_left_upstream_too(server, engine):
    await until(lambda: engine.open <= 1, pause_s=0.01)
    engine.answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n"
    before = engine.open
    writers = []
    for _ in range(200):
        reader, writer = await connect(server)
        writer.write(head("GET", "/opencode/event"))
        await reader.readuntil(b"data: x")
        writers.append(writer)
    assert engine.open >= 200
    for writer in writers:
        writer.close()
    await until(lambda: engine.open <= before, pause_s=0.01)


async def test_an_upload_whose_client_leaves_is_not_taken_for_whole(server, engine):
    before = engine.open
    _, writer = await connect(server)
    writer.write(head("POST", "/opencode/log", "Transfer-Encoding: chunked") + b'4\r\n{"a"\r\n')
    await until(lambda: engine.heads, pause_s=0.01)
    writer.close()
    await until(lambda: engine.open <= before, pause_s=0.01)
    assert engine.bodies == []


async def test_a_half_sent_inspected_body_reaches_nobody(server, engine):
    _, writer = await connect(server)
    writer.write(head("POST", "/opencode/session", "Content-Length: 100") + b"{}")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await server.call("GET", "/opencode/path", token=CLIENT_TOKEN))[0] == 200
    assert [each.split(b" ")[0] for each in engine.heads] == [b"GET"]


async def test_keys_are_not_passed_when_the_answer_cannot_be_read(server, engine):
    for coding in (b"", b"content-encoding: gzip\r\n"):
        body = gzip.compress(b"{}") if coding else b"not json, key=canary-1234"
        engine.answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
            % (coding, len(body), body)
        )
        status, answer = await server.call("GET", "/opencode/config", token=CLIENT_TOKEN)
        assert (status, answer["code"]) == (502, "opencode_request_failed")
    assert b"accept-encoding" not in engine.heads[0].lower()


async def test_a_decision_is_on_record_before_it_is_answered(server, engine):
    owner = await server.token("owner")
    engine.answer = OK
    status, _ = await server.call(
        "POST", "/opencode/permission/per_1/reply", token=owner, json={"reply": "always"}
    )
    assert status == 200
    audit = server.folder.parent / "state" / "audit" / f"{server.workspace}.jsonl"
    assert "Allowed from now on: per_1" in audit.read_text()


async def test_a_decision_under_way_is_recorded_by_a_server_that_stops(engine, tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    engine.permissions = OK
    engine.answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
    url = f"http://127.0.0.1:{engine.port}"
    async with running_server(folder, state, engine_url=url) as server:
        owner = await server.token("owner")
        asked = asyncio.create_task(
            server.call(
                "POST", "/opencode/permission/per_9/reply", token=owner, json={"reply": "once"}
            )
        )
        # What it decides on is looked up first; the reply itself is answered late.
        await until(lambda: engine.heads and engine.heads[-1].startswith(b"POST"), pause_s=0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        stopping = asyncio.create_task(server.child.stop())
        await asyncio.sleep(0)
        for writer in engine.writers:
            writer.write(b"\r\n{}")
        await stopping
    audit = state / "audit" / f"{server.workspace}.jsonl"
    assert "Allowed once: per_9" in audit.read_text()


async def test_an_engine_that_answers_nonsense_is_one_clear_error(server, engine):
    engine.answer = b"SSH-2.0-x content-length\r\n"
    status, body = await server.call("GET", "/opencode/path", token=CLIENT_TOKEN)
    assert (status, body["code"]) == (502, "opencode_unreachable")
    assert CANARY not in str(body)
