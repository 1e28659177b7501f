"""The engine's client and its event stream, against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from openwork.common.errors import OpenWorkError
from openwork.common.net import free_port
from openwork.engine import events as events_module
from openwork.engine.client import EngineClient
from openwork.engine.events import events
from openwork.engine.models import RECONNECTED


@asynccontextmanager
async def client_of(handler, **options):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with EngineClient(
            f"http://127.0.0.1:{port}/", headers={"X": "1"}, **options
        ) as client:
            yield client
    finally:
        await runner.cleanup()


def answering(body, status=200, kind="application/json"):
    async def handler(_):
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type=kind)

    return handler


async def failure(call):
    with pytest.raises(OpenWorkError) as caught:
        await call
    return caught.value


async def test_a_healthy_engine_of_our_line():
    async with client_of(answering({"healthy": True, "version": "1.18.40", "new": 1})) as client:
        assert (await client.health()).version == "1.18.40"


@pytest.mark.parametrize(
    "handler",
    [
        answering({"healthy": True, "version": "2.1.3"}),
        answering("<html></html>", kind="text/html"),
        answering({"ok": True}),
        answering([]),
        answering("{", kind="application/json"),
    ],
)
async def test_what_is_not_opencode_1_18_is_refused_as_such(handler):
    async with client_of(handler) as client:
        assert (await failure(client.health())).code == "engine_unsupported"


async def test_nothing_there_and_no_answer_are_unreachable():
    async with EngineClient(f"http://127.0.0.1:{free_port()}", headers={}) as client:
        assert (await failure(client.health())).code == "engine_unreachable"

    async def silent(_):
        await asyncio.Event().wait()

    async with client_of(silent) as client:
        assert (await failure(client.health(timeout_s=0.05))).code == "engine_unreachable"


async def test_a_bad_file_is_named():
    body = {"name": "ConfigInvalidError", "data": {"path": "/w/opencode.json", "message": "bad"}}
    async with client_of(answering(body, 400)) as client:
        error = await failure(client.sessions())
    assert error.message == "/w/opencode.json: bad"
    assert error.hint is not None


async def test_our_servers_errors_keep_their_code():
    async with client_of(
        answering({"code": "forbidden", "message": "no", "hint": "x"}, 403)
    ) as client:
        error = await failure(client.abort("s"))
    assert (error.code, error.message, error.hint) == ("forbidden", "no", "x")


async def test_the_folder_is_sent_encoded_with_every_request():
    seen = []

    async def handler(request):
        seen.append(request.headers)
        return web.json_response([])

    async with client_of(handler, directory="/a b/ü") as client:
        await client.sessions()
    assert seen[0]["x-opencode-directory"] == "/a%20b/%C3%BC"
    assert seen[0]["X"] == "1"


def test_outside_async_with_is_a_mistake():
    with pytest.raises(RuntimeError, match="async with"):
        _ = EngineClient("http://x", headers={}).http


def stream_of(*connections):
    """A handler that plays one list of raw pieces a connection, then breaks it."""
    left = list(connections)

    async def handler(request):
        pieces = left.pop(0) if left else []
        if isinstance(pieces, int):
            return web.Response(status=pieces)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        request.transport.abort()
        return response

    return handler


def event(kind, **properties):
    return f"data: {json.dumps({'type': kind, 'properties': properties})}\n\n".encode()


async def test_an_interrupted_stream_is_opened_again_and_says_so(monkeypatch):
    monkeypatch.setattr(events_module, "FIRST_BACKOFF_S", 0.001)
    hello = event("server.connected")
    handler = stream_of(
        [hello, event("a"), event("cut")[:-3]], 500, [], [b"data: nonsense\n\n", hello, event("b")]
    )
    seen = []
    connected = asyncio.Event()
    async with (
        client_of(handler) as client,
        aclosing(events(client, connected=connected)) as stream,
    ):
        async with asyncio.timeout(20):
            async for each in stream:
                seen.append(each)
                if each.type == "b":
                    break
    assert connected.is_set()
    assert [each.type for each in seen] == [
        "server.connected", "a", RECONNECTED.type, "server.connected", "b",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_stream_refused_for_good_is_an_error(status):
    async with client_of(stream_of(status)) as client:
        with pytest.raises(OpenWorkError) as caught:
            async for _ in events(client):
                pass
    assert caught.value.status == status
