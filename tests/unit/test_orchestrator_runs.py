"""Running hosts on record: found again, and swept after a crash; never a stranger's process."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import psutil
import pytest

from openwork.common.errors import OpenWorkError
from openwork.orchestrator import runs
from openwork.orchestrator.runs import ChildRecord, HostRun

RUN_ID = "run-of-the-test"
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper():
    """Starts processes that carry a run's id; what is left of them is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(run_id=RUN_ID):
        child = subprocess.Popen(SLEEP, env={**os.environ, "OPENWORK_RUN_ID": run_id})
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()


@pytest.fixture
def ended_pid():
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return child.pid


def a_run(pid, started_at, *children, run_id=RUN_ID, workspace="/reports"):
    return HostRun(
        run_id=run_id,
        pid=pid,
        started_at=started_at,
        workspace=workspace,
        workspace_id="ws_1",
        url="http://127.0.0.1:1",
        connect_url="http://127.0.0.1:1",
        token="client",
        owner_token="owner",
        host_token="host",
        children=children,
    )


def recorded(child, *, start=None):
    return ChildRecord("engine", child.pid, start or runs.started_at(child.pid))


def own_run(**more):
    return a_run(os.getpid(), runs.started_at(os.getpid()), **more)


def test_a_run_reads_back_as_written_and_is_private(tmp_path):
    run = a_run(1, 2.5, ChildRecord("engine", 3, 4.5))
    runs.write_run(tmp_path / "run", run)
    assert runs.read_runs(tmp_path / "run") == [run]
    file = tmp_path / "run" / f"{RUN_ID}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_only_a_living_host_of_the_workspace_is_found(tmp_path, ended_pid):
    assert runs.find_run(tmp_path) is None
    runs.write_run(tmp_path, a_run(ended_pid, 1.0, run_id="ended"))
    assert runs.find_run(tmp_path) is None
    runs.write_run(tmp_path, own_run(workspace=str(tmp_path)))
    for found in (runs.find_run(tmp_path), runs.find_run(tmp_path, tmp_path)):
        assert found is not None
        assert found.run_id == RUN_ID
    assert runs.find_run(tmp_path, tmp_path / "other") is None


def test_a_later_process_with_a_hosts_pid_is_not_that_host():
    start = runs.started_at(os.getpid())
    assert runs.is_same_process(os.getpid(), start)
    assert not runs.is_same_process(os.getpid(), start - 60)
    assert not runs.is_same_process(os.getpid(), 0)


def test_the_sweep_ends_what_a_dead_host_left(tmp_path, sleeper, ended_pid):
    child = sleeper()
    runs.write_run(tmp_path, a_run(ended_pid, 1.0, recorded(child)))
    assert runs.sweep(tmp_path) == [f"engine (pid {child.pid})"]
    assert child.wait(20) < 0
    assert list(tmp_path.iterdir()) == []


def test_the_sweep_leaves_strangers_alone(tmp_path, sleeper, ended_pid):
    other_start = sleeper()
    unmarked = sleeper(run_id="another-run")
    children = (
        recorded(other_start, start=runs.started_at(other_start.pid) - 60),
        recorded(unmarked),
        ChildRecord("engine", ended_pid, 1.0),
    )
    runs.write_run(tmp_path, a_run(ended_pid, 1.0, *children))
    assert runs.sweep(tmp_path) == []
    assert other_start.poll() is None
    assert unmarked.poll() is None
    assert list(tmp_path.iterdir()) == []


def test_the_sweep_leaves_living_hosts_alone(tmp_path, sleeper):
    child = sleeper()
    run = a_run(os.getpid(), runs.started_at(os.getpid()), recorded(child))
    runs.write_run(tmp_path, run)
    assert runs.sweep(tmp_path) == []
    assert psutil.pid_exists(child.pid)
    assert runs.read_runs(tmp_path) == [run]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps({"runId": "a", "pid": "many"}),
        json.dumps({"runId": "a", "children": 3}),
        json.dumps({"runId": "a", "children": ["engine"]}),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(tmp_path, content):
    damaged = tmp_path / "a.json"
    damaged.write_text(content)
    for read in (runs.read_runs, runs.find_run, runs.sweep):
        with pytest.raises(OpenWorkError) as caught:
            read(tmp_path)
        assert caught.value.code == "file_damaged"
        assert str(damaged) in caught.value.message
    assert damaged.read_text() == content
