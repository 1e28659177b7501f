"""The HTTP client to the engine, against a server that says exactly what a test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.net import free_port
from openwork.server import upstream as upstream_module
from openwork.server.upstream import UpstreamPool
from openwork.server.upstream_connection import UpstreamError
from tests.until import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Plays ``script(reader, writer)`` for each connection and counts them."""

    def __init__(self, script):
        self.script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.errors: list[BaseException] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def head(self, reader):
        raw = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(raw)
        return raw

    def accept(self, reader, writer):
        self.connections += 1
        task = asyncio.create_task(self._play(reader, writer))
        self.tasks.add(task)

    async def _play(self, reader, writer):
        try:
            await self.script(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001  # shown by the test
            self.errors.append(error)
        finally:
            writer.close()


@asynccontextmanager
async def serving(script, *, probe=None):
    server = Server(script)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pool = UpstreamPool("127.0.0.1", port, tls=False, probe=probe)
    try:
        async with asyncio.timeout(20):
            yield pool, server
    finally:
        pool.close()
        listener.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert server.errors == []


def answering(*answers: bytes):
    """A script that gives one answer a request on one connection and then closes it."""

    async def script(server, reader, writer):
        for answer in answers:
            await server.head(reader)
            writer.write(answer)
            await writer.drain()

    return script


def echoing():
    async def script(server, reader, writer):
        while True:
            await server.head(reader)
            writer.write(OK)

    return script


async def ask(pool, method=b"GET", body=None, headers=()):
    connection = await pool.request(method, b"/x?y=1", list(headers), body)
    try:
        data = b"".join([chunk async for chunk in connection.chunks()])
    finally:
        pool.release(connection)
    return connection.status, data


async def code_of(awaitable):
    with pytest.raises(OpenWorkError) as caught:
        await awaitable
    assert caught.value.status == 502
    return caught.value.code


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx: y\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK,
    ],
)
async def test_every_framing_of_an_answer_is_read(answer):
    async with serving(answering(answer)) as (pool, server):
        assert await ask(pool) == (200, b"ok")
        assert server.requests[0].startswith(b"GET /x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:")


async def test_an_answer_cut_into_single_bytes_is_read():
    async def script(server, reader, writer):
        await server.head(reader)
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(script) as (pool, _):
        assert await ask(pool) == (200, b"ok")


async def test_informational_headers_do_not_mix_into_the_answer():
    async with serving(answering(b"HTTP/1.1 103 Hints\r\nx-hint: 1\r\n\r\n" + OK)) as (pool, _):
        connection = await pool.request(b"GET", b"/", [])
        assert connection.headers == [(b"content-length", b"2")]
        connection.abort()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answers_without_a_body_end_at_once_and_the_connection_is_kept(status):
    async with serving(answering(b"HTTP/1.1 %b\r\n\r\n" % status, OK)) as (pool, server):
        assert (await ask(pool))[1] == b""
        assert await ask(pool) == (200, b"ok")
        assert server.connections == 1


async def test_head_has_a_length_but_no_body():
    async with serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")) as (pool, _):
        assert await ask(pool, b"HEAD") == (200, b"")


async def test_connections_are_used_again_also_for_posts():
    async with serving(echoing()) as (pool, server):
        for method in (b"GET", b"POST", b"GET"):
            assert await ask(pool, method) == (200, b"ok")
        assert server.connections == 1


async def closing_after_one(server, reader, writer):
    await server.head(reader)
    writer.write(OK)
    await writer.drain()
    if server.connections == 1:
        await server.head(reader)  # takes the second request and dies


async def test_a_repeatable_request_on_a_connection_that_died_is_made_again():
    async with serving(closing_after_one) as (pool, server):
        await ask(pool)
        assert await ask(pool) == (200, b"ok")
        assert server.connections == 2
        assert len(server.requests) == 3


async def test_a_post_on_a_connection_that_died_is_never_made_again():
    async with serving(closing_after_one) as (pool, server):
        await ask(pool)
        assert await code_of(ask(pool, b"POST", b"{}")) == "opencode_unreachable"
        assert len(server.requests) == 2


