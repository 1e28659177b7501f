"""``openwork start`` as people run it, and the two ways to its engine."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.processes import running, script, tree
from benchmarks.servers import Target, clean_environment
from openwork.common.headers import basic_auth
from tests.engine_cache import cache_dir, cached_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# The engine must not look for news on the network while it is timed; --demo sets the same.
OFFLINE = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
}


@dataclass(frozen=True)
class RunningHost:
    """A host that is ready.

    Attributes:
        ready_ms: From its start.
        direct: Its engine, asked directly.
        proxied: Its engine through the server; the processes are all of OpenWork's own.
    """

    ready_ms: float
    direct: Target
    proxied: Target


@contextlib.contextmanager
def host(base: Path, arguments: Sequence[str]) -> Iterator[RunningHost]:
    """``openwork start`` with everything it writes below ``base``, while the block runs."""
    env = clean_environment() | OFFLINE
    env = {key: value for key, value in env.items() if not key.startswith("XDG_")}
    env |= {"OPENWORK_DATA_DIR": str(base / "data"), "OPENWORK_PORT": "0"}
    env |= {"HOME": str(base), "TMPDIR": str(base)}
    command = [script("openwork"), "start", "--json", "--sidecar-dir", str(cache_dir()), *arguments]
    started = time.perf_counter()
    with running(command, env, cwd=base, read_output=True) as process:
        lines: list[bytes] = []
        for line in process.stdout or ():
            lines.append(line)
            if line == b"}\n":  # the payload's end
                break
        else:
            process.wait()
            raise RuntimeError("it ended before it was ready")
        ready_ms = (time.perf_counter() - started) * 1000
        direct, proxied = _targets(process.pid, json.loads(b"".join(lines)))
        yield RunningHost(ready_ms, direct, proxied)


def _targets(pid: int, payload: dict[str, Any]) -> tuple[Target, Target]:
    binary = str(cached_engine().resolve())
    all_processes = tree(pid)
    engines = tuple(each for each in all_processes if each.exe() == binary)
    ours = tuple(each for each in all_processes if each not in engines)
    engine, server = payload["opencode"], payload["openwork"]
    direct = Target(
        "the engine directly",
        engines,
        engine["port"],
        headers={"Authorization": basic_auth(engine["username"], engine["password"])},
    )
    proxied = Target(
        "openwork start",
        ours,
        server["port"],
        f"/w/{payload['workspaceId']}/opencode",
        {"Authorization": f"Bearer {server['collaboratorToken']}"},
    )
    return direct, proxied
