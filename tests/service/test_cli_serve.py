"""``serve`` for a log, ``connect`` for people, ``engine`` for sign-ins."""

from __future__ import annotations

import json
import shlex
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from openwork.engine.pin import ENGINE_VERSION
from tests.running_host import COMMAND, WAIT_S, home_of, openwork, wait_until


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def env(base):
    return home_of(base, OPENWORK_LOG_FORMAT="json")


@pytest.fixture(scope="module")
def folder(base):
    folder = base / "reports"
    folder.mkdir()
    (folder / "opencode.jsonc").write_text('{"disabled_providers": ["opencode"]}')
    return folder


class Served:
    """An ``openwork serve``: its log, once it is ready."""

    def __init__(self, env, folder, log):
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--workspace", str(folder)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def bodies(self):
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line)["body"] for line in whole.splitlines()]

    def find(self, beginning):
        return next((each for each in self.bodies() if each.startswith(beginning)), None)


@pytest.fixture(scope="module")
def served(base, env, folder):
    served = Served(env, folder, base / "serve.log")
    try:
        wait_until(lambda: served.find("ready: "), "it is ready")
        yield served
    finally:
        served.process.send_signal(signal.SIGTERM)
        status = served.process.wait(WAIT_S)
    assert status == 0
    assert "stopping" in served.bodies()


def kept(env):
    return json.loads((Path(env["OPENWORK_DATA_DIR"]) / "credentials.json").read_text())


def test_serve_logs_one_ready_line_and_no_secret(served, env, folder):
    line = served.find("ready: ")
    assert f"{folder} at http://127.0.0.1:" in line
    for secret in kept(env).values():
        assert secret not in served.log.read_text()


def test_the_ready_line_names_a_command_that_works_as_it_stands(served, env):
    command = served.find("ready: ").partition("links to connect: ")[2]
    elsewhere = {**env, "PATH": "/usr/bin:/bin"}
    del elsewhere["OPENWORK_DATA_DIR"]
    done = subprocess.run(
        shlex.split(command), env=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert kept(env)["collaboratorToken"] in done.stdout


def test_a_host_without_a_model_says_so_once(served):
    wait_until(lambda: served.find("No model can be used"), "it is told")
    told = [each for each in served.bodies() if each.startswith("No model can be used")]
    assert len(told) == 1
    assert "openwork engine auth login" in told[0]


def test_connect_prints_the_collaborators_link_and_its_qr_code(served, env, folder):
    done = openwork(env, "connect")
    assert done.returncode == 0, done.stderr
    first, link = done.stdout.splitlines()[:2]
    assert first == f"{folder}, as collaborator:"
    assert link.endswith(f"/#token={kept(env)['collaboratorToken']}")
    assert "█" in done.stdout
    assert kept(env)["ownerToken"] not in done.stdout


def test_connect_gives_the_owners_link_when_asked(served, env, folder):
    told = json.loads(openwork(env, "connect", "--owner", "--json").stdout)
    assert told["scope"] == "owner"
    assert told["workspace"] == str(folder)
    assert told["link"] == (
        f"{told['connectUrl']}/w/{told['workspaceId']}/#token={kept(env)['ownerToken']}"
    )


def test_connect_without_a_host_tells_the_next_step(served, env, tmp_path):
    done = openwork(env, "connect", "--workspace", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"No OpenWork host runs on {tmp_path}." in done.stderr
    assert "openwork start" in done.stderr


def test_a_failed_serve_says_why_in_its_log(served, env, folder):
    port = served.find("ready: ").partition("http://127.0.0.1:")[2].partition(";")[0]
    done = openwork(env, "serve", "--workspace", str(folder), "--openwork-port", port)
    assert (done.returncode, done.stdout) == (1, "")
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["severityText"] == "ERROR"
    assert f"Port {port} on 127.0.0.1 is already taken by" in last["body"]
    assert " Next: " in last["body"]


def test_the_engines_own_commands_work_without_it_on_path(env):
    done = openwork(env, "engine", "--version")
    assert (done.returncode, done.stdout.strip()) == (0, ENGINE_VERSION)
    done = openwork(env, "engine", "auth", "list")
    assert done.returncode == 0
    assert "0 credentials" in done.stdout + done.stderr


def test_the_engines_commands_see_the_users_home_and_not_our_tokens(tmp_path):
    """A program in the engine's place prints what it was given."""
    program = tmp_path / "opencode"
    program.write_text(
        "#!/bin/sh\n[ $1 = --version ] && [ $# = 1 ] && echo 1.18.33 && exit\n"
        'echo "$@"; env; exit 7\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    env = home_of(tmp_path, OPENWORK_TOKEN="canary-of-ours", OPENCODE_SERVER_PASSWORD="theirs")
    options = ["--allow-external", "--opencode-bin", str(program)]
    done = openwork(env, "engine", *options, "run", "--attach", "http://x", "-p", "t", "Hello you")
    assert done.returncode == 7
    assert done.stdout.startswith("run --attach http://x -p t Hello you\n")
    assert "canary-of-ours" not in done.stdout
    assert f"HOME={env['HOME']}\n" in done.stdout
    assert "OPENCODE_SERVER_PASSWORD=theirs\n" in done.stdout
    assert "XDG_DATA_HOME" not in done.stdout