async def test_a_post_takes_no_connection_that_was_idle_for_long(monkeypatch):
    monkeypatch.setattr(upstream_module, "FRESH_FOR_S", 0)
    async with serving(echoing()) as (pool, server):
        await ask(pool)
        await ask(pool, b"POST", b"{}")
        assert server.connections == 2


async def test_a_request_that_was_answered_in_part_is_not_made_again():
    async def script(server, reader, writer):
        await server.head(reader)
        writer.write(OK)
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")

    async with serving(script) as (pool, server):
        await ask(pool)
        assert await code_of(ask(pool)) == "opencode_unreachable"
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsh",
    ],
)
async def test_an_answer_that_breaks_off_is_never_taken_for_whole(answer):
    async with serving(answering(answer)) as (pool, _):
        connection = await pool.request(b"GET", b"/", [])
        with pytest.raises(UpstreamError):
            async for _ in connection.chunks():
                pass
        pool.release(connection)
        assert pool._idle == []


async def test_an_answer_without_length_that_is_reset_is_not_taken_for_whole():
    async def script(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await writer.drain()
        import socket
        import struct

        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async with serving(script) as (pool, _):
        with pytest.raises((UpstreamError, OpenWorkError)):
            await ask(pool)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\x03" * 10,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"h%d: v\r\n" % n for n in range(200_000)),
        b"",
    ],
)
async def test_what_is_no_answer_is_one_clear_error(answer):
    async with serving(answering(answer)) as (pool, _):
        assert await code_of(ask(pool)) == "opencode_unreachable"


async def test_a_second_answer_nobody_asked_for_reaches_nobody():
    evil = b"HTTP/1.1 201 Evil\r\ncontent-length: 4\r\n\r\nevil"
    async with serving(answering(OK + evil, OK)) as (pool, server):
        assert await ask(pool) == (200, b"ok")
        assert await ask(pool) == (200, b"ok")
        assert server.connections == 2


async def test_bytes_sent_into_an_idle_connection_make_it_unusable():
    idle = asyncio.Event()
    sent = asyncio.Event()

    async def script(server, reader, writer):
        await server.head(reader)
        writer.write(OK)
        await idle.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await writer.drain()
        sent.set()
        await reader.read()

    async with serving(script) as (pool, server):
        await ask(pool)
        idle.set()
        await sent.wait()
        await until(lambda: pool._idle == [])
        assert await ask(pool) == (200, b"ok")
        assert server.connections == 2


async def test_a_burst_leaves_few_connections_and_they_are_closed_in_time(monkeypatch):
    monkeypatch.setattr(upstream_module, "MOST_IDLE", 3)
    monkeypatch.setattr(upstream_module, "IDLE_LIMIT_S", 0.05)
    async with serving(echoing()) as (pool, server):
        assert await asyncio.gather(*(ask(pool) for _ in range(20))) == [(200, b"ok")] * 20
        assert server.connections == 20
        assert len(pool._idle) == 3
        await until(lambda: pool._idle == [], pause_s=0.01)
        assert pool._sweeper is None
        await until(lambda: all(task.done() for task in server.tasks), pause_s=0.01)


async def test_an_idle_connection_that_the_engine_closes_is_forgotten():
    async def script(server, reader, writer):
        await server.head(reader)
        writer.write(OK)

    async with serving(script) as (pool, _):
        await ask(pool)
        await until(lambda: pool._idle == [], pause_s=0.01)


PROBE = b"/global/health"


def deaf_at_first(connections: int):
    """Accepts ``connections`` and never answers them, as an engine that starts."""

    async def script(server, reader, writer):
        mine = server.connections
        while True:
            await server.head(reader)
            if mine <= connections:
                await reader.read()
            writer.write(OK)

    return script


def probes_of(server):
    return sum(raw.startswith(b"GET " + PROBE) for raw in server.requests)


async def test_an_engine_that_starts_is_given_nothing_before_it_answers(monkeypatch):
    monkeypatch.setattr(upstream_module, "PROOF_PAUSE_S", 0.01)
    async with serving(deaf_at_first(3), probe=PROBE) as (pool, server):
        asked = [ask(pool, b"POST", b"{}") for _ in range(5)]
        assert await asyncio.gather(*asked) == [(200, b"ok")] * 5
        assert len(server.requests) - probes_of(server) == 5
        assert 4 <= probes_of(server) < server.connections


