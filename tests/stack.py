"""A running OpenWork for tests: the real engine, the scripted provider, the real server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from openwork.common import process
from openwork.common.ids import workspace_id
from openwork.common.net import listen
from openwork.demo.config import engine_config
from openwork.demo.provider import ScriptedProvider
from openwork.engine.client import EngineClient
from openwork.engine.home import EngineHome
from openwork.engine.process import Engine, EngineOptions
from tests import documented
from tests.engine_cache import cached_engine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

CLIENT_TOKEN = "client-token-for-tests"
HOST_TOKEN = "host-token-for-tests"
PROVIDER_KEY = "provider-key-for-tests"
WAIT_S = 30.0


@dataclass
class RunningServer:
    """An ``openwork-server`` process.

    Attributes:
        base: ``http://127.0.0.1:PORT``.
        folder: Its workspace.
        child: The process.
        http: A client session for tests.
    """

    base: str
    folder: Path
    child: process.Child
    http: aiohttp.ClientSession
    lines: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> str:
        """The workspace's id."""
        return workspace_id(self.folder)

    async def token(self, scope: str) -> str:
        """A fresh token of ``scope``."""
        status, body = await self.call("POST", "/tokens", host=True, json={"scope": scope})
        assert status == 201, body
        return body["token"]

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        host: bool = False,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any]:
        """One request: status, and the JSON body or the text when it is none.

        Fails when the OpenAPI document tells of no such answer.
        """
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if host:
            sent["X-OpenWork-Host-Token"] = HOST_TOKEN
        async with self.http.request(method, self.base + path, headers=sent, **options) as response:
            if response.content_type == "text/event-stream":
                return response.status, ""  # it has no end
            text = await response.text()
            try:
                body = json.loads(text)
            except ValueError:
                body = text
            documented.check(method, path, response.status, body)
            return response.status, body

    def engine_client(self, token: str, *, mounted: bool = True) -> EngineClient:
        """A client of the engine through this server's proxy."""
        mount = f"/w/{self.workspace}" if mounted else ""
        return EngineClient(
            f"{self.base}{mount}/opencode", headers={"Authorization": f"Bearer {token}"}
        )


@dataclass
class Stack:
    """Everything at once."""

    engine: Engine
    provider: ScriptedProvider
    server: RunningServer


@asynccontextmanager
async def running_server(
    folder: Path,
    state: Path,
    *,
    engine: Engine | None = None,
    engine_url: str | None = None,
    env: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
) -> AsyncGenerator[RunningServer]:
    """An ``openwork-server`` on a free port, its state under ``state``; ended with the block."""
    listener = listen("127.0.0.1", 0)
    variables = {
        **{key: value for key, value in os.environ.items() if not key.startswith("OPENWORK_")},
        "OPENWORK_TOKEN": CLIENT_TOKEN,
        "OPENWORK_HOST_TOKEN": HOST_TOKEN,
        "OPENWORK_SERVER_CONFIG": str(state / "server.json"),
        "OPENWORK_TOKEN_STORE": str(state / "tokens.json"),
        "OPENWORK_DATA_DIR": str(state),
        "OPENCODE_ROUTER_CONFIG_PATH": str(state / "opencode-router.json"),
        "OPENWORK_APPROVAL_MODE": "auto",
        "OPENWORK_FAILED_AUTH_PER_MINUTE": "0",
        "OPENWORK_WORKSPACES": json.dumps([str(folder)]),
    }
    if engine is not None:
        variables["OPENWORK_OPENCODE_BASE_URL"] = engine.base_url
        variables["OPENWORK_OPENCODE_USERNAME"] = engine.username
        variables["OPENWORK_OPENCODE_PASSWORD"] = engine.password
    elif engine_url is not None:
        variables["OPENWORK_OPENCODE_BASE_URL"] = engine_url
    variables |= env or {}
    lines: list[str] = []
    command = [sys.executable, "-m", "openwork.cli.server", "--listen-fd", str(listener.fileno())]
    child = await process.start(
        "openwork-server",
        [*command, *arguments],
        env=variables,
        on_line=lambda line, _stream, _pid: lines.append(line),
        pass_fds=(listener.fileno(),),
    )
    port = listener.getsockname()[1]
    listener.close()
    try:
        async with aiohttp.ClientSession() as http:
            server = RunningServer(f"http://127.0.0.1:{port}", folder, child, http, lines)
            async with asyncio.timeout(WAIT_S):
                status, body = await server.call("GET", "/health")
            assert status == 200, (body, lines)
            yield server
    finally:
        await child.stop()


@asynccontextmanager
async def running_engine(folder: Path, state: Path, provider_url: str) -> AsyncGenerator[Engine]:
    """A real engine on ``folder`` with the scripted provider; ended with the block."""
    engine = Engine(
        EngineOptions(
            binary=cached_engine(),
            home=EngineHome(state / "engine-data", isolated=True),
            cwd=folder,
            run_id="test-run",
            config_content=engine_config(provider_url, PROVIDER_KEY),
        )
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@asynccontextmanager
async def running_stack(
    base: Path, *, words_per_second: float = 0, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Stack]:
    """Provider, engine and server on an empty workspace below ``base``."""
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    async with (
        ScriptedProvider(words_per_second=words_per_second, api_key=PROVIDER_KEY) as provider,
        running_engine(folder, state, provider.base_url) as engine,
        running_server(folder, state, engine=engine, env=env) as server,
    ):
        yield Stack(engine, provider, server)
