"""Every setting is an option that ``--help`` tells about; unknown ones are usage errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from openwork.cli import server as server_command
from openwork.cli import start as start_command
from openwork.cli.main import COMMANDS, build
from openwork.cli.run_command import run_command
from openwork.orchestrator.settings import TABLE as HOST_TABLE
from openwork.server.settings_table import TABLE as SERVER_TABLE
from openwork.version import __version__

TABLES = [
    pytest.param(start_command.start, HOST_TABLE, id="start"),
    pytest.param(start_command.serve, HOST_TABLE, id="serve"),
    pytest.param(server_command.serve, SERVER_TABLE, id="openwork-server"),
]


def help_of(command):
    shown = CliRunner().invoke(command, ["--help"], terminal_width=100)
    assert shown.exit_code == 0
    return shown.output


def every_command():
    group = build()
    context = click.Context(group)
    found = {}
    for name in COMMANDS:
        command = group.get_command(context, name)
        children = getattr(command, "commands", {})
        found[name] = command
        found |= {f"{name} {child}": each for child, each in children.items()}
    return found


@pytest.mark.parametrize(("command", "table"), TABLES)
def test_every_setting_has_its_option_in_the_help(command, table):
    shown = help_of(command)
    words = " ".join(shown.split())
    for setting in table:
        assert re.search(rf"^  {setting.flag}\b", shown, re.MULTILINE), setting.flag
        assert not setting.env or f"env: {setting.env[0]}" in words, setting.flag


@pytest.mark.parametrize(("command", "table"), TABLES)
def test_no_secret_has_a_default_in_the_help(command, table):
    for setting in table:
        if setting.secret:
            option = next(each for each in command.params if each.name == setting.name)
            assert "default:" not in option.help.partition("[")[2]


@pytest.mark.parametrize("name", [*every_command()])
def test_every_option_says_what_it_is_for(name):
    command = every_command()[name]
    assert command.help, name
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, (name, option.opts)


def test_the_list_of_commands_is_whole():
    shown = help_of(build())
    for name in COMMANDS:
        assert re.search(rf"^  {name}\b", shown, re.MULTILINE), name
    assert "openwork start --demo" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["start", "--nonsense"],
        ["start", "--approval", "sometimes"],
        ["start", "--openwork-port", "many"],
        ["run"],
        ["run", "--permissions", "perhaps", "x"],
        ["run", ""],
        ["run", " \n"],
        ["run", "--openwork-url", "nonsense", "x"],
        ["connect", "--nonsense"],
        ["start", "--connect-host", "a b"],
        ["status", "--nonsense"],
        ["approvals", "reply"],
        ["approvals", "reply", "some-id"],
        ["config", "show", "--opencode-log-level", "LOUD"],
        ["doctor", "--opencode-host", "0.0.0.0"],  # noqa: S104
    ],
)
def test_what_does_not_exist_is_a_usage_error(arguments, capsys):
    assert run_command(build(), arguments, name="openwork") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Error: " in err


def test_a_value_keeps_its_equals_signs(capsys):
    run_command(build(), ["config", "show", "--json", "--cors=http://a=b"], name="openwork")
    assert shown_settings(capsys)["cors"]["value"] == ["http://a=b"]


def shown_settings(capsys):
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["settings"]}


def test_config_show_tells_where_each_value_came_from(monkeypatch, capsys):
    monkeypatch.setenv("OPENWORK_APPROVAL_MODE", "auto")
    monkeypatch.delenv("OPENWORK_READONLY", raising=False)
    arguments = ["config", "show", "--json", "--openwork-port", "9001"]
    assert run_command(build(), arguments, name="openwork") == 0
    shown = shown_settings(capsys)
    assert shown.keys() == {setting.name for setting in HOST_TABLE}
    found = {
        name: (shown[name]["value"], shown[name]["source"], shown[name]["from"])
        for name in ("openwork_port", "approval", "read_only")
    }
    assert found == {
        "openwork_port": (9001, "cli", "--openwork-port"),
        "approval": ("auto", "env", "OPENWORK_APPROVAL_MODE"),
        "read_only": (False, "default", "default"),
    }


def test_config_show_tells_what_is_really_used(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("OPENWORK_DATA_DIR", "OPENWORK_WORKSPACE", "OPENWORK_CORS_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    assert run_command(build(), ["config", "show", "--remote-access"], name="openwork") == 0
    rows = [re.split(r" {2,}", line, maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    shown = {flag: (value, source) for flag, value, source in rows}
    assert shown["--workspace"] == (str(tmp_path), "default")
    data = tmp_path / ".openwork" / "openwork-orchestrator"
    assert shown["--data-dir"] == (str(data), "default")
    assert shown["--sidecar-dir"] == (str(data / "sidecars"), "default")
    assert shown["--openwork-host"] == ("0.0.0.0", "default")  # noqa: S104
    assert shown["--remote-access"] == ("on", "--remote-access")
    assert shown["--log-level"] == ("warning", "default")
    assert shown["--cors"] == ("*", "default")


@pytest.mark.parametrize("how", [["--json"], []])
def test_config_show_keeps_secrets(how, monkeypatch, capsys):
    monkeypatch.setenv("OPENWORK_TOKEN", "a-secret-from-the-environment")
    arguments = ["config", "show", *how, "--openwork-host-token", "a-secret-from-a-flag"]
    assert run_command(build(), arguments, name="openwork") == 0
    shown = capsys.readouterr().out
    assert "a-secret" not in shown
    assert shown.count("***") == 2


def loaded_by(*arguments):
    """The modules that a command loads."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['openwork', *{list(arguments)!r}]\n"
        "try:\n"
        "    runpy.run_module('openwork', run_name='__main__')\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(*sys.modules, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    return set(done.stdout.splitlines()), done.stdout


def test_the_version_needs_nothing_heavy():
    modules, shown = loaded_by("--version")
    assert shown.startswith(f"openwork {__version__}\n")
    heavy = {"click", "fastapi", "aiohttp", "pydantic", "textual", "asyncio", "psutil", "logging"}
    assert not heavy & modules
    assert "openwork.version" in modules


def test_the_help_needs_no_server():
    modules, shown = loaded_by("--help")
    assert "Usage: openwork" in shown
    assert not {"fastapi", "aiohttp", "pydantic", "psutil", "uvicorn"} & modules
    assert "click" in modules
