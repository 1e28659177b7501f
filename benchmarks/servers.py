"""The servers under measurement, each as a :class:`Target` that can be asked."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.load import Load, LoadResult, run_load
from benchmarks.processes import cpu_s, get, running, script, tree, wait_until_ok
from openwork.common.headers import basic_auth
from openwork.common.ids import workspace_id
from openwork.common.net import free_port
from openwork.engine.home import ENGINE_USERNAME, EngineHome
from tests.engine_cache import cached_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import psutil

TOKEN = "benchmark-client-token"
HOST_TOKEN = "benchmark-host-token"
ENGINE_PASSWORD = "benchmark-engine-password"
HEALTH_PATH = "/global/health"
# Granian refuses more requests at once than this; open event streams count.
GRANIAN_BACKPRESSURE = 4096


@dataclass(frozen=True)
class Target:
    """A server that answers the engine's paths.

    Attributes:
        name: For the table.
        processes: That make it up.
        port: On 127.0.0.1.
        prefix: Before the engine's path.
        headers: Sent with every request.
    """

    name: str
    processes: tuple[psutil.Process, ...]
    port: int
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, path: str) -> bytes:
        """The bytes of ``GET path``."""
        return get(self.port, self.prefix + path, self.headers)

    def load(self, connections: int, seconds: float) -> tuple[LoadResult, float]:
        """Ask for the engine's health: what came back, and its CPU time a request in µs."""
        before = cpu_s(self.processes)
        request = self.request(HEALTH_PATH).decode()
        result = run_load(Load(self.port, request, connections, seconds))
        return result, (cpu_s(self.processes) - before) / result.requests * 1e6


def clean_environment() -> dict[str, str]:
    """Ours, without what would change how OpenWork behaves."""
    return {key: value for key, value in os.environ.items() if not key.startswith("OPENWORK_")}


def engine_environment(base: Path) -> dict[str, str]:
    """A fresh, isolated engine's environment, its state below ``base``."""
    home = EngineHome(base / "engine-home", isolated=True)
    home.prepare()
    return home.environment(clean_environment(), password=ENGINE_PASSWORD, run_id="benchmark")


@contextlib.contextmanager
def engine(base: Path) -> Iterator[Target]:
    """The engine's binary alone, answering."""
    folder = base / "workspace"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(cached_engine()), "serve", "--hostname", "127.0.0.1", "--port", str(port)]
    headers = {"Authorization": basic_auth(ENGINE_USERNAME, ENGINE_PASSWORD)}
    with running(command, engine_environment(base), cwd=folder) as process:
        wait_until_ok(process, port, HEALTH_PATH, headers)
        yield Target("the engine directly", tuple(tree(process.pid)), port, headers=headers)


@contextlib.contextmanager
def standin() -> Iterator[Target]:
    """The stand-in for the engine."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.standin", str(port)]
    with running(command, clean_environment()) as process:
        wait_until_ok(process, port, HEALTH_PATH, {})
        yield Target("the stand-in directly", tuple(tree(process.pid)), port)


@contextlib.contextmanager
def bare_server(*, under: Sequence[str] = ()) -> Iterator[Target]:
    """The bare ASGI application on uvicorn, run ``under`` another program if one is given."""
    port = free_port()
    command = [*under, sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--lifespan", "off"]
    with running(command, clean_environment()) as process:
        wait_until_ok(process, port, HEALTH_PATH, {})
        yield Target("a bare uvicorn application", tuple(tree(process.pid)), port)


def server_environment(base: Path, upstream_port: int) -> dict[str, str]:
    """What ``openwork-server`` is told: one workspace, its engine at ``upstream_port``."""
    folder, state = base / "workspace", base / "server-state"
    folder.mkdir(parents=True, exist_ok=True)
    state.mkdir(exist_ok=True)
    return clean_environment() | {
        "OPENWORK_TOKEN": TOKEN,
        "OPENWORK_HOST_TOKEN": HOST_TOKEN,
        "OPENWORK_SERVER_CONFIG": str(state / "server.json"),
        "OPENWORK_TOKEN_STORE": str(state / "tokens.json"),
        "OPENWORK_DATA_DIR": str(state),
        "OPENWORK_WORKSPACES": json.dumps([str(folder)]),
        "OPENWORK_OPENCODE_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "OPENWORK_OPENCODE_USERNAME": ENGINE_USERNAME,
        "OPENWORK_OPENCODE_PASSWORD": ENGINE_PASSWORD,
    }


@contextlib.contextmanager
def openwork_server(
    base: Path, upstream_port: int, *, under: Sequence[str] = ()
) -> Iterator[Target]:
    """``openwork-server`` as installed, in front of ``upstream_port``; ``under`` as above."""
    port = free_port()
    command = [*under, sys.executable, script("openwork-server"), "--port", str(port)]
    with _proxy("openwork-server", command, port, base, upstream_port) as target:
        yield target


@contextlib.contextmanager
def granian_server(base: Path, upstream_port: int) -> Iterator[Target]:
    """The same application on granian, one worker."""
    port = free_port()
    command = [script("granian"), "--interface", "asgi", "--factory", "--port", str(port)]
    command += ["--loop", "uvloop", "--no-access-log", "--http", "1", "--backlog", "2048"]
    command += ["--backpressure", str(GRANIAN_BACKPRESSURE), "benchmarks.served:make_app"]
    with _proxy("the same on granian", command, port, base, upstream_port) as target:
        yield target


@contextlib.contextmanager
def _proxy(
    name: str, command: Sequence[str], port: int, base: Path, upstream_port: int
) -> Iterator[Target]:
    env = server_environment(base, upstream_port)
    prefix = f"/w/{workspace_id(base / 'workspace')}/opencode"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with running(command, env) as process:
        wait_until_ok(process, port, prefix + HEALTH_PATH, headers)
        yield Target(name, tuple(tree(process.pid)), port, prefix, headers)
