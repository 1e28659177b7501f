"""A server killed in the middle of its work: every file is whole, and the next start is clean."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal

import aiohttp
import psutil
from aiohttp import web

from openwork.server.serve import STOP_GRACE_S
from openwork.workspace.artifacts import item_id
from tests.stack import CLIENT_TOKEN, running_server
from tests.until import until

KILLS = 3
LINES = 10_000


def content(number: int) -> bytes:
    return b"%06d\n" % number * LINES


def is_whole(data: bytes) -> bool:
    return data == data[:7] * LINES


async def hammer(server, session: str, begin: int) -> None:
    """Write batches and uploads until the server is gone."""
    for number in range(begin, begin + 100_000):
        data = content(number)
        writes = [
            {"path": path, "contentBase64": base64.b64encode(data).decode()}
            for path in ("a.txt", "b.txt", f"made/{number}.txt")
        ]
        form = aiohttp.FormData()
        form.add_field("file", data, filename="up.txt")
        await asyncio.gather(
            server.call("POST", f"/files/sessions/{session}/write-batch", token=CLIENT_TOKEN,
                        json={"writes": writes}),
            server.call("POST", f"/workspace/{server.workspace}/inbox", token=CLIENT_TOKEN,
                        data=form),
        )  # fmt: skip


async def test_killed_at_random_every_file_is_whole_and_nothing_else_is_listed(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    rng = random.Random(11)  # noqa: S311  # a repeatable test
    for kill in range(KILLS):
        async with running_server(folder, state) as server:
            _, body = await server.call(
                "POST", f"/workspace/{server.workspace}/files/sessions", token=CLIENT_TOKEN, json={}
            )
            session = body["session"]["id"]
            path = f"/files/sessions/{session}/catalog/snapshot?includeIgnored=true"
            _, listed = await server.call("GET", path, token=CLIENT_TOKEN)
            _, inbox = await server.call(
                "GET", f"/workspace/{server.workspace}/inbox", token=CLIENT_TOKEN
            )
            assert not [each for each in listed["items"] if "openwork-" in each["path"]]
            assert [each["path"] for each in inbox["items"]] == ["up.txt"][: kill and 1]
            for item in listed["items"]:
                if item["kind"] == "file":
                    assert is_whole((folder / item["path"]).read_bytes()), item
            if kill:
                _, body = await server.call(
                    "GET", f"/workspace/{server.workspace}/inbox/{item_id('up.txt')}",
                    token=CLIENT_TOKEN,
                )  # fmt: skip
                assert body
            # No spooled upload is left: they never had a name.
            assert {each.name for each in state.iterdir()} <= {"audit", "tokens.json"}
            working = asyncio.create_task(hammer(server, session, kill * 1000))
            (process,) = psutil.Process(server.child.pid).children()
            second = folder / f"made/{kill * 1000 + 1}.txt"
            await until(lambda second=second, w=working: w.done() or second.exists())
            for _ in range(rng.randrange(1_000)):
                await asyncio.sleep(0)
            os.kill(process.pid, signal.SIGKILL)
            (result,) = await asyncio.gather(working, return_exceptions=True)
            assert isinstance(result, aiohttp.ClientError)


async def test_what_a_kill_left_long_ago_is_gone_after_the_next_start(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    state.mkdir()
    left = [folder / each / ".openwork-0123456789abcdef.tmp"
            for each in ("", ".opencode/openwork/inbox", ".opencode/skills/a")]  # fmt: skip
    for place in left:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        os.utime(place, (1, 1))
    async with running_server(folder, state, arguments=("--read-only",)):
        assert all(place.exists() for place in left)
    async with running_server(folder, state):
        assert not any(place.exists() for place in left)


async def test_told_to_stop_in_the_middle_of_a_change_it_ends_it_first(tmp_path):
    """The engine stands for a disk that takes long: it answers when the test lets it."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def dispose(_):
        begun.set()
        await may_end.wait()
        return web.json_response(data=True)

    app = web.Application()
    app.router.add_post("/instance/dispose", dispose)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with running_server(folder, state, engine_url=url) as server:
        path = f"/workspace/{server.workspace}/engine/reload"
        changing = asyncio.create_task(server.call("POST", path, token=CLIENT_TOKEN))
        await begun.wait()
        (process,) = psutil.Process(server.child.pid).children()
        process.send_signal(signal.SIGTERM)
        # Longer than the server waits for requests that change nothing.
        done, _ = await asyncio.wait({changing}, timeout=STOP_GRACE_S + 1)
        assert not done
        may_end.set()
        status, body = await changing
        assert (status, body["ok"]) == (200, True)
        assert await server.child.wait() == 128 + signal.SIGTERM, server.lines
    await runner.cleanup()
    (entry,) = (state / "audit" / f"{server.workspace}.jsonl").read_text().splitlines()
    assert json.loads(entry)["outcome"] == "done"
