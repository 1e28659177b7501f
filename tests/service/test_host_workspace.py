"""A host on a folder of the user's: approvals, a crash, and the same tokens the next day."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from pathlib import Path

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.common.net import free_port
from openwork.demo.config import engine_config
from openwork.engine.client import EngineClient
from openwork.orchestrator.server_api import Access, ServerApi
from tests.running_host import (
    command_line,
    home_of,
    openwork,
    running_host,
    still_there,
    wait_until,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def env(base):
    """With a provider, which is never asked: the engine's shell wants a model to work for."""
    config = engine_config("http://127.0.0.1:9/v1", None)
    return home_of(base, OPENCODE_CONFIG_CONTENT=json.dumps(config))


@pytest.fixture(scope="module")
def folder(base):
    return base / "reports"


@pytest.fixture(scope="module")
def host(base, env, folder):
    options = ["--workspace", str(folder), "--approval", "manual"]
    with running_host(base, *options, env=env) as running:
        yield running


class Patch(threading.Thread):
    """A change of the configuration, which waits for its approval."""

    def __init__(self, host, value):
        super().__init__()
        self.status: int | None = None
        self._host, self._value = host, value

    def run(self):
        asyncio.run(self._send())

    async def _send(self):
        words = self._host.ready["openwork"]
        path = f"/workspace/{self._host.ready['workspaceId']}/config"
        body = {"openwork": {"value": self._value}}
        async with ServerApi(words["baseUrl"], Access(token=words["token"])) as api:
            try:
                await api.call("PATCH", path, json_body=body, timeout_s=30)
                self.status = 200
            except OpenWorkError as error:
                self.status = error.status