async def test_an_engine_that_never_answers_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(upstream_module, "PROOF_TIMEOUT_S", 0.1)
    async with serving(deaf_at_first(1000), probe=PROBE) as (pool, server):
        assert await code_of(ask(pool)) == "opencode_unreachable"
        assert len(server.requests) == probes_of(server) > 0


async def test_what_answered_is_asked_nothing_again_until_a_connection_is_lost():
    writers = []

    async def script(server, reader, writer):
        writers.append(writer)
        await echoing()(server, reader, writer)

    async with serving(script, probe=PROBE) as (pool, server):
        for _ in range(2):
            await asyncio.gather(*(ask(pool) for _ in range(4)))
        assert probes_of(server) == 1
        for writer in writers:
            writer.close()
        await until(lambda: pool._idle == [], pause_s=0.01)
        await ask(pool)
        assert probes_of(server) == 2


async def test_nothing_listening_is_unreachable():
    pool = UpstreamPool("127.0.0.1", free_port(), tls=False)
    assert await code_of(ask(pool)) == "opencode_unreachable"


async def parts(*chunks):
    for chunk in chunks:
        yield chunk


async def test_a_streamed_body_is_sent_in_chunks_or_with_its_declared_length():
    seen = []

    async def script(server, reader, writer):
        raw = await server.head(reader)
        seen.append(await reader.readexactly(18 if b"chunked" in raw else 3))
        writer.write(OK)
        raw = await server.head(reader)
        seen.append(await reader.readexactly(3))
        writer.write(OK)

    async with serving(script) as (pool, server):
        await ask(pool, b"POST", parts(b"ab", b"c"))
        await ask(pool, b"POST", parts(b"ab", b"c"), [(b"content-length", b"3")])
        assert seen == [b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"]
        assert b"transfer-encoding: chunked" in server.requests[0]
        assert b"transfer-encoding" not in server.requests[1]


async def test_an_answer_before_the_uploads_end_is_passed_on_and_the_connection_not_reused():
    async def early(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await reader.read(10)
        await asyncio.Event().wait()

    async def endless():
        yield b"x"
        await asyncio.Event().wait()  # a client that sends no more for now

    async with serving(early) as (pool, _):
        assert await ask(pool, b"POST", endless()) == (413, b"no")
        assert pool._idle == []


async def test_an_early_answer_is_seen_while_the_engine_takes_no_more_of_the_upload():
    async def deaf(server, reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.Event().wait()

    async def flood():
        while True:
            yield b"x" * 65536

    async with serving(deaf) as (pool, _):
        assert (await ask(pool, b"POST", flood()))[0] == 413


async def test_an_upload_that_fails_never_ends_well_for_the_engine():
    got = asyncio.get_running_loop().create_future()

    async def script(server, reader, writer):
        await server.head(reader)
        got.set_result(await reader.read())

    async def failing():
        yield b"half"
        raise RuntimeError("the client is gone")

    async with serving(script) as (pool, _):
        with pytest.raises(RuntimeError, match="gone"):
            await pool.request(b"POST", b"/", [], failing())
        assert b"0\r\n\r\n" not in await got


async def test_a_slow_reader_keeps_the_memory_bounded():
    size = 40 << 20
    written = 0

    async def script(server, reader, writer):
        nonlocal written
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while written < size:
            writer.write(b"x" * 65536)
            written += 65536
            await writer.drain()

    async with serving(script) as (pool, _):
        connection = await pool.request(b"GET", b"/", [])
        await until(lambda: connection._reading_paused)
        for _ in range(200):  # the server may go on as far as the system's buffers reach
            await asyncio.sleep(0)
        assert connection._buffered < 2 << 20
        assert written < size
        got = sum([len(chunk) async for chunk in connection.chunks()])
        assert got == size


async def test_a_cancelled_request_closes_its_connection():
    closed = asyncio.Event()

    async def script(server, reader, writer):
        await server.head(reader)
        assert await reader.read() == b""
        closed.set()

    async with serving(script) as (pool, server):
        task = asyncio.create_task(ask(pool))
        await until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()
