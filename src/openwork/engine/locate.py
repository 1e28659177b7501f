"""Choose the engine to run, in an order the user can see and override.

``auto`` tries: the program named with ``--opencode-bin``; the verified copy in the sidecar folder;
a download; and, only with ``--allow-external``, ``opencode`` on PATH.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from openwork.common.errors import OpenWorkError, UsageError
from openwork.engine.install import engine_path, install_engine
from openwork.engine.pin import ENGINE_VERSION, EnginePin, pin_for
from openwork.engine.platforms import this_machine
from openwork.engine.probe import engine_version
from openwork.engine.progress import Progress
from openwork.engine.receipt import refresh, verify_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.engine.progress import Report

EngineSource = Literal["auto", "bundled", "downloaded", "external"]
Place = Literal["explicit", "sidecar", "download", "path"]

# Where each source looks, in order, when no program is named. ``path`` needs --allow-external.
POLICY: dict[EngineSource, tuple[Place, ...]] = {
    "auto": ("sidecar", "download", "path"),
    "bundled": ("sidecar",),
    "downloaded": ("sidecar", "download"),
    "external": ("path",),
}


@dataclass(frozen=True)
class EngineRequest:
    """What the user asked for.

    Attributes:
        sidecar_dir: Where engines are installed (``--sidecar-dir``).
        explicit: ``--opencode-bin``: a path, or a name on PATH; None when not given.
        source: ``--opencode-source``.
        allow_external: ``--allow-external``: programs OpenWork did not install may be run.
        environ: Our environment: PATH, and npm's settings.
        pin: What to install; None takes this machine's.
    """

    sidecar_dir: Path
    explicit: Path | None = None
    source: EngineSource = "auto"
    allow_external: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    pin: EnginePin | None = None


@dataclass(frozen=True)
class Candidate:
    """One place that was looked at.

    Attributes:
        place: Which.
        path: The program there, or the folder.
        outcome: ``taken``, or why not.
        error: What failed there; None when there was simply nothing.
    """

    place: Place
    path: str
    outcome: str
    error: OpenWorkError | None = None

    def __str__(self) -> str:
        return f"{self.place} ({self.path}): {self.outcome}"


@dataclass(frozen=True)
class EngineBinary:
    """The engine to run.

    Attributes:
        path: The program.
        source: ``bundled`` (was already installed), ``downloaded`` (just now) or ``external``.
        version: What it reports.
        tried: Every place looked at, the taken one last.
    """

    path: Path
    source: Literal["bundled", "downloaded", "external"]
    version: str
    tried: tuple[Candidate, ...] = ()


def parse_source(text: object) -> EngineSource:
    """An engine source from a flag or variable.

    Raises:
        ValueError: It is none of the four.
    """
    if text not in get_args(EngineSource):
        raise ValueError(f"must be one of {', '.join(get_args(EngineSource))}")
    return cast("EngineSource", text)


def places(request: EngineRequest) -> tuple[Place, ...]:
    """Where to look for ``request``, in order.

    Raises:
        UsageError: The options contradict each other.
    """
    if request.explicit is not None:
        if not request.allow_external:
            raise UsageError(
                "--opencode-bin requires --allow-external: OpenWork cannot verify that program.",
                hint="Add --allow-external, or leave out --opencode-bin.",
            )
        if request.source in ("bundled", "downloaded"):
            raise UsageError(
                f"--opencode-bin contradicts --opencode-source {request.source}.",
                hint="Use --opencode-source external or auto, or leave out --opencode-bin.",
            )
        # Who names a program gets that program or an error, never silently another one.
        return ("explicit",)
    if request.source == "external" and not request.allow_external:
        raise UsageError(
            "--opencode-source external requires --allow-external: OpenWork cannot verify "
            "programs it did not install.",
            hint="Add --allow-external, or use another --opencode-source.",
        )
    return tuple(
        place for place in POLICY[request.source] if place != "path" or request.allow_external
    )


async def locate_engine(request: EngineRequest, report: Report) -> EngineBinary:
    """Find or install the engine.

    Args:
        request: What the user asked for.
        report: Told about a download's progress, damaged copies, and version differences.

    Raises:
        UsageError: The options contradict each other.
        OpenWorkError: No candidate works: the code of the last failure, the list of all that was
            tried, and the next step; ``engine_not_found`` when there was nothing anywhere. A
            download that is not what was expected (``engine_integrity``) ends the search at once.
    """
    tried: list[Candidate] = []
    for place in places(request):
        try:
            found = await _look(place, request, report)
        except OpenWorkError as error:
            candidate = Candidate(place, _where(place, request), error.message, error)
            if error.code == "engine_integrity":
                raise _none_works([*tried, candidate]) from error
            tried.append(candidate)
            continue
        if isinstance(found, Candidate):
            tried.append(found)
            continue
        taken = Candidate(place, str(found.path), "taken")
        return EngineBinary(found.path, found.source, found.version, (*tried, taken))
    raise _none_works(tried)


async def _look(place: Place, request: EngineRequest, report: Report) -> EngineBinary | Candidate:
    """The engine at one place, or the candidate that says there is none."""
    if place == "sidecar":
        return await _sidecar(request)
    if place == "download":
        return await _download(request, report)
    return await _external(place, request, report)


async def _sidecar(request: EngineRequest) -> EngineBinary | Candidate:
    pin = _pin(request)
    binary = engine_path(request.sidecar_dir, pin)
    copy = await asyncio.to_thread(verify_engine, binary, pin)
    if copy.state == "missing":
        return Candidate("sidecar", str(binary), "not installed")
    if copy.receipt is None or copy.state == "damaged":
        raise OpenWorkError(
            "engine_damaged",
            f"The engine {binary} is damaged: {copy.reason}.",
            hint="Let OpenWork download it again: --opencode-source downloaded",
        )
    version = copy.receipt.reported_version
    if version is None:
        # Once: its bytes are verified, so it can only ever say the same again.
        version = await engine_version(binary, request.environ, own_home=True)
        await asyncio.to_thread(refresh, binary, copy.receipt, reported_version=version)
    return EngineBinary(binary, "bundled", version)


async def _download(request: EngineRequest, report: Report) -> EngineBinary | Candidate:
    pin = _pin(request)
    await install_engine(request.sidecar_dir, report, pin=pin, environ=request.environ)
    found = await _sidecar(request)
    if isinstance(found, Candidate):  # somebody removed it between two lines
        return found
    return EngineBinary(found.path, "downloaded", found.version)


async def _external(
    place: Place, request: EngineRequest, report: Report
) -> EngineBinary | Candidate:
    wanted = _where(place, request)
    program = shutil.which(wanted, path=request.environ.get("PATH", os.defpath))
    if program is None:
        if place == "path":
            return Candidate(place, wanted, "not on PATH")
        raise OpenWorkError(
            "engine_not_found",
            f"--opencode-bin {wanted}: there is no such program, or it is not executable.",
            hint="Correct the path, or leave the option out to let OpenWork install the engine.",
        )
    path = _absolute(program)
    version = await engine_version(path, request.environ, own_home=False)
    if version != ENGINE_VERSION:
        text = f"{path} is OpenCode {version}; OpenWork is tested with {ENGINE_VERSION}."
        report(Progress("warning", text))
    return EngineBinary(path, "external", version)


def _pin(request: EngineRequest) -> EnginePin:
    return request.pin or pin_for(this_machine().target)


def _where(place: Place, request: EngineRequest) -> str:
    if place == "explicit" and request.explicit is not None:
        return os.path.expanduser(request.explicit)  # noqa: PTH111  # keeps a bare name bare
    return "opencode" if place == "path" else str(request.sidecar_dir)


def _absolute(program: str) -> Path:
    """Links stay: what a wrapper does may depend on the name it is called by."""
    return Path(program).absolute()


def _none_works(tried: list[Candidate]) -> OpenWorkError:
    """One error for all of them: the last failure's code and next step, and the whole list."""
    failure = next((each.error for each in reversed(tried) if each.error), None)
    details = {
        "tried": [{"place": each.place, "path": each.path, "why": each.outcome} for each in tried]
    }
    if failure is not None and len(tried) == 1:
        return OpenWorkError(
            failure.code,
            failure.message,
            hint=failure.hint,
            details=details | {"cause": failure.details},
        )
    listing = "\n".join(f"  - {each}" for each in tried)
    return OpenWorkError(
        failure.code if failure else "engine_not_found",
        f"No engine can be used. Tried:\n{listing}",
        hint=(failure.hint if failure else None)
        or "Let OpenWork download it (--opencode-source auto), or name one: "
        "--opencode-bin PATH --allow-external",
        details=details | {"cause": failure.details if failure else None},
    )
