"""Jobs of the opencode-scheduler plugin: files under the user's home, timers of the system.

The plugin writes one JSON file a job, ``~/.config/opencode/scheduler/scopes/SCOPE/jobs/SLUG.json``
(before that ``~/.config/opencode/jobs/SLUG.json``), and has systemd or launchd start it. Here jobs
are listed and deleted, never made.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.secrets import redact
from openwork.workspace.user_config import user_config_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import SafePath

MAX_JOB_BYTES = 1_000_000
STOP_TIMEOUT_S = 10.0
# Slugs and scopes become parts of file and unit names.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_JOB_KEYS = (
    "slug", "name", "schedule", "prompt", "run", "workdir", "scopeId", "source", "createdAt",
    "updatedAt", "lastRunAt", "lastRunExitCode", "lastRunError", "lastRunSource", "lastRunStatus",
)  # fmt: skip
# What reaches the user's service manager; nothing else of our environment is its business.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        file: Where it is kept.
        scope: The folder of its scope, or None for the older layout.
        fields: What the plugin wrote.
    """

    file: SafePath
    scope: str | None
    fields: dict[str, JsonValue]

    @property
    def slug(self) -> str:
        """Its name in files and units."""
        return str(self.fields["slug"])

    @property
    def name(self) -> str:
        """What people see."""
        return str(self.fields["name"])

    @property
    def workdir(self) -> PurePath | None:
        """The folder it runs in."""
        found = self.fields.get("workdir")
        if not isinstance(found, str) or not found.startswith("/") or "\0" in found:
            return None
        return PurePath(os.path.realpath(found))

    @property
    def unit(self) -> str:
        """The stem of its systemd units: ``opencode-job-[SCOPE-]SLUG``."""
        return "-".join(part for part in ("opencode-job", self.scope, self.slug) if part)

    @property
    def label(self) -> str:
        """Its launchd label: ``com.opencode.job.[SCOPE.]SLUG``."""
        return ".".join(part for part in ("com.opencode.job", self.scope, self.slug) if part)

    def to_json(self, *, secrets: bool) -> dict[str, JsonValue]:
        """The plugin's known fields; values that look like secrets only with ``secrets``."""
        known = {key: self.fields[key] for key in _JOB_KEYS if key in self.fields}
        return known if secrets else cast("dict[str, JsonValue]", redact(known))


def list_jobs(workspace: Path, *, home: Path | None = None) -> list[Job]:
    """The jobs of a workspace by name: those that run in it, else those nearest above or below it.

    Args:
        workspace: Its folder, resolved.
        home: Whose jobs; the user's own when None.

    Raises:
        OpenWorkError: ``scheduler_unsupported`` 400 on other systems than Linux and macOS.
    """
    if not sys.platform.startswith(("linux", "darwin")):
        raise OpenWorkError(
            "scheduler_unsupported", "Scheduled jobs are for Linux and macOS.", status=400
        )
    near: dict[int, list[Job]] = {}
    for job in _all_jobs(home):
        distance = _distance(workspace, job.workdir)
        if distance is not None:
            near.setdefault(distance, []).append(job)
    chosen = near[min(near)] if near else []
    return sorted(chosen, key=lambda job: (job.name, job.slug))


def find_job(jobs: list[Job], name: str) -> Job:
    """The job that ``name`` means: its slug, its name, the end of its slug, or a part of its name.

    Raises:
        OpenWorkError: ``job_not_found`` 404; ``job_ambiguous`` 409 when it could be several.
    """
    wanted = name.strip().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", wanted).strip("-")
    tests: tuple[Callable[[Job], bool], ...] = (
        lambda job: job.slug.lower() == wanted,
        lambda job: job.slug.lower() == slug,
        lambda job: job.slug.lower().endswith(f"-{slug}"),
        lambda job: job.name.lower() == wanted,
        lambda job: wanted in job.name.lower(),
    )
    for test in tests if slug else ():
        found = [job for job in jobs if test(job)]
        if len(found) > 1:
            raise OpenWorkError(
                "job_ambiguous",
                f"{len(found)} jobs could be meant by {name!r}.",
                hint="Give the slug: " + ", ".join(job.slug for job in found),
                status=409,
            )
        if found:
            return found[0]
    raise OpenWorkError("job_not_found", f"There is no job {name!r} here.", status=404)


