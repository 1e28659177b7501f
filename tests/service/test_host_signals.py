"""Stop signals at any moment: nothing is left behind."""

from __future__ import annotations

import signal

import pytest

from tests.running_host import below, command_line, home_of, start, wait_until


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_ready_host_ends_in_order(tmp_path, number):
    host = start(home_of(tmp_path), tmp_path / "host.log", "--demo")
    host.wait_ready()
    assert host.end(number) == 0
    assert below(host.process.pid) == []
    assert host.rest.strip() == b""
    assert the_demo_folder(host) == []
