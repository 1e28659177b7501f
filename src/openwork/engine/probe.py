"""Ask an engine binary for its version, bounded and guarded."""

from __future__ import annotations

import asyncio
import re
import tempfile
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.common import process as child_process
from openwork.common.errors import OpenWorkError
from openwork.engine.outside import outside_environment
from openwork.engine.pin import ENGINE_VERSION, SUPPORTED_MAJOR_MINOR, is_supported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The engine itself needs about a second; a wrapper on a cold disk may need many.
PROBE_TIMEOUT_S = 30.0
_VERSION_LINE = re.compile(r"v?(\d+\.\d+\.\d+\S*)")
_HOME_VARIABLES = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


async def engine_version(binary: Path, environ: Mapping[str, str], *, own_home: bool) -> str:
    """What ``binary --version`` prints, when OpenWork speaks to that version.

    Args:
        binary: The program; a wrapper script is fine.
        environ: Our environment; OpenWork's own variables are not handed down.
        own_home: Give it an empty home, since the engine creates folders there even for this. Not
            for the user's own program, whose wrapper may need theirs.

    Raises:
        OpenWorkError: ``engine_unusable`` when it cannot run, hangs, or prints no version;
            ``engine_unsupported`` when it is not 1.18.x.
    """
    env = outside_environment(environ)
    with tempfile.TemporaryDirectory(prefix="openwork-probe-") as home:
        if own_home:
            env |= dict.fromkeys(_HOME_VARIABLES, home)
        status, out, tail = await _run(binary, env)
    matches = [match[1] for line in out if (match := _VERSION_LINE.fullmatch(line.strip()))]
    if status != 0 or not matches:
        said = log.scrub(" / ".join(tail[-3:])) or "nothing"
        raise _unusable(binary, f"--version ended with {status} and printed {said}")
    if not is_supported(matches[-1]):
        raise _unsupported(binary, matches[-1])
    return matches[-1]


async def _run(binary: Path, env: Mapping[str, str]) -> tuple[int, list[str], list[str]]:
    out: list[str] = []

    def keep(line: str, stream: str, _: int) -> None:
        if stream == "stdout":
            out.append(line)

    child = await child_process.start(
        "engine --version", [str(binary), "--version"], env=env, on_line=keep
    )
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await child.wait(), out, child.tail
    except TimeoutError as error:
        reason = f"--version did not end within {PROBE_TIMEOUT_S:.0f} s"
        raise _unusable(binary, reason) from error
    finally:
        await child.stop()


def _unusable(binary: Path, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "engine_unusable",
        f"{binary} cannot be used as engine: {reason}.",
        hint=f"Run it by hand to see more: {binary} --version",
    )


def _unsupported(binary: Path, version: str) -> OpenWorkError:
    """The error for an engine whose routes OpenWork does not know."""
    major, minor = SUPPORTED_MAJOR_MINOR
    return OpenWorkError(
        "engine_unsupported",
        f"{binary} is OpenCode {version}; OpenWork speaks to {major}.{minor}.x.",
        hint=f"Install OpenCode {ENGINE_VERSION}, or let OpenWork install its own: leave out "
        "--opencode-bin and --opencode-source.",
        details={"path": str(binary), "version": version, "supported": f"{major}.{minor}"},
    )
