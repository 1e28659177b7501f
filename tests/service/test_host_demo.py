"""A demo host as a user starts it: what it tells, what it keeps secret, what it survives."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.engine.client import EngineClient
from tests.running_host import command_line, openwork, running_host, wait_until

PAYLOAD = {
    "runId": None,
    "workspace": None,
    "workspaceId": None,
    "approval": {"mode", "timeoutMs", "readOnly"},
    "opencode": {
        "baseUrl",
        "connectUrl",
        "username",
        "password",
        "bindHost",
        "port",
        "hotReload",
        "version",
    },
    "openwork": {
        "baseUrl",
        "connectUrl",
        "host",
        "port",
        "collaboratorToken",
        "ownerToken",
        "token",
        "hostToken",
        "version",
    },
    "connect": {"ownerLink", "collaboratorLink"},
    "opencodeRouter": {"enabled", "version", "healthPort"},
    "diagnostics": {"cliVersion", "sidecar", "binaries"},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("demo"), "--demo") as running:
        yield running


def secrets_of(host):
    words = host.ready["openwork"]
    return {
        words["collaboratorToken"],
        words["ownerToken"],
        words["hostToken"],
        host.ready["opencode"]["password"],
    }


def engine_answers(host):
    """Whether the engine answers at the address and with the password told at the start."""
    told = host.ready["opencode"]
    headers = {"Authorization": basic_auth(told["username"], told["password"])}

    async def ask():
        async with EngineClient(told["baseUrl"], headers=headers) as client:
            return (await client.health()).healthy

    try:
        return asyncio.run(ask())
    except OpenWorkError as error:
        if error.code != "engine_unreachable":
            raise
        return False


def run_task(host, task="Please count to 3", *more):
    return openwork(host.env, "run", "--workspace", host.workspace, *more, task)


def test_the_ready_payload_has_the_keys_existing_clients_read(host):
    assert host.ready.keys() == PAYLOAD.keys()
    for name, keys in PAYLOAD.items():
        if keys is not None:
            assert host.ready[name].keys() == keys, name
    assert host.ready["openwork"]["token"] == host.ready["openwork"]["collaboratorToken"]
    assert host.ready["openwork"]["ownerToken"] in host.ready["connect"]["ownerLink"]
    assert host.ready["opencode"]["username"] == "opencode"
    assert len(secrets_of(host)) == 4


def test_no_secret_is_on_a_command_line_or_in_the_log(host):
    lines = [command_line(each) for each in host.descendants()]
    assert any("opencode serve" in line for line in lines)
    assert any("openwork.cli.server" in line for line in lines)
    assert any("openwork.demo" in line for line in lines)
    for secret in secrets_of(host):
        assert not [line for line in lines if secret in line]
        assert secret not in host.stderr


def test_what_holds_secrets_is_private(host):
    data = Path(host.env["OPENWORK_DATA_DIR"])
    record = data / "run" / f"{host.ready['runId']}.json"
    kept = Path(host.workspace).parent / "data" / "credentials.json"
    for path in (record, kept):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path


def test_status_names_each_part(host):
    done = openwork(host.env, "status")
    assert done.returncode == 0
    assert f"OpenWork server  ok    {host.url}" in done.stdout
    assert "Engine           ok" in done.stdout
    told = json.loads(openwork(host.env, "status", "--json").stdout)
    assert told["ok"] is True
    assert told["opencode"]["version"] == host.ready["opencode"]["version"]


def test_status_tells_which_part_is_down(host):
    done = openwork(host.env, "status", "--openwork-url", host.url, "--token", "wrong", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["openwork"]["ok"], told["opencode"]["ok"]) == (True, False)
    assert "token" in told["opencode"]["error"]


def test_an_engine_that_is_killed_comes_back_at_its_address_with_its_password(host):
    killed = host.find("opencode", "serve")
    killed.kill()
    killed.wait(20)
    wait_until(lambda: engine_answers(host), "the engine answers again")
    assert "starting it again" in host.stderr
    done = run_task(host)
    assert (done.returncode, done.stdout) == (0, "1 2 3\n"), done.stderr


def test_a_server_that_is_killed_comes_back_on_its_port(host):
    killed = host.find("openwork.cli.server")
    killed.kill()
    killed.wait(20)
    wait_until(lambda: openwork(host.env, "status").returncode == 0, "all parts answer again")
    assert host.find("openwork.cli.server").pid != killed.pid
    record = Path(host.env["OPENWORK_DATA_DIR"]) / "run" / f"{host.ready['runId']}.json"
    pids = {each["pid"] for each in json.loads(record.read_text())["children"]}
    assert pids <= {each.pid for each in host.descendants()}
    assert len(pids) == 3


def test_sigterm_ends_it_in_order_and_leaves_nothing(host):
    assert host.end() == 0
    assert host.rest.strip() == b"", "more than one document on standard output"
    assert not Path(host.workspace).parent.exists()
    assert list((Path(host.env["OPENWORK_DATA_DIR"]) / "run").iterdir()) == []
    done = openwork(host.env, "status")
    assert done.returncode == 1
    assert "No OpenWork host runs on this machine." in done.stderr
    assert "openwork start" in done.stderr
