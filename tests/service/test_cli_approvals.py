"""``openwork approvals list --follow`` as a user runs it, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.browser.relay import running_relay
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server

WAIT_S = 30.0


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("approvals")
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    env = {"OPENWORK_APPROVAL_MODE": "manual"}
    async with running_server(folder, state, env=env) as server:
        yield server


class Follower:
    """The command, as it runs."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        async with asyncio.timeout(WAIT_S):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def error(self):
        async with asyncio.timeout(WAIT_S):
            return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def ended(self):
        """Its exit status, and what it still said on both ways."""
        async with asyncio.timeout(WAIT_S):
            output, errors = await self.process.communicate()
        return self.process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def following(url, *arguments, host_token=HOST_TOKEN):
    env = {key: each for key, each in os.environ.items() if not key.startswith("OPENWORK_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "openwork", "approvals", "list", "--follow", *arguments,
        "--openwork-url", url, env=env | {"OPENWORK_HOST_TOKEN": host_token},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Follower(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def asked(server, model):
    """A change that waits for the host."""
    path = f"/workspace/{server.workspace}/config"
    body = {"opencode": {"model": model}}
    return asyncio.create_task(server.call("PATCH", path, token=CLIENT_TOKEN, json=body))


async def answer(server, request_id, reply):
    path = f"/approvals/{request_id}"
    assert (await server.call("POST", path, host=True, json={"reply": reply}))[0] == 200


async def test_what_comes_and_how_it_ends_is_shown_until_ctrl_c(server):
    async with following(server.base) as follower:
        assert await follower.line() == "Nothing waits."
        change = asked(server, "a/one")
        request_id, action, waiting = (await follower.line()).split("  ")
        assert (action, waiting) == ("config.patch", "waiting 0 s")
        assert await follower.line() == "  Change configuration: model"
        while "opencode.json" not in await follower.line():
            pass
        how = f"  Answer: openwork approvals reply {request_id} --allow   (or --deny)"
        assert await follower.line() == how
        await answer(server, request_id, "deny")
        assert (await change)[0] == 403
        told_id, _, outcome = (await follower.line()).split("  ")
        assert told_id == request_id
        assert outcome.startswith("denied, after ")
        follower.process.send_signal(signal.SIGINT)
        assert await follower.ended() == (130, "", "")


async def test_each_is_a_line_of_json_across_a_lost_connection(server):
    port = urlsplit(server.base).port
    async with running_relay(port) as relay:
        before = asked(server, "a/before")
        async with following(relay.base, "--json") as follower:
            first = json.loads(await follower.line())
            assert (first["event"], first["item"]["action"]) == ("added", "config.patch")
            relay.cut()
            assert (await follower.error()).startswith("The connection is lost; trying again: ")
            await relay.tried_while_down.wait()
            await answer(server, first["item"]["id"], "allow")
            assert (await before)[0] == 200
            meanwhile = asked(server, "a/meanwhile")
            relay.mend()
            assert await follower.error() == "Connected again."
            gone, second = json.loads(await follower.line()), json.loads(await follower.line())
            assert gone == {"event": "resolved", "id": first["item"]["id"],
                            "workspaceId": server.workspace, "outcome": "unknown"}  # fmt: skip
            assert second["event"] == "added"
            await answer(server, second["item"]["id"], "allow")
            assert (await meanwhile)[0] == 200
            assert json.loads(await follower.line())["outcome"] == "allowed"
            follower.process.send_signal(signal.SIGTERM)
            assert await follower.ended() == (128 + signal.SIGTERM, "", "")


async def test_a_first_connection_that_fails_is_an_error(server):
    async with following("http://127.0.0.1:9") as follower:
        status, output, errors = await follower.ended()
        assert (status, output) == (1, "")
        assert errors.startswith("Error: No answer from http://127.0.0.1:9/approvals/stream")
    async with following(server.base, host_token="wrong") as follower:
        status, output, errors = await follower.ended()
        assert (status, output) == (1, "")
        assert "host token" in errors
