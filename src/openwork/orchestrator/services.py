"""The services of a host: engine, server and, in a demo, the scripted model provider."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openwork.common import log
from openwork.common import process as child_process
from openwork.common.errors import OpenWorkError
from openwork.common.settings import words
from openwork.engine.outside import outside_environment
from openwork.orchestrator.server_api import Access, ServerApi
from openwork.orchestrator.settings import TABLE

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from openwork.common.process import Child
    from openwork.engine.process import Engine
    from openwork.orchestrator.credentials import Credentials
    from openwork.orchestrator.settings import HostSettings

READY_TIMEOUT_S = 20.0
PROBE_PAUSE_S = 0.02
# A server that stops ends the changes that are under way first.
GRACE_S = 15.0
QUIET_LEVELS = ("warning", "error")
ALLOWED_HOSTS = "OPENWORK_ALLOWED_HOSTS"
LOG_REQUESTS = "OPENWORK_LOG_REQUESTS"
# The folder as the engine sees it: a host's engine and server see the same one.
OPENCODE_DIRECTORY = "OPENWORK_OPENCODE_DIRECTORY"
# As the command line prints an error (`openwork.cli.run_command`).
ERROR_MARK = "Error: "
NEXT_MARK = "  Next: "


class EngineService:
    """The engine as a supervised service."""

    name = "engine"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def child(self) -> Child | None:
        """Its process."""
        return self.engine.child

    async def start(self) -> None:
        """See :meth:`openwork.engine.process.Engine.start`."""
        await self.engine.start()

    async def stop(self) -> None:
        """End it."""
        await self.engine.stop()


class ModuleService:
    """A service of ours: a module run by this Python, on a socket bound here.

    The socket stays open between two runs of the service, so that nobody takes the port and clients
    wait in its queue meanwhile.

    Args:
        name: For messages.
        module: ``python -m``.
        listener: Its listening socket; this object owns it.
        arguments: Its options; the last takes the socket's descriptor as its value.
        env: Its own variables, secrets included, beside the inherited ones.
        log_component: What its lines are called in the log.
    """

    def __init__(
        self,
        name: str,
        module: str,
        listener: socket.socket,
        *,
        arguments: Sequence[str],
        env: Mapping[str, str],
        log_component: str,
    ) -> None:
        self.name = name
        self.child: Child | None = None
        self._module = module
        self._listener = listener
        self._arguments = arguments
        self._env = env
        self._component = log_component
        address = listener.getsockname()
        host = "127.0.0.1" if address[0] in {"0.0.0.0", "::"} else address[0]  # noqa: S104
        self.port: int = address[1]
        self.base_url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until ``GET /health`` answers.

        Raises:
            OpenWorkError: ``service_failed`` or ``service_timeout``, with its last lines.
        """
        descriptor = self._listener.fileno()
        self.child = await child_process.start(
            self.name,
            [sys.executable, "-m", self._module, *self._arguments, str(descriptor)],
            env={**outside_environment(os.environ), **self._env},
            on_line=self._log_line,
            pass_fds=(descriptor,),
            grace_s=GRACE_S,
        )
        try:
            await self._wait_ready(self.child)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it. Does nothing when it does not run."""
        if self.child is not None:
            await self.child.stop(GRACE_S)

    def close(self) -> None:
        """Give the port back."""
        self._listener.close()

    async def _wait_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with ServerApi(self.base_url, Access()) as api:
            while time.monotonic() < deadline:
                if not child.running:
                    status = await child.wait()  # until all it said is read
                    raise told_error(child.tail) or self._failed(child, f"ended (exit {status})")
                try:
                    await api.health()
                except OpenWorkError:
                    await asyncio.sleep(PROBE_PAUSE_S)
                else:
                    return
        raise self._failed(child, f"did not answer {self.base_url}/health in time")

    def _failed(self, child: Child, what: str) -> OpenWorkError:
        lines = "\n".join(log.scrub(line) for line in child.tail[-8:]) or "(it printed nothing)"
        return OpenWorkError(
            "service_failed",
            f"{self.name} {what}:\n{lines}",
            hint="Find the cause with: openwork doctor",
        )

    def _log_line(self, line: str, stream: str, pid: int) -> None:
        log.relay(line, component=self._component, stream=stream, pid=pid)


def told_error(lines: Sequence[str]) -> OpenWorkError | None:
    """The error that a program of ours told as it ended: ``Error: …`` and ``  Next: …``."""
    starts = [number for number, line in enumerate(lines) if line.startswith(ERROR_MARK)]
    if not starts:
        return None
    message, mark, hint = "\n".join(lines[starts[-1] :]).partition(f"\n{NEXT_MARK}")
    return OpenWorkError(
        "service_failed",
        log.scrub(message.removeprefix(ERROR_MARK)),
        hint=log.scrub(hint) if mark else "Find the cause with: openwork doctor",
    )


def server_folder(data_dir: Path) -> Path:
    """Where a host's server keeps its settings, issued tokens and audit log."""
    return data_dir / "openwork-server"