def job_files(job: Job, *, home: Path | None = None) -> list[Path]:
    """The files that deleting ``job`` removes, whether they exist or not."""
    base = home or Path.home()
    if sys.platform == "darwin":
        units = [base / "Library" / "LaunchAgents" / f"{job.label}.plist"]
    else:
        folder = base / ".config" / "systemd" / "user"
        units = [folder / f"{job.unit}.timer", folder / f"{job.unit}.service"]
    return [job.file.absolute, *units]


async def delete_job(job: Job, *, home: Path | None = None) -> None:
    """Stop what starts ``job`` and remove its files. A system without a service manager is fine.

    Raises:
        OpenWorkError: ``file_operation_failed`` 500 and others as ``SafePath.delete``.
    """
    _, *units = job_files(job, home=home)
    if sys.platform == "darwin":
        await _tell(["launchctl", "unload", str(units[0])])
    else:
        names = [unit.name for unit in units]
        await _tell(["systemctl", "--user", "disable", "--now", *names])
    for unit in units:
        try:
            unit.unlink(missing_ok=True)
        except OSError as error:
            raise OpenWorkError(
                "file_operation_failed",
                f"{unit} cannot be removed: {error.strerror or error}.",
                hint="Check its owner and permissions; the job is still listed.",
            ) from error
    job.file.delete()
    if sys.platform != "darwin":
        await _tell(["systemctl", "--user", "daemon-reload"])


async def _tell(command: Sequence[str]) -> None:
    """Run a command of the service manager; what it refuses is logged: there may be nothing on."""
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    quiet = asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=quiet, stdout=quiet, stderr=quiet, env=environment
        )
    except OSError as error:
        logger.info("no service manager: %s: %s", command[0], error)
        return
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            code = await child.wait()
    except TimeoutError:
        child.kill()
        code = await child.wait()
    if code != 0:
        logger.warning("%s ended with %s", " ".join(command), code)


def _all_jobs(home: Path | None) -> Iterator[Job]:
    root = user_config_root(home)
    if root is None:
        return
    for scope in _names(root.top.child("scheduler", "scopes")):
        if _SAFE_NAME.fullmatch(scope.name):
            yield from _jobs_in(scope.child("jobs"), scope.name)
    yield from _jobs_in(root.top.child("jobs"), None)


def _jobs_in(folder: SafePath, scope: str | None) -> Iterator[Job]:
    for file in _names(folder):
        if not file.name.endswith(".json"):
            continue
        try:
            fields = _parse(file.read_bytes(max_bytes=MAX_JOB_BYTES))
        except (OpenWorkError, ValueError, RecursionError) as error:
            logger.warning("%s is left out of the scheduled jobs: %s", file, error)
            continue
        yield Job(file, scope, fields)


def _parse(data: bytes) -> dict[str, JsonValue]:
    value: object = json.loads(data, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("it holds no object")  # noqa: TRY004  # what the caller logs
    fields = cast("dict[str, JsonValue]", value)
    json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate pair fits no answer
    if not all(isinstance(fields.get(key), str) for key in ("slug", "name", "schedule")):
        raise ValueError("slug, name or schedule is missing")
    if not _SAFE_NAME.fullmatch(str(fields["slug"])):
        raise ValueError("its slug is no name")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _names(folder: SafePath) -> list[SafePath]:
    return [entry.path for entry in folder.entries()] if folder.is_dir() else []


def _distance(workspace: Path, workdir: PurePath | None) -> int | None:
    """How many folders lie between the two; None when neither holds the other."""
    if workdir is None:
        return None
    if workdir.is_relative_to(workspace):
        return len(workdir.parts) - len(workspace.parts)
    if workspace.is_relative_to(workdir):
        return len(workspace.parts) - len(workdir.parts)
    return None
