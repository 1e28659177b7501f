"""The engine behind the server: streams, departures, a dead engine, the engine's own client."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest

from openwork.common import process
from openwork.common.guard import descendants
from openwork.demo.layout import lay_out
from openwork.engine.events import events
from tests.engine_cache import cached_engine
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, PROVIDER_KEY, running_stack
from tests.until import until

PAUSE_S = 0.05


@pytest.fixture(scope="module")
async def stack(tmp_path_factory):
    async with running_stack(tmp_path_factory.mktemp("engine")) as stack:
        lay_out(stack.server.folder)
        yield stack


@asynccontextmanager
async def slow(stack):
    """Answers at a pace at which somebody can leave in the middle."""
    stack.provider.words_per_second = 50
    try:
        yield
    finally:
        stack.provider.words_per_second = 0


def upstream_connections(stack):
    port = stack.engine.port
    found = 0
    for pid in [stack.server.child.pid, *descendants(stack.server.child.pid)]:
        for each in psutil.Process(pid).net_connections(kind="tcp"):
            found += bool(each.raddr and each.raddr.port == port)
    return found


async def test_a_task_streams_word_by_word_to_a_collaborator(stack):
    async with stack.server.engine_client(CLIENT_TOKEN) as client, slow(stack):
        session = await client.create_session()
        deltas = 0
        async with asyncio.timeout(40):
            async for event in events(client):
                if event.type == "server.connected":
                    await client.prompt(session.id, "Write 30 words")
                deltas += event.type == "message.part.delta"
                if event.type == "session.idle":
                    break
        assert deltas > 10
        assert len((await client.messages(session.id))[-1].text.split()) >= 30


async def test_a_client_that_leaves_ends_its_stream_at_the_engine(stack):
    before = upstream_connections(stack)
    headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        url = f"{stack.server.base}/w/{stack.server.workspace}/opencode/event"
        streams = await asyncio.gather(*(http.get(url, headers=headers) for _ in range(200)))
        await asyncio.gather(*(each.content.readany() for each in streams))
        assert upstream_connections(stack) >= 200
        for each in streams:
            each.close()
    await until(lambda: upstream_connections(stack) <= before + 2, pause_s=PAUSE_S)


async def test_a_client_that_leaves_its_message_is_seen_by_the_engine(stack):
    async with stack.server.engine_client(CLIENT_TOKEN) as client, slow(stack):
        session = await client.create_session()
        before = upstream_connections(stack)
        body = {"parts": [{"type": "text", "text": "Write 2000 words"}]}
        seen = len(stack.provider.requests)
        task = asyncio.create_task(
            stack.server.call(
                "POST", f"/opencode/session/{session.id}/message", token=CLIENT_TOKEN, json=body
            )
        )
        await until(
            lambda: any(
                each.scenario == "long" and each.words_sent > 0
                for each in list(stack.provider.requests)[seen:]
            ),
            pause_s=PAUSE_S,
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: upstream_connections(stack) <= before, pause_s=PAUSE_S)
        await client.abort(session.id)
        await until(
            lambda: all(each.outcome != "running" for each in stack.provider.requests),
            pause_s=PAUSE_S,
        )


def run_environment(tmp_path, token):
    keep = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    home = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME",
                                             "XDG_STATE_HOME", "XDG_CACHE_HOME")}  # fmt: skip
    off = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    quiet = {f"OPENCODE_DISABLE_{feature}": "1" for feature in off}
    return {**keep, **home, **quiet, "OPENCODE_SERVER_PASSWORD": token}


@pytest.mark.parametrize(
    ("scope", "answered"), [("owner", True), ("collaborator", True), ("viewer", False)]
)
async def test_the_engines_own_command_works_through_the_server(stack, tmp_path, scope, answered):
    server = stack.server
    token = await server.token(scope)
    command = [str(cached_engine()), "run"]
    title = f"Asked by {scope}"
    command += ["--title", title, "--attach", f"{server.base}/w/{server.workspace}/opencode"]
    if scope == "owner":
        command += ["--dir", str(server.folder)]
    lines: list[str] = []
    child = await process.start(
        "opencode run", [*command, "What does net 30 mean?"], cwd=server.folder,
        env=run_environment(tmp_path, token), on_line=lambda line, *_: lines.append(line),
    )  # fmt: skip
    try:
        async with asyncio.timeout(45):
            status = await child.wait()
    finally:
        await child.stop()
    said = "\n".join(lines)
    async with server.engine_client(token) as client:
        texts = [
            message.text
            for session in await client.sessions()
            if session.title == title
            for message in await client.messages(session.id)
        ]
    # What the command prints depends on its event stream being quicker than the answer to its
    # prompt (see EVENTS_LEAD_S): on a busy machine it may print nothing. The session tells.
    assert any("30 days after the invoice" in text for text in texts) is answered, said
    assert (status == 0) is answered, said
    assert answered or "Error" in said
    assert token not in said


async def test_no_secret_shows_while_a_task_runs(stack):
    async with stack.server.engine_client(CLIENT_TOKEN) as client:
        session = await client.create_session()
        await stack.server.call(
            "POST", f"/opencode/session/{session.id}/message", token=CLIENT_TOKEN,
            json={"parts": [{"type": "text", "text": "net 30"}]},
        )  # fmt: skip
    server, engine = stack.server, stack.engine
    assert engine.child is not None
    pids = [server.child.pid, *descendants(server.child.pid)]
    pids += [engine.child.pid, *descendants(engine.child.pid)]
    shown = "\n".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids)
    stored = [server.folder.parent / "state" / name for name in ("tokens.json", "audit")]
    text = "".join(
        each.read_text() for path in stored if path.exists()
        for each in ([path] if path.is_file() else path.iterdir())
    )  # fmt: skip
    for secret in (CLIENT_TOKEN, HOST_TOKEN, PROVIDER_KEY, engine.password):
        assert secret not in shown
        assert secret not in "\n".join(server.lines)
        assert secret not in text
    for path in ("/status", "/workspaces"):
        assert engine.password not in str(await server.call("GET", path, token=CLIENT_TOKEN))


async def test_the_engines_port_admits_nobody_without_its_password(stack):
    for headers in ({}, {"Authorization": f"Bearer {CLIENT_TOKEN}"}):
        for path in ("/session", "/config", "/event", "/pty", "/doc"):
            async with stack.server.http.get(
                stack.engine.base_url + path, headers=headers
            ) as response:
                assert response.status == 401, path


async def test_a_killed_engine_is_one_clear_error_and_works_again_once_started(stack):
    engine, server = stack.engine, stack.server
    assert engine.child is not None
    async with server.http.get(
        server.base + "/opencode/event", headers={"Authorization": f"Bearer {CLIENT_TOKEN}"}
    ) as stream:
        await stream.content.readany()
        (pid, *_) = descendants(engine.child.pid)
        os.kill(pid, signal.SIGKILL)
        assert await engine.wait() == 128 + signal.SIGKILL
        with pytest.raises(aiohttp.ClientError):
            await stream.read()
    for method, path in (("GET", "/session"), ("POST", "/session"), ("GET", "/config")):
        status, body = await server.call(
            method, "/opencode" + path, token=CLIENT_TOKEN, json=None if method == "GET" else {}
        )
        assert (status, body["code"]) == (502, "opencode_unreachable")
        assert body["hint"]
    await engine.start()
    async with server.engine_client(CLIENT_TOKEN) as client:
        assert (await client.create_session()).directory == str(server.folder)