def server_environment(
    settings: HostSettings,
    credentials: Credentials,
    engine: Engine,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """What the server is told; secrets go by the environment, never by the command line.

    The server's own settings are not known here: every variable of ours in ``environ`` reaches it
    but those that the host reads or settles itself.

    Args:
        settings: What the host was told.
        credentials: Its tokens.
        engine: The engine behind the server.
        environ: The host's environment.
    """
    folder = server_folder(settings.data_dir)
    return _passed_on(environ) | {
        "OPENWORK_TOKEN": credentials.collaborator,
        "OPENWORK_HOST_TOKEN": credentials.host,
        "OPENWORK_HOST": settings.openwork_host,
        "OPENWORK_SERVER_CONFIG": str(folder / "server.json"),
        "OPENWORK_TOKEN_STORE": str(folder / "tokens.json"),
        "OPENWORK_DATA_DIR": str(folder),
        "OPENWORK_WORKSPACES": json.dumps([str(settings.workspace)]),
        "OPENWORK_APPROVAL_MODE": settings.approval_mode,
        "OPENWORK_APPROVAL_TIMEOUT_MS": str(settings.approval_timeout_ms),
        "OPENWORK_READONLY": "true" if settings.read_only else "false",
        "OPENWORK_CORS_ORIGINS": json.dumps(list(settings.cors)),
        ALLOWED_HOSTS: _allowed_hosts(settings, environ.get(ALLOWED_HOSTS, "")),
        "OPENWORK_OPENCODE_BASE_URL": engine.base_url,
        "OPENWORK_OPENCODE_USERNAME": engine.username,
        "OPENWORK_OPENCODE_PASSWORD": engine.password,
        "OPENWORK_LOG_FORMAT": "json",
        "OPENWORK_LOG_LEVEL": settings.log_level,
        LOG_REQUESTS: environ.get(LOG_REQUESTS) or _logs_requests(settings),
        "OPENWORK_RUN_ID": settings.run_id,
    }


def _passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ours that are left to the server."""
    not_passed = {OPENCODE_DIRECTORY, *(name for setting in TABLE for name in setting.env)}
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("OPENWORK_") and name not in not_passed
    }


def _allowed_hosts(settings: HostSettings, given: str) -> str:
    """The names that people put into links to this host, and those that were given."""
    try:
        given_names = words(given)
    except ValueError:
        return given  # the server says what is wrong with it
    names = (*given_names, settings.connect_host, urlsplit(settings.connect_url).hostname)
    return json.dumps([name for name in names if name])


def _logs_requests(settings: HostSettings) -> str:
    """A 401 or 404 is a warning in the request log: to the person who reads along, an alarm."""
    return "false" if settings.log_level in QUIET_LEVELS else "true"


def demo_environment(settings: HostSettings, api_key: str) -> dict[str, str]:
    """What the scripted provider is told."""
    return {"OPENWORK_DEMO_API_KEY": api_key, "OPENWORK_RUN_ID": settings.run_id}
