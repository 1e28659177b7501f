"""Asking the engine about a call before it is passed on, against one that answers as it is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import engine_lookup
from openwork.server.engine_lookup import look_up
from openwork.server.upstream import UpstreamPool
from tests.until import until

if TYPE_CHECKING:
    from openwork.server.engine_call import EngineCall

CALL = cast(
    "EngineCall",
    SimpleNamespace(
        headers=[(b"authorization", b"Basic x"), (b"accept", b"text/html")], target=b"/permission"
    ),
)


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@asynccontextmanager
async def engine(said: bytes, *, after: asyncio.Event | None = None):
    """An engine that says ``said`` to each request, once ``after`` is set; and the pool to it."""
    heads: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if after is not None:
            await after.wait()
        writer.write(said)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    pool = UpstreamPool("127.0.0.1", listener.sockets[0].getsockname()[1], tls=False)
    try:
        async with asyncio.timeout(20):
            yield pool, heads
    finally:
        if after is not None:
            after.set()
        pool.close()
        for writer in writers:
            writer.close()
        listener.close()


async def refusal_of(pool: Any) -> OpenWorkError:
    with pytest.raises(OpenWorkError) as caught:
        await look_up(pool, CALL, b"/permission")
    return caught.value


async def test_a_list_is_its_objects_and_only_what_the_engine_needs_is_sent():
    async with engine(answer(b'[{"id": "a"}, 3, null]')) as (pool, heads):
        assert await look_up(pool, CALL, b"/permission") == [{"id": "a"}]
        assert heads[0].startswith(b"GET /permission HTTP/1.1\r\n")
        assert b"authorization: Basic x" in heads[0]
        assert b"text/html" not in heads[0]


async def test_an_error_of_the_engine_is_an_empty_list():
    async with engine(answer(b'{"name": "UnknownError"}')) as (pool, _):
        assert await look_up(pool, CALL, b"/permission") == []


async def test_an_engine_that_loads_the_folder_first_is_waited_for():
    ready = asyncio.Event()
    async with engine(answer(b'[{"id": "a"}]'), after=ready) as (pool, heads):
        asked = asyncio.create_task(look_up(pool, CALL, b"/permission"))
        await until(lambda: heads)
        assert not asked.done()
        ready.set()
        assert await asked == [{"id": "a"}]


async def test_an_engine_that_never_answers_is_told_of_with_the_bound(monkeypatch):
    monkeypatch.setattr(engine_lookup, "LOOKUP_TIMEOUT_S", 0.05)
    async with engine(b"", after=asyncio.Event()) as (pool, _):
        refusal = await refusal_of(pool)
        assert (refusal.code, refusal.status) == ("opencode_unreachable", 502)
        assert "nothing within 0.05 s" in refusal.message


async def test_what_is_not_json_and_what_is_too_large_are_told(monkeypatch):
    async with engine(answer(b"<html>")) as (pool, _):
        assert (await refusal_of(pool)).code == "opencode_unreachable"
    monkeypatch.setattr(engine_lookup, "LARGEST_ANSWER_BYTES", 4)
    async with engine(answer(b"[1, 2, 3]")) as (pool, _):
        assert "too large" in (await refusal_of(pool)).message
