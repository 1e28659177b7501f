"""A tiny parent for one child process, so that nothing the child starts outlives us.

Run as ``python -I -S guard.py LIFELINE_FD GRACE_MS PASS_FDS -- COMMAND …`` by
:mod:`openwork.common.process`; it imports the standard library only and starts in about 10 ms.

The guard ends the child and everything below it when

* the lifeline closes: the process that holds its other end is gone, for whatever reason, SIGKILL
  included;
* the guard gets SIGTERM, SIGINT or SIGHUP: SIGTERM to the child, SIGKILL after the grace time;
* the child ends by itself: what it left running is killed.

On Linux the guard is a *subreaper*: processes that detach themselves (own session, own group)
still become its children when their parent dies, and the child is killed with the guard. Elsewhere
the tree is read from ``ps`` before it is killed. The exit status is the child's (128 + signal).
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_ROUNDS = 50
KILL_PAUSE_S = 0.02


def prctl(option: int, value: int) -> None:
    """Linux ``prctl(2)``; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _table() -> list[tuple[int, int]]:
    """Every process as (pid, parent pid)."""
    if os.path.isdir("/proc/self"):  # noqa: PTH112  # pathlib doubles the start-up time
        rows: list[tuple[int, int]] = []
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                        fields = stat.read().rpartition(b")")[2].split()
                except OSError:
                    continue
                if fields[0] != b"Z":
                    rows.append((int(name), int(fields[1])))
        return rows
    import subprocess  # noqa: PLC0415

    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, check=False)
    pairs = (line.split() for line in listing.stdout.splitlines())
    return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2]


def descendants(root: int) -> list[int]:
    """All living processes below ``root``, parents before children."""
    children: dict[int, list[int]] = {}
    for pid, parent in _table():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = list(children.get(root, []))
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def kill_below(root: int) -> None:
    """SIGKILL everything below ``root`` until nothing is left, reaping what becomes ours."""
    for _ in range(KILL_ROUNDS):
        below = descendants(root)
        for pid in below:
            _kill(pid, signal.SIGKILL)
        _reap()
        if not below:
            return
        time.sleep(KILL_PAUSE_S)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # gone, or somebody else's (sudo)
        return


def _reap() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _start(command: list[str], lifeline: int, pass_fds: list[int]) -> int:
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(lifeline)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(127)
        for descriptor in pass_fds:
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # positional only
        os.setpgid(0, 0)
        os.execvp(command[0], command)  # noqa: S606  # a list, no shell
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _signal_child_group(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except (ProcessLookupError, PermissionError):
        _kill(child, number)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor tells."""


def guard(command: list[str], lifeline: int, grace_s: float, pass_fds: list[int]) -> int:
    """Run ``command`` until it ends or must end; its exit status as a shell would give it."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    os.set_blocking(wakeup_read, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(wakeup_write)
    child = _start(command, lifeline, pass_fds)
    selector = selectors.DefaultSelector()
    selector.register(wakeup_read, selectors.EVENT_READ)
    selector.register(lifeline, selectors.EVENT_READ)
    status: int | None = None
    deadline: float | None = None
    while status is None:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = {key.fd for key, _ in selector.select(timeout)}
        stop = False
        if lifeline in ready:
            selector.unregister(lifeline)
            stop = True
        if wakeup_read in ready:
            numbers = os.read(wakeup_read, 4096)
            stop = stop or any(number != signal.SIGCHLD for number in numbers)
        if stop and deadline is None:
            deadline = time.monotonic() + grace_s
            _signal_child_group(child, signal.SIGTERM)
        elif deadline is not None and time.monotonic() >= deadline:
            _signal_child_group(child, signal.SIGKILL)
        status = _collect(child)
    kill_below(os.getpid())
    return status


def _collect(child: int) -> int | None:
    """Reap what ended; the child's exit status once it is among them."""
    status: int | None = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status if status is not None else 127
        if pid == 0:
            return status
        if pid == child:
            code = os.waitstatus_to_exitcode(raw)
            status = code if code >= 0 else 128 - code


def main() -> None:
    """Parse the positional arguments and guard."""
    lifeline, grace_ms, fds, separator = sys.argv[1:5]
    if separator != "--":
        sys.exit("usage: guard.py LIFELINE_FD GRACE_MS PASS_FDS -- COMMAND …")
    pass_fds = [int(part) for part in fds.split(",") if part]
    sys.exit(guard(sys.argv[5:], int(lifeline), int(grace_ms) / 1000, pass_fds))


if __name__ == "__main__":
    main()