def waiting(host):
    done = openwork(host.env, "approvals", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["items"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_made(host, folder):
    assert [each.name for each in folder.iterdir()] == ["opencode.jsonc"]
    assert "Traceback" not in host.stderr


def test_a_change_waits_for_the_host(host, folder):
    assert "Nothing waits." in openwork(host.env, "approvals", "list").stdout
    patch = Patch(host, "allowed")
    patch.start()
    wait_until(lambda: waiting(host), "the change waits")
    (item,) = waiting(host)
    shown = openwork(host.env, "approvals", "list").stdout
    assert item["id"] in shown
    assert item["action"] in shown
    changed = folder / ".opencode" / "openwork.json"
    assert not changed.exists()
    done = openwork(host.env, "approvals", "reply", item["id"], "--allow")
    assert (done.returncode, done.stdout) == (0, "Allowed.\n"), done.stderr
    patch.join(30)
    assert patch.status == 200
    assert json.loads(changed.read_text())["value"] == "allowed"


def test_a_denied_change_changes_nothing(host, folder):
    before = contents(folder)
    patch = Patch(host, "denied")
    patch.start()
    wait_until(lambda: waiting(host), "the change waits")
    (item,) = waiting(host)
    done = openwork(host.env, "approvals", "reply", item["id"], "--deny", "--json")
    assert json.loads(done.stdout) == {"ok": True, "allowed": False}
    patch.join(30)
    assert patch.status == 403
    assert contents(folder) == before


def test_replies_that_cannot_be_given(host):
    done = openwork(host.env, "approvals", "reply", "no-such-approval", "--allow")
    assert (done.returncode, "Error: " in done.stderr) == (1, True)
    done = openwork(host.env, "approvals", "list", "--host-token", "wrong")
    assert (done.returncode, "host token" in done.stderr) == (1, True)
    done = openwork(host.env, "approvals", "list", "--openwork-url", host.url)
    assert (done.returncode, "OPENWORK_HOST_TOKEN" in done.stderr) == (1, True)


def test_a_taken_port_names_its_holder(host):
    port = host.ready["openwork"]["port"]
    done = openwork(host.env, "start", "--openwork-port", str(port), "--workspace", host.workspace)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is already taken by" in done.stderr
    assert "(pid " in done.stderr
    assert "Next: " in done.stderr


def last_reload(host):
    words = host.ready["openwork"]
    path = f"/workspace/{host.ready['workspaceId']}/events"

    async def ask():
        async with ServerApi(words["baseUrl"], Access(token=words["token"])) as api:
            return (await api.call("GET", path))["lastReloadAt"]

    return asyncio.run(ask())


def test_clients_learn_that_an_engine_which_ended_runs_again(host):
    assert last_reload(host) is None
    host.find("opencode", "serve").kill()
    wait_until(lambda: last_reload(host), "clients are told")
    assert openwork(host.env, "status").returncode == 0


async def sleep_in_the_engine(host):
    """Begin a long command in the engine's shell; it is not waited for."""
    told = host.ready["opencode"]
    headers = {"Authorization": basic_auth(told["username"], told["password"])}
    async with EngineClient(told["baseUrl"], headers=headers, directory=host.workspace) as client:
        session = await client.create_session()
        body = {"agent": "build", "command": "sleep 987654"}
        shell = asyncio.ensure_future(
            client.http.post(f"{told['baseUrl']}/session/{session.id}/shell", json=body)
        )
        await asyncio.to_thread(
            wait_until, lambda: sleeps(host), f"the command runs: {shell}, {host.stderr}"
        )
        shell.cancel()
        await asyncio.gather(shell, return_exceptions=True)


def sleeps(host):
    return [each for each in host.descendants() if command_line(each) == "sleep 987654"]


def test_a_killed_host_leaves_no_process(host):
    asyncio.run(sleep_in_the_engine(host))
    started = host.descendants()
    assert len(started) >= 5
    host.process.kill()
    host.process.wait(20)
    assert still_there(started) == []
    done = openwork(host.env, "status")
    assert (done.returncode, "No OpenWork host runs" in done.stderr) == (1, True)


def test_the_next_host_keeps_the_tokens_and_its_checks_pass(host, env, folder):
    data = Path(env["OPENWORK_DATA_DIR"])
    kept = json.loads((data / "credentials.json").read_text())
    assert kept["collaboratorToken"] == host.ready["openwork"]["collaboratorToken"]
    assert kept["ownerToken"] == host.ready["openwork"]["ownerToken"]
    (data / "openwork-server" / "tokens.json").unlink()
    done = openwork(env, "start", "--workspace", str(folder), "--check", "--check-events", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["ok"] is True
    assert [each["error"] for each in told["checks"]] == [None] * 5
    assert "[openwork-server]" not in done.stderr, "a refused request is a check, no alarm"
    now = json.loads((data / "credentials.json").read_text())
    assert now["collaboratorToken"] == kept["collaboratorToken"]
    assert now["hostToken"] == kept["hostToken"]
    assert now["ownerToken"] != kept["ownerToken"], "the server had lost it"
    for name in ("credentials.json", "openwork-server/tokens.json"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
    assert list((data / "run").iterdir()) == []


def test_a_damaged_configuration_is_named_by_host_and_task(tmp_path, env):
    folder = tmp_path / "damaged"
    folder.mkdir()
    config = folder / "opencode.json"
    config.write_text('{\n  "model": ,\n}\n')
    with running_host(tmp_path, "--workspace", str(folder), env=env) as host:
        assert f"{config} is not valid JSONC" in host.stderr
        assert "line 2, column 12" in host.stderr
        done = openwork(env, "run", "--workspace", str(folder), "Please count to 3")
        assert done.returncode == 1
        assert f"Error: {config}" in done.stderr
        assert "Repair that file" in done.stderr
        assert openwork(env, "status").returncode == 0
    assert config.read_text() == '{\n  "model": ,\n}\n'


def test_a_read_only_host_works(tmp_path, env, folder):
    data = tmp_path / "data"
    done = openwork(
        {**env, "OPENWORK_DATA_DIR": str(data)},
        "start",
        "--read-only",
        "--check-events",
        "--workspace",
        str(folder),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      the configuration can be read" in done.stdout
    assert "ok      sessions can be read" in done.stdout
    assert json.loads((data / "credentials.json").read_text())["ownerToken"] == ""


def test_a_server_nobody_runs(env):
    done = openwork(env, "status", "--openwork-url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "OpenWork server  down" in done.stdout
