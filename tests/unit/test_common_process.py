"""Child processes that end with us, and take with them what they started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from openwork.common import process
from tests.until import until

ENV = {"PATH": os.environ["PATH"]}
# A child that ignores SIGTERM where told, and leaves a detached grandchild behind.
FAMILY = """
import subprocess, sys, signal, time
if 'stubborn' in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],
    start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(grandchild.pid, flush=True)
if 'leave' not in sys.argv: time.sleep(600)
"""
# A parent that starts the family and waits to be killed.
PARENT = """
import asyncio, os, sys
from openwork.common import process
async def main():
    child = await process.start('c', [sys.executable, '-c', sys.argv[1]], env=dict(os.environ),
        on_line=lambda line, *_: print(child.pid, line, flush=True))
    await child.wait()
asyncio.run(main())
"""


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def family(*words, grace_s=5.0):
    lines: list[str] = []
    child = await process.start(
        "family",
        [sys.executable, "-c", FAMILY, *words],
        env=ENV,
        grace_s=grace_s,
        on_line=lambda line, *_: lines.append(line),
    )
    await until(lambda: lines, pause_s=0.01)
    return child, int(lines[0])


@pytest.mark.parametrize("words", [(), ("stubborn",)])
async def test_stopping_a_child_ends_its_detached_grandchildren_too(words):
    child, grandchild = await family(*words, grace_s=0.2 if words else 5.0)
    assert child.running
    status = await child.stop()
    assert status == 128 + (signal.SIGKILL if words else signal.SIGTERM)
    await until(lambda: gone(grandchild), pause_s=0.01)
    assert await child.stop() == status


async def test_what_a_child_leaves_behind_ends_with_it():
    child, grandchild = await family("leave")
    assert await child.wait() == 0
    await until(lambda: gone(grandchild), pause_s=0.01)


async def test_when_we_are_killed_everything_below_ends():
    source = Path(process.__file__).parents[2]
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, FAMILY, stdout=asyncio.subprocess.PIPE,
        env={**ENV, "PYTHONPATH": str(source)},
    )  # fmt: skip
    assert parent.stdout is not None
    async with asyncio.timeout(20):
        guard, grandchild = map(int, (await parent.stdout.readline()).split())
    parent.kill()
    await parent.wait()
    await until(lambda: gone(guard) and gone(grandchild), pause_s=0.01)


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7),
     ("import os; os.kill(os.getpid(), 9)", 137), ("import os; os.kill(os.getpid(), 15)", 143)],
)  # fmt: skip
async def test_the_exit_status_is_the_childs(code, status):
    child = await process.start("c", [sys.executable, "-c", code], env=ENV)
    assert await child.wait() == status


async def test_a_missing_program_is_127_with_its_name():
    child = await process.start("c", ["/no/such/program"], env=ENV)
    assert await child.wait() == 127
    assert "/no/such/program" in child.tail[-1]


async def test_a_descriptor_is_handed_on_and_no_other():
    read_end, write_end = os.pipe()
    code = (
        f"import os; os.write({write_end}, b'x'); "
        "print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    )
    child = await process.start("c", [sys.executable, "-c", code], env=ENV, pass_fds=(write_end,))
    try:
        assert await child.wait() == 0
        assert os.read(read_end, 1) == b"x"
        seen = set(eval(child.tail[0]))  # noqa: S307  # a list of numbers from our own child
        assert read_end not in seen
        assert {0, 1, 2, write_end} <= seen
        assert len(seen) <= 5  # and the folder being listed
    finally:
        os.close(read_end)
        os.close(write_end)


async def test_the_environment_is_exactly_what_is_given(monkeypatch):
    monkeypatch.setenv("OPENWORK_TOKEN", "canary")
    code = "import os; print('canary' in str(os.environ), os.environ.get('GIVEN'))"
    child = await process.start("c", [sys.executable, "-c", code], env={**ENV, "GIVEN": "1"})
    await child.wait()
    assert child.tail == ["False 1"]


async def test_lines_are_told_apart_kept_in_part_and_endless_ones_dropped():
    told: list[tuple[str, str]] = []
    code = (
        "import sys; print('x' * (3 << 20)); print('after')\n"
        "for n in range(100): print(n, file=sys.stderr)"
    )
    child = await process.start(
        "c", [sys.executable, "-c", code], env=ENV,
        on_line=lambda line, stream, _: told.append((stream, line)),
    )  # fmt: skip
    assert await child.wait() == 0
    assert ("stdout", "after") in told
    assert [line for stream, line in told if stream == "stderr"] == [str(n) for n in range(100)]
    assert len(child.tail) == process.Child.TAIL_LINES
    assert max(len(line) for _, line in told) < 3 << 20


async def test_a_tree_that_is_not_ours_can_be_ended():
    child, grandchild = await family()
    process.end_tree(child.pid)
    await until(lambda: gone(grandchild), pause_s=0.01)
    assert await child.wait() == -signal.SIGKILL
    process.end_tree(child.pid)
