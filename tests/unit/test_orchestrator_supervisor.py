"""When a service ends: started again with a growing pause, given up when it never stays."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from openwork.common import process
from openwork.common.errors import OpenWorkError
from openwork.orchestrator import supervisor
from openwork.orchestrator.supervisor import (
    CALM_AFTER_S,
    LONGEST_PAUSE_S,
    MOST_RESTARTS,
    Backoff,
    Supervisor,
)


class PythonService:
    """A child that runs a line of Python; up once it has printed ``up``."""

    name = "sample"

    def __init__(self, code: str) -> None:
        self.code = code
        self.child: process.Child | None = None
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        up = asyncio.Event()
        self.child = await process.start(
            self.name,
            [sys.executable, "-c", self.code],
            env=dict(os.environ),
            on_line=lambda line, _stream, _pid: up.set() if line == "up" else None,
        )
        ended = asyncio.create_task(self.child.wait())
        announced = asyncio.create_task(up.wait())
        await asyncio.wait({ended, announced}, return_when=asyncio.FIRST_COMPLETED)
        announced.cancel()
        if up.is_set():
            ended.cancel()
            await asyncio.gather(ended, announced, return_exceptions=True)
            return
        await asyncio.gather(announced, return_exceptions=True)
        raise OpenWorkError("service_failed", f"it ended with {await ended}")

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop()


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.0)


def kill(child):
    child.process.kill()


def nothing():
    return


def after(ends, *, ran_for_s=0.0):
    backoff = Backoff()
    for now in range(ends):
        backoff = backoff.after_end(float(now), ran_for_s=ran_for_s)
    return backoff


def test_the_pause_doubles_up_to_a_limit():
    pauses = [after(ends).pause_s for ends in range(1, 5)]
    assert pauses == [0.25, 0.5, 1.0, 2.0]
    assert after(40).pause_s == LONGEST_PAUSE_S


def test_it_gives_up_after_too_many_ends_in_a_row():
    assert not after(MOST_RESTARTS).exhausted
    assert after(MOST_RESTARTS + 1).exhausted


def test_a_calm_run_makes_the_next_end_the_first_again():
    calm = after(MOST_RESTARTS).after_end(100.0, ran_for_s=CALM_AFTER_S)
    assert (calm.exhausted, calm.pause_s) == (False, 0.25)
    restless = after(MOST_RESTARTS).after_end(100.0, ran_for_s=CALM_AFTER_S - 1)
    assert restless.exhausted


async def test_a_service_that_ends_is_started_again(no_pause):
    service = PythonService("import time; print('up', flush=True); time.sleep(600)")
    states: list[str] = []
    again = asyncio.Event()

    def states_changed() -> None:
        states.append(watched.state)

    told: list[str] = []

    async def tell() -> None:
        told.append(watched.state)
        again.set()

    watched = Supervisor(service, on_change=states_changed, on_restart=tell)
    await watched.start()
    assert told == []
    watcher = asyncio.create_task(watched.watch())
    first = service.child
    kill(first)
    async with asyncio.timeout(20):
        await again.wait()
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    await watched.stop()
    assert states == ["healthy", "restarting", "healthy", "stopped"]
    assert (watched.restarts, told) == (1, ["healthy"])
    assert service.child is not first
    assert service.child is not None
    assert not service.child.running


async def test_a_crash_loop_ends_with_its_last_lines(no_pause):
    service = PythonService(
        "import sys; print('up', flush=True); print('token=hunter22', file=sys.stderr);"
        "sys.exit('cannot open the ledger')"
    )
    watched = Supervisor(service, on_change=nothing)
    await watched.start()
    async with asyncio.timeout(20):
        with pytest.raises(OpenWorkError) as caught:
            await watched.watch()
    error = caught.value
    assert error.code == "crash_loop"
    assert "sample does not stay up (it ended with exit status 1)" in error.message
    assert "cannot open the ledger" in error.message
    assert "hunter22" not in error.message
    assert error.hint == "Find the cause with: openwork doctor"
    assert service.starts == MOST_RESTARTS + 1
    assert watched.state == "failed"


async def test_failing_restarts_count_too(no_pause):
    service = PythonService("import time; print('up', flush=True); time.sleep(600)")
    watched = Supervisor(service, on_change=nothing)
    await watched.start()
    service.code = "import no_such_module"
    kill(service.child)
    async with asyncio.timeout(20):
        with pytest.raises(OpenWorkError, match="No module named 'no_such_module'"):
            await watched.watch()
    assert service.starts == MOST_RESTARTS + 1


async def test_a_first_start_that_fails_is_the_callers():
    watched = Supervisor(PythonService("import no_such_module"), on_change=nothing)
    with pytest.raises(OpenWorkError, match="it ended with 1"):
        await watched.start()
