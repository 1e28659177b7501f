"""Run one engine: start it, know when it is ready, stop it with everything it started."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openwork.common import log
from openwork.common import process as child_process
from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.common.ids import new_password
from openwork.common.net import free_port, is_loopback
from openwork.engine.home import ENGINE_USERNAME, EngineHome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openwork.common.process import Child
    from openwork.engine.client import EngineClient
    from openwork.engine.models import Health

READY_TIMEOUT_S = 45.0
PROBE_PAUSE_S = 0.025
_LEVEL = re.compile(r"\blevel=(\w+)")
_LEVELS = {"WARN": logging.INFO, "ERROR": logging.INFO}
# With no network the engine tells these at every start and every hour, and goes on with the list of
# models it was built with, and without its types for tools written in TypeScript.
_OFFLINE_MESSAGES = ("Failed to fetch models.dev", "background dependency install failed")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineOptions:
    """How to run an engine.

    Attributes:
        binary: The program.
        home: Where it keeps its state.
        cwd: Its working folder (the workspace).
        host: Loopback only: everybody else goes through the server.
        port: 0 picks a free one.
        log_level: DEBUG, INFO, WARN, ERROR, or None for the engine's default.
        config_content: Extra engine configuration that wins over every file.
        run_id: Marks what is ours.
    """

    binary: Path
    home: EngineHome
    cwd: Path
    run_id: str
    host: str = "127.0.0.1"
    port: int = 0
    log_level: str | None = None
    config_content: Mapping[str, Any] | None = None


class Engine:
    """One engine process with a fixed address and password; it can be started again."""

    def __init__(self, options: EngineOptions) -> None:
        """Choose address and password; nothing runs yet.

        Raises:
            OpenWorkError: ``engine_host`` when ``options.host`` is not loopback.
        """
        if not is_loopback(options.host):
            raise OpenWorkError(
                "engine_host",
                f"The engine must stay on loopback, not {options.host}.",
                hint="Use --openwork-host or --remote-access to reach the server from elsewhere.",
            )
        self.options = options
        self.username = ENGINE_USERNAME
        self.password = new_password()
        log.hide(self.password)
        self.port = options.port or free_port(options.host)
        self.base_url = f"http://{options.host}:{self.port}"
        self.version = ""
        self.child: Child | None = None

    @property
    def auth_headers(self) -> dict[str, str]:
        """Basic auth for this engine."""
        return {"Authorization": basic_auth(self.username, self.password)}

    def client(self, directory: str | None = None) -> EngineClient:
        """A client of this engine for one workspace folder; open it with ``async with``."""
        # Loading the HTTP client takes a quarter of a second: the engine starts meanwhile.
        from openwork.engine.client import EngineClient  # noqa: PLC0415

        return EngineClient(
            self.base_url,
            headers=self.auth_headers,
            directory=directory or str(self.options.cwd),
        )

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            OpenWorkError: ``engine_failed`` when it ends instead, with its last lines;
                ``engine_timeout`` when it does not answer in time; ``engine_unsupported``;
                ``engine_port_taken`` when another program answers at its port.
        """
        options = self.options
        options.home.prepare()
        command = [str(options.binary), "serve", "--hostname", options.host]
        command += ["--port", str(self.port), "--print-logs"]
        if options.log_level:
            command += ["--log-level", options.log_level]
        self.child = await child_process.start(
            "engine",
            command,
            env=options.home.environment(
                os.environ,
                password=self.password,
                run_id=options.run_id,
                config_content=options.config_content,
            ),
            cwd=options.cwd,
            on_line=_log_line,
        )
        try:
            await self._wait_ready(self.child)
        except BaseException:
            await self.stop()
            raise

    async def _wait_ready(self, child: Child) -> None:
        """Probe until one answers and tells the version, not waiting for the probe before.

        The engine accepts connections before it can answer, and never answers some of those.
        """
        self.version = ""
        deadline = time.monotonic() + READY_TIMEOUT_S
        last = "nothing answered"
        probes: set[asyncio.Task[Health]] = set()
        async with self.client() as client:
            try:
                while time.monotonic() < deadline:
                    if not child.running:
                        raise self._ended(child)
                    probes.add(asyncio.create_task(client.health()))
                    done, probes = await asyncio.wait(probes, timeout=PROBE_PAUSE_S)
                    probes |= done  # so that each is read, whatever the first ones say
                    for probe in done:
                        last = self._take(probe) or last
                    probes -= done
                    if self.version:
                        return
                    await asyncio.sleep(PROBE_PAUSE_S)
            finally:
                for probe in probes:
                    probe.cancel()
                await asyncio.gather(*probes, return_exceptions=True)
        raise OpenWorkError(
            "engine_timeout",
            f"The engine did not answer {self.base_url}/global/health within "
            f"{READY_TIMEOUT_S:.0f} s: {last}",
            hint="Look at its log with --verbose, or run: openwork doctor",
        )

    def _take(self, probe: asyncio.Task[Health]) -> str:
        """Note the version that a finished probe brought, or return why it brought none."""
        try:
            self.version = probe.result().version
        except OpenWorkError as error:
            if error.code == "engine_unsupported":
                raise
            if error.code == "opencode_request_failed":  # it knows no password of ours, or no route
                raise OpenWorkError(
                    "engine_port_taken",
                    f"Another program answers at {self.base_url}.",
                    hint="Choose another port with --opencode-port, or leave it out.",
                ) from error
            return error.message
        return ""

    def _ended(self, child: Child) -> OpenWorkError:
        tail = "\n".join(log.scrub(line) for line in child.tail[-8:]) or "(it printed nothing)"
        return OpenWorkError(
            "engine_failed",
            f"The engine ended before it was ready (exit {child.process.returncode}):\n{tail}",
            hint=f"Run it by hand to see more: {self.options.binary} serve",
        )

    async def wait(self) -> int:
        """Its exit status, once it ends.

        Raises:
            RuntimeError: It was never started.
        """
        if self.child is None:
            raise RuntimeError("the engine was not started")
        return await self.child.wait()

    async def stop(self) -> None:
        """End it and everything it started. Does nothing when it does not run."""
        if self.child is not None:
            await self.child.stop()


def line_level(line: str) -> int:
    """The level at which a line of the engine's log is told: its own, lowered by one or two.

    The engine tells every file it loads at INFO, and calls an ERROR what it gets over (a list it
    cannot fetch, an attempt it makes again). What matters to a task comes as an event, and when the
    engine ends, its last lines are in our error.
    """
    if any(message in line for message in _OFFLINE_MESSAGES):
        return logging.DEBUG
    found = _LEVEL.search(line)
    return _LEVELS.get(found.group(1), logging.DEBUG) if found else logging.DEBUG


def _log_line(line: str, stream: str, pid: int) -> None:
    log.relay(line, component="opencode", stream=stream, pid=pid, level=line_level(line))
