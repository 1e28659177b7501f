"""The head of a request is bounded in size and time, for callers with no token too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from openwork.server import head_limit
from openwork.server.head_limit import MAX_HEAD_BYTES, HeadLimitedProtocol

HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n"
HEADER = b"X-Long: " + b"x" * 1000 + b"\r\n"


async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"got %d" % len(body)})


@asynccontextmanager
async def connection():
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="off")
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HeadLimitedProtocol(config=config, server_state=state, app_state={}),
        "127.0.0.1",
        0,
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1])


async def test_headers_without_end_are_refused_before_they_fill_the_memory():
    async with connection() as (reader, writer):
        writer.write(HELLO + HEADER * (MAX_HEAD_BYTES // len(HEADER) + 1))
        assert await answer(reader) == 431
        assert b"headers_too_large" in await reader.read()


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        HELLO,
        HELLO + b"X-Long: ",
        HELLO + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
async def test_what_never_ends_is_cut_off(start):
    async with connection() as (_, writer):
        writer.write(start)
        with pytest.raises(ConnectionError):
            await send_without_end(writer)


async def send_without_end(writer):
    for _ in range(20 * MAX_HEAD_BYTES // 1000):
        writer.write(b"x" * 1000)
        await writer.drain()
        await asyncio.sleep(0)


async def test_a_large_body_and_a_long_conversation_pass():
    async with connection() as (reader, writer):
        for size in (0, 10 * MAX_HEAD_BYTES, 5):
            writer.write(HELLO + HEADER * 10 + b"Content-Length: %d\r\n\r\n" % size)
            writer.write(b"y" * size)
            await writer.drain()
            assert await answer(reader) == 200
            assert await reader.readuntil(b"\r\n0\r\n\r\n")


async def test_chunks_of_a_body_pass_however_many():
    async with connection() as (reader, writer):
        writer.write(HELLO + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(200):
            writer.write(b"400\r\n" + b"z" * 0x400 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert await answer(reader) == 200
        assert b"got 204800" in await reader.readuntil(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("begun", [b"", HELLO])
async def test_a_head_that_does_not_come_ends_the_connection(begun, monkeypatch):
    monkeypatch.setattr(head_limit, "HEAD_TIMEOUT_S", 0.05)
    async with connection() as (reader, writer):
        writer.write(begun)
        assert await reader.read() == b""
