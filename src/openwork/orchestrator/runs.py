"""What runs now: one private file a run, so that commands find the host and orphans are swept.

File: ``<data dir>/run/<run id>.json`` (0600): ``{runId, pid, startedAt, workspace, workspaceId,
url, connectUrl, token, ownerToken, hostToken, children [{name, pid, startedAt}]}``. ``startedAt``
is when a process started, by a clock that nobody sets: it tells it from a later one of its id.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from openwork.common.errors import OpenWorkError
from openwork.common.files import read_json_object, write_private_json
from openwork.common.process import end_tree

# Two readings of one process's start differ by rounding only.
SAME_START_S = 0.005

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChildRecord:
    """A process that a host started."""

    name: str
    pid: int
    started_at: float


@dataclass(frozen=True)
class HostRun:
    """A host that runs, or ran.

    Attributes are those of the file.
    """

    run_id: str
    pid: int
    started_at: float
    workspace: str
    workspace_id: str
    url: str
    connect_url: str
    token: str
    owner_token: str
    host_token: str
    children: tuple[ChildRecord, ...] = field(default=())

    @property
    def alive(self) -> bool:
        """Whether the process that wrote it still runs."""
        return is_same_process(self.pid, self.started_at)

    def to_json(self) -> dict[str, Any]:
        """As in the file."""
        return {
            "runId": self.run_id,
            "pid": self.pid,
            "startedAt": self.started_at,
            "workspace": self.workspace,
            "workspaceId": self.workspace_id,
            "url": self.url,
            "connectUrl": self.connect_url,
            "token": self.token,
            "ownerToken": self.owner_token,
            "hostToken": self.host_token,
            "children": [
                {"name": each.name, "pid": each.pid, "startedAt": each.started_at}
                for each in self.children
            ],
        }


def started_at(pid: int) -> float:
    """When a process started, in seconds since the system did; 0 when it is gone.

    On Linux psutil's date moves when the clock is set: a host would look dead to the next one, and
    be swept. The kernel's own figure stays (proc_pid_stat(5), field 22). macOS keeps a fixed date.
    """
    try:
        if sys.platform == "linux":
            # The name, field 2, is in parentheses and may hold anything, a parenthesis too.
            fields = (
                Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            )
            return int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return psutil.Process(pid).create_time()
    except (OSError, psutil.Error):
        return 0.0


def is_same_process(pid: int, start: float) -> bool:
    """Whether ``pid`` is still the process that started then."""
    return start > 0 and abs(started_at(pid) - start) < SAME_START_S


def write_run(run_dir: Path, run: HostRun) -> None:
    """Record a run, or a change of it."""
    write_private_json(run_dir / f"{run.run_id}.json", run.to_json())


def remove_run(run_dir: Path, run_id: str) -> None:
    """Forget a run that has ended in order."""
    (run_dir / f"{run_id}.json").unlink(missing_ok=True)


def read_runs(run_dir: Path) -> list[HostRun]:
    """All recorded runs, newest first.

    Raises:
        OpenWorkError: ``file_damaged`` for a file that cannot be read.
    """
    runs = [run for path in sorted(run_dir.glob("*.json")) if (run := _read(path)) is not None]
    return sorted(runs, key=lambda run: run.started_at, reverse=True)


def find_run(run_dir: Path, workspace: Path | None = None) -> HostRun | None:
    """The newest host that runs, of ``workspace`` when named; None when there is none."""
    for run in read_runs(run_dir):
        if run.alive and (workspace is None or run.workspace == str(workspace)):
            return run
    return None


def sweep(run_dir: Path) -> list[str]:
    """End what earlier hosts left running after a crash; returns what was ended.

    Only processes that those hosts recorded, that started when recorded, and that carry the run's
    id in their environment: never by name, never a stranger's.
    """
    ended: list[str] = []
    for run in read_runs(run_dir):
        if run.alive:
            continue
        for child in run.children:
            if is_same_process(child.pid, child.started_at) and _carries(child.pid, run.run_id):
                logger.warning("ending %s (pid %s) left by an earlier run", child.name, child.pid)
                end_tree(child.pid)
                ended.append(f"{child.name} (pid {child.pid})")
        remove_run(run_dir, run.run_id)
    return ended


def _carries(pid: int, run_id: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).environ().get("OPENWORK_RUN_ID") == run_id
    return False


def _read(path: Path) -> HostRun | None:
    """The run in ``path``; None when its host has just ended."""
    raw = read_json_object(path)
    try:
        return None if raw is None else _parse(raw)
    except (TypeError, ValueError, AttributeError) as error:
        raise OpenWorkError(
            "file_damaged",
            f"{path} is damaged: it records no running host ({error})",
            hint="Move it away. Nothing was changed.",
        ) from error


def _parse(raw: dict[str, Any]) -> HostRun:
    children = tuple(
        ChildRecord(str(each.get("name")), int(each.get("pid", 0)), float(each.get("startedAt", 0)))
        for each in raw.get("children", [])
    )
    return HostRun(
        run_id=str(raw.get("runId", "")),
        pid=int(raw.get("pid", 0)),
        started_at=float(raw.get("startedAt", 0)),
        workspace=str(raw.get("workspace", "")),
        workspace_id=str(raw.get("workspaceId", "")),
        url=str(raw.get("url", "")),
        connect_url=str(raw.get("connectUrl", "")),
        token=str(raw.get("token", "")),
        owner_token=str(raw.get("ownerToken", "")),
        host_token=str(raw.get("hostToken", "")),
        children=children,
    )
