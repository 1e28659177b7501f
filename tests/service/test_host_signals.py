"""Stop signals at any moment: nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.running_host import (
    COMMAND,
    WAIT_S,
    below,
    command_line,
    home_of,
    openwork,
    start,
    still_there,
    wait_until,
)


def some_child(host):
    return host.descendants()


def an_engine(host):
    return [each for each in host.descendants() if "opencode serve" in command_line(each)]


def the_demo_folder(host):
    from pathlib import Path

    return list(Path(host.env["TMPDIR"]).glob("openwork-demo-*"))


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, the_demo_folder),
        (signal.SIGHUP, some_child),
        (signal.SIGINT, an_engine),
    ],
    ids=["SIGTERM-first", "SIGHUP-child", "SIGINT-engine"],
)
def test_a_signal_during_the_start_leaves_nothing(tmp_path, number, moment):
    host = start(home_of(tmp_path), tmp_path / "host.log", "--demo")
    wait_until(lambda: moment(host), moment.__name__)
    assert host.end(number) == 0
    assert host.rest == b""
    assert "Traceback" not in host.stderr
    assert the_demo_folder(host) == []
    assert list((tmp_path / "data").glob("run/*")) == []


def test_a_ready_host_ends_in_order_with_its_terminal(tmp_path):
    """With Ctrl+C: the next test. With SIGTERM: ``test_host_demo``."""
    host = start(home_of(tmp_path), tmp_path / "host.log", "--demo")
    host.wait_ready()
    assert host.end(signal.SIGHUP) == 0
    assert below(host.process.pid) == []
    assert host.rest.strip() == b""
    assert the_demo_folder(host) == []


def test_a_host_that_nobody_reads_runs_on_and_ends_in_order(tmp_path):
    """As after ``openwork start 2>&1 | head -1``."""
    env = home_of(tmp_path)
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "start", "--demo", "--verbose"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as host:
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        wait_until(lambda: list((tmp_path / "data" / "run").glob("*.json")), "it is ready")
        told = json.loads(openwork(env, "status", "--json").stdout)
        assert told["ok"] is True
        started = below(host.pid)
        assert len(started) >= 3
        host.send_signal(signal.SIGINT)
        assert host.wait(WAIT_S) == 0
    assert still_there(started) == []
    assert list((tmp_path / "tmp").glob("openwork-demo-*")) == []


def test_a_host_without_standard_output_starts_and_ends(tmp_path):
    env = home_of(tmp_path)
    command = ["/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh", *COMMAND, "start", "--demo"]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL) as host:
        wait_until(lambda: list((tmp_path / "data" / "run").glob("*.json")), "it is ready")
        host.send_signal(signal.SIGTERM)
        assert host.wait(WAIT_S) == 0
