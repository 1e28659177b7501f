"""The doctor names each failing prerequisite exactly, and the next step."""

from __future__ import annotations

import json
import os

import pytest

from openwork.cli.main import build
from openwork.cli.run_command import run_command
from openwork.common.net import listen
from openwork.demo.config import engine_config
from openwork.orchestrator.doctor import examine
from openwork.orchestrator.settings import load
from tests.engine_cache import cache_dir, cached_engine

IDS = {
    "python",
    "system",
    "engine",
    "npm",
    "disk",
    "data",
    "workspace",
    "config",
    "model",
    "tokens",
    "port",
    "running",
}


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


@pytest.fixture
def findings(tmp_path, workspace):
    """Examine with options; the findings by id."""

    async def find(**flags):
        told = {"workspace": str(workspace), "data_dir": str(tmp_path / "data")}
        settings = load({**told, "openwork_port": "0", **flags}, {})
        return {each.id: each for each in await examine(settings)}

    return find


async def test_a_fresh_folder_is_fine_and_stays_as_it_was(tmp_path, workspace, findings):
    found = await findings()
    assert found.keys() == IDS
    assert {each.level for each in found.values()} <= {"ok", "warning"}
    assert found["engine"].level == "warning"
    assert found["port"].detail == "127.0.0.1, any free one"
    assert "openwork start downloads it" in found["engine"].next_step
    assert list(workspace.iterdir()) == []
    assert list(tmp_path.iterdir()) == [workspace]


async def test_a_file_in_place_of_the_workspace(tmp_path, findings):
    file = tmp_path / "notes.txt"
    file.write_text("not a folder")
    found = (await findings(workspace=str(file)))["workspace"]
    assert (found.level, found.detail) == ("failed", f"{file} is not a folder")
    assert found.next_step == "Choose another."


async def test_a_file_above_the_data_folder(tmp_path, findings):
    file = tmp_path / "notes.txt"
    file.write_text("not a folder")
    found = await findings(data_dir=str(file / "data"))
    assert (found["data"].level, found["data"].detail) == ("failed", f"{file} is not a folder")
    assert found["engine"].level == "failed"
    assert str(file / "data" / "sidecars") in found["engine"].detail


async def test_a_damaged_configuration_with_its_place(workspace, findings):
    config = workspace / "opencode.jsonc"
    config.write_text('{\n  "model": ,\n}\n')
    found = (await findings())["config"]
    assert found.level == "failed"
    assert f"{config} is not valid JSONC" in found.detail
    assert "line 2, column 12" in found.detail
    assert "Repair" in found.next_step


async def test_a_model_provider_is_not_known_before_there_is_an_engine(findings):
    found = (await findings())["model"]
    assert (found.level, found.detail) == ("warning", "not known before the engine is installed")
    assert "openwork engine auth login" in found.next_step


async def test_a_model_provider_as_the_engine_sees_it(monkeypatch, tmp_path, workspace, findings):
    """With the real engine, in a home where nobody is signed in; the folder stays as it was."""
    sidecars = str(cached_engine() and cache_dir())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    config = workspace / "opencode.jsonc"
    config.write_text('{"disabled_providers": ["opencode"]}')
    found = (await findings(sidecar_dir=sidecars))["model"]
    assert (found.level, found.detail) == ("warning", "none is signed in or configured")
    assert "openwork engine auth login" in found.next_step
    provider = engine_config("http://127.0.0.1:9/v1", None)["provider"]
    config.write_text(json.dumps({"disabled_providers": ["opencode"], "provider": provider}))
    found = (await findings(sidecar_dir=sidecars))["model"]
    assert (found.level, found.detail) == ("ok", "models of openwork-demo (1)")
    assert list(workspace.iterdir()) == [config]


async def test_a_taken_port_that_was_asked_for(findings):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        found = (await findings(openwork_port=str(port)))["port"]
    assert found.level == "failed"
    assert f"Port {port} on 127.0.0.1 is already taken" in found.detail
    assert f"(pid {os.getpid()})" in found.detail
    assert "another port" in found.next_step


async def test_an_address_of_another_machine(findings):
    found = (await findings(openwork_host="192.0.2.7", openwork_port="1"))["port"]
    assert (found.level, "192.0.2.7" in found.detail) == ("failed", True)


async def test_an_outside_engine_needs_leave(findings):
    found = (await findings(opencode_bin="/bin/true"))["engine"]
    assert found.level == "failed"
    assert "--opencode-bin requires --allow-external" in found.detail
    assert "--allow-external" in found.next_step
    found = (await findings(opencode_source="external"))["engine"]
    assert found.level == "failed"
    assert "--opencode-source external requires --allow-external" in found.detail


async def test_an_outside_engine_must_be_there_and_of_the_right_version(tmp_path, findings):
    script = tmp_path / "opencode"
    found = (await findings(opencode_bin=str(script), allow_external=True))["engine"]
    assert (found.level, found.detail) == ("failed", f"{script} is no program")
    script.write_text("#!/bin/sh\necho 2.1.0\n")
    script.chmod(0o755)
    found = (await findings(opencode_bin=str(script), allow_external=True))["engine"]
    assert found.level == "failed"
    assert f"{script} is OpenCode 2.1.0; OpenWork speaks to 1.18.x." in found.detail
    script.write_text("#!/bin/sh\necho 1.18.99\n")
    found = (await findings(opencode_bin=str(script), allow_external=True))["engine"]
    assert (found.level, found.detail) == ("ok", f"1.18.99 at {script} (external)")


async def test_an_engine_that_may_not_be_downloaded(tmp_path, findings):
    found = (await findings(opencode_source="bundled"))["engine"]
    assert found.level == "failed"
    assert str(tmp_path / "data" / "sidecars") in found.detail
    assert found.next_step == "Use --opencode-source auto."


async def test_damaged_files_of_ours(tmp_path, findings):
    tokens = tmp_path / "data" / "credentials.json"
    record = tmp_path / "data" / "run" / "old.json"
    record.parent.mkdir(parents=True)
    tokens.write_text("{")
    record.write_text('{"pid": "many"}')
    found = await findings()
    for name, path in (("tokens", tokens), ("running", record)):
        assert (found[name].level, str(path) in found[name].detail) == ("failed", True)
        assert found[name].next_step
    tokens.unlink()
    for name in ("server.json", "tokens.json"):
        damaged = tmp_path / "data" / "openwork-server" / name
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_text("{ x")
        kept = (await findings())["tokens"]
        assert (kept.level, str(damaged) in kept.detail) == ("failed", True)
        damaged.unlink()


def test_the_command_fails_when_a_check_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENWORK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENWORK_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("OPENWORK_PORT", "0")
    assert run_command(build(), ["doctor"], name="openwork") == 0
    # No engine is installed there yet, so whether it has a model is not known.
    assert "\nReady to start; what is marked above still needs you." in capsys.readouterr().out
    (tmp_path / "opencode.jsonc").write_text("{")
    assert run_command(build(), ["doctor"], name="openwork") == 1
    shown = capsys.readouterr().out
    assert "FAILED  Workspace configuration: " in shown
    assert "        Next: " in shown
    assert run_command(build(), ["doctor", "--json"], name="openwork") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert [each["id"] for each in told["checks"] if each["level"] == "failed"] == ["config"]
