"""What a user can get wrong: one plain error that names the thing, and no process left."""

from __future__ import annotations

import asyncio

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.net import listen
from openwork.engine import process as engine_process
from openwork.orchestrator import supervisor
from openwork.orchestrator.host import Host
from openwork.orchestrator.settings import DEFAULT_SERVER_PORT, load
from tests.engine_cache import cached_engine
from tests.running_host import home_of, openwork


@pytest.fixture
def env(tmp_path):
    return home_of(tmp_path)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def running_children(host):
    """The names of services that run."""
    children = [each.service.child for each in host._supervisors]
    assert children
    return [child.name for child in children if child is not None and child.running]


def refused(env, *arguments):
    done = openwork(env, "start", *arguments)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("Error: ") == 1
    assert "\n  Next: " in done.stderr
    return done.stderr


def test_a_workspace_that_is_a_file(tmp_path, env):
    file = tmp_path / "notes.txt"
    file.write_text("kept")
    assert f"Cannot work in {file}: it is no folder" in refused(env, "--workspace", str(file))
    inside = file / "reports"
    assert f"Cannot work in {inside}: it is no folder" in refused(env, "--workspace", str(inside))
    assert file.read_text() == "kept"


def test_a_data_folder_that_is_a_file(tmp_path, env):
    file = tmp_path / "data.txt"
    file.write_text("kept")
    message = refused(env, "--data-dir", str(file), "--workspace", str(tmp_path / "work"))
    assert f"Cannot use the data folder {file}" in message
    assert "--data-dir" in message


@pytest.mark.parametrize(
    "name", ["credentials.json", "run/earlier.json", "openwork-server/tokens.json"]
)
def test_a_damaged_file_of_ours_is_named_and_left_alone(tmp_path, env, name):
    damaged = tmp_path / "data" / name
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    message = refused(env, "--workspace", str(tmp_path / "work"))
    assert f"Error: {damaged} is damaged" in message
    assert message.count("Next: ") == 1
    assert "openwork-server ended" not in message
    assert damaged.read_text() == "{"


def test_an_engine_that_may_not_be_downloaded(tmp_path, env):
    elsewhere = tmp_path / "sidecars"
    message = refused(
        env,
        "--workspace",
        str(tmp_path / "work"),
        "--opencode-source",
        "bundled",
        "--sidecar-dir",
        str(elsewhere),
    )
    assert "Tried:" in message
    assert str(elsewhere) in message
    assert "not installed" in message


def test_an_engine_of_another_major_version(tmp_path, env):
    other = script(tmp_path / "opencode", "echo 2.1.0")
    options = ["--workspace", str(tmp_path / "work"), "--opencode-bin", str(other)]
    message = refused(env, *options, "--allow-external")
    assert f"{other} is OpenCode 2.1.0; OpenWork speaks to 1.18.x." in message
    done = openwork(env, "start", *options)
    assert (done.returncode, "requires --allow-external" in done.stderr) == (2, True)


def test_an_engine_that_ends_at_once(tmp_path, env):
    answer = "if [ $1 = --version ]; then echo 1.18.33; else echo no disk here >&2; exit 3; fi"
    broken = script(tmp_path / "opencode", answer)
    options = ["--opencode-bin", str(broken), "--allow-external"]
    message = refused(env, "--workspace", str(tmp_path / "work"), *options)
    assert "The engine ended before it was ready (exit 3):" in message
    assert "no disk here" in message
    assert list((tmp_path / "data" / "run").glob("*")) == []


async def test_an_engine_that_never_answers(tmp_path, monkeypatch):
    answer = "if [ $1 = --version ]; then echo 1.18.33; else exec sleep 600; fi"
    silent = script(tmp_path / "opencode", answer)
    monkeypatch.setattr(engine_process, "READY_TIMEOUT_S", 1.5)
    flags = {
        "workspace": str(tmp_path / "work"),
        "data_dir": str(tmp_path / "data"),
        "openwork_port": "0",
        "opencode_bin": str(silent),
        "allow_external": True,
    }
    host = Host(load(flags, {}), lambda _: None)
    with pytest.raises(OpenWorkError) as caught:
        async with host:
            await host.start()
    assert caught.value.code == "engine_timeout"
    assert "The engine did not answer http://127.0.0.1:" in caught.value.message
    assert running_children(host) == []


async def test_an_engine_that_does_not_stay_up_ends_the_host(tmp_path, monkeypatch):
    """It works once; from then on its disk is gone."""
    once = tmp_path / "once"
    script(
        tmp_path / "opencode",
        f'if [ $1 = --version ] || mkdir {once} 2>&-; then exec {cached_engine()} "$@"; fi\n'
        "echo the disk is gone >&2; exit 3",
    )
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.0)
    flags = {
        "workspace": str(tmp_path / "work"),
        "data_dir": str(tmp_path / "data"),
        "openwork_port": "0",
        "opencode_bin": str(tmp_path / "opencode"),
        "allow_external": True,
    }
    async with Host(load(flags, {}), lambda _: None) as host, asyncio.timeout(40):
        ready = await host.start()
        assert ready.engine.child is not None
        ready.engine.child.process.terminate()
        with pytest.raises(OpenWorkError) as caught:
            await host.watch()
    assert caught.value.code == "crash_loop"
    assert "engine does not stay up" in caught.value.message
    assert "the disk is gone" in caught.value.message
    assert running_children(host) == []


def test_the_default_port_gives_way_to_the_next_free_one(tmp_path, env):
    """Only a port that was asked for must be that port."""
    try:
        holder = listen("127.0.0.1", DEFAULT_SERVER_PORT)
    except OpenWorkError:  # somebody holds it already: as good
        holder = None
    try:
        del env["OPENWORK_PORT"]
        env["OPENWORK_LOG_FORMAT"] = "json"
        broken = script(tmp_path / "opencode", "[ $1 = --version ] && echo 1.18.33")
        options = ["--opencode-bin", str(broken), "--allow-external"]
        done = openwork(env, "start", "--workspace", str(tmp_path / "work"), *options)
    finally:
        if holder is not None:
            holder.close()
    assert f"Port {DEFAULT_SERVER_PORT} on 127.0.0.1 is already taken" in done.stderr
    assert "Trying the next one." in done.stderr
    assert "The engine ended before it was ready" in done.stderr
