"""The messaging router's file: whole through a crash, shared with others, private."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import settings
from openwork.server.router_config import RouterConfig

TOKEN = "7000000001:AAcanary-telegram-token"
# Connects a bot, but dies at the step with the given number: whatever the interpreter announces
# of files, and before and after each sync.
VICTIM = """
import os, signal, sys
from pathlib import Path
from openwork.server.router_config import RouterConfig
left = int(sys.argv[2])
def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def announced(event, _):
    if event in {"open", "os.rename", "os.chmod", "os.remove", "os.mkdir"}:
        step()
def counted(*args, real=os.fsync):
    step()
    real(*args)
    step()
os.fsync = counted
config = RouterConfig(Path(sys.argv[1]))
sys.addaudithook(announced)
config.change("telegram", "ws_b", {"token": "8:new"})
"""


def loaded(path):
    return json.loads(path.read_text())


def test_a_file_is_made_with_what_it_needs(tmp_path):
    path = tmp_path / "made" / "opencode-router.json"
    config = RouterConfig(path)
    assert config.identity("telegram", "ws_a") is None
    assert config.remove("slack", "ws_a") is None
    assert not path.exists()
    kept = config.change("slack", "ws_a", {"botToken": "b", "appToken": "a"})
    assert kept is not None
    assert kept.shown == {"id": "ws_a", "enabled": True}
    assert loaded(path) == {
        "version": 1,
        "channels": {"slack": {"apps": [{"id": "ws_a", "botToken": "b", "appToken": "a"}]}},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_lacks_a_token_or_is_switched_off_as_a_channel_is_told_so(tmp_path):
    path = tmp_path / "opencode-router.json"
    bots = [{"id": "ws_a"}, {"id": " ws b ", "token": TOKEN, "access": "odd"}]
    path.write_text(json.dumps({"channels": {"telegram": {"enabled": False, "bots": bots}}}))
    config = RouterConfig(path)
    assert config.identity("telegram", "ws_a") is None
    assert config.change("telegram", "ws_a", {"enabled": True}, add=False) is None
    kept = config.identity("telegram", "ws-b")  # as the router names it
    assert kept is not None
    assert kept.shown == {
        "id": "ws-b",
        "enabled": False,
        "access": "public",
        "pairingRequired": False,
    }
    assert kept.secrets == [TOKEN]


def test_an_unchanged_file_is_not_written_and_a_link_stays_one(tmp_path):
    real, path = tmp_path / "real.json", tmp_path / "opencode-router.json"
    path.symlink_to(real)
    config = RouterConfig(path)
    config.change("telegram", "ws_a", {"token": TOKEN})
    assert path.is_symlink()
    before = real.stat()
    config.change("telegram", "ws_a", {"token": TOKEN})
    config.remove("telegram", "ws_b")
    after = real.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_servers_that_write_at_once_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "opencode-router.json"
    names = [f"ws_{number}" for number in range(24)]

    def connect(name):
        RouterConfig(path).change("telegram", name, {"token": f"1:{name}"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connect, names))
    assert sorted(each["id"] for each in loaded(path)["channels"]["telegram"]["bots"]) == sorted(
        names
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "opencode-router.json"
    with pytest.raises(OpenWorkError) as raised:
        RouterConfig(path).change("telegram", "ws_a", {"token": TOKEN})
    assert raised.value.code in {
        "opencodeRouter_config_write_failed",
        "opencodeRouter_config_read_failed",
    }
    assert str(path) in raised.value.message
    assert TOKEN not in str(raised.value.to_json())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_step_the_file_is_whole_and_no_token_is_left_beside_it(tmp_path):
    seen = []
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        path = tmp_path / str(step) / "opencode-router.json"
        RouterConfig(path).change("telegram", "ws_a", {"token": TOKEN})
        code = subprocess.run(
            [sys.executable, "-c", VICTIM, path, str(step)], check=False
        ).returncode
        tokens = [each["token"] for each in loaded(path)["channels"]["telegram"]["bots"]]
        assert tokens in ([TOKEN], [TOKEN, "8:new"]), step
        if tokens not in seen:
            seen.append(tokens)
        assert path.stat().st_mode & 0o777 == 0o600
        RouterConfig(path).remove("telegram", "ws_b")  # the next write clears what was left
        assert {each.name for each in path.parent.iterdir()} == {
            path.name,
            f".{path.name}.lock",
        }, step
    assert code == 0
    assert step > 6
    assert seen == [[TOKEN], [TOKEN, "8:new"]]


def test_the_file_is_where_the_router_looks_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "opencode-router.json"

    def where(**environ):
        return settings.load({"workspace": (str(tmp_path),)}, environ).router_config

    assert where() == tmp_path / ".openwork" / "opencode-router" / name
    assert where(OPENCODE_ROUTER_DATA_DIR="~/r") == tmp_path / "r" / name
    assert where(OPENCODE_ROUTER_DATA_DIR="~/r", OPENCODE_ROUTER_CONFIG_PATH="~/x.json") == Path(
        tmp_path / "x.json"
    )
