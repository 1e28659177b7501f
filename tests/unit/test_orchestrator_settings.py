"""What a host is told: options over variables over defaults, and contradictions refused."""

from __future__ import annotations

import pytest

from openwork.common.errors import UsageError
from openwork.orchestrator.settings import TABLE, load


def refused(flags, environ=None, **more):
    with pytest.raises(UsageError) as caught:
        load(flags, environ or {}, **more)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value.message


def test_an_option_wins_over_its_variable():
    environ = {"OPENWORK_PORT": "9000", "OPENWORK_APPROVAL_MODE": "auto"}
    settings = load({"openwork_port": "9001"}, environ)
    assert settings.openwork_port == 9001
    assert settings.approval_mode == "auto"
    assert settings.resolved.origins["openwork_port"] == "--openwork-port"
    assert settings.resolved.origins["approval"] == "OPENWORK_APPROVAL_MODE"
    assert settings.resolved.origins["read_only"] == "default"


def test_only_a_named_port_must_be_that_port():
    assert not load({}, {}).port_was_asked_for
    assert load({"openwork_port": "8787"}, {}).port_was_asked_for
    assert load({}, {"OPENWORK_PORT": "8787"}).port_was_asked_for


def test_engines_lie_below_the_data_folder_unless_told(tmp_path):
    settings = load({"data_dir": str(tmp_path)}, {})
    assert settings.sidecar_dir == tmp_path.resolve() / "sidecars"
    assert settings.run_dir == tmp_path.resolve() / "run"


def test_a_demo_keeps_to_its_folder_but_is_recorded_with_the_others(tmp_path):
    settings = load({"data_dir": str(tmp_path / "real")}, {}, demo_dir=tmp_path / "demo")
    assert settings.workspace == tmp_path / "demo" / "workspace"
    assert settings.data_dir == tmp_path / "demo" / "data"
    assert settings.run_dir == tmp_path.resolve() / "real" / "run"


def test_remote_access_listens_everywhere():
    assert load({}, {}).openwork_host == "127.0.0.1"
    assert load({"remote_access": True}, {}).openwork_host == "0.0.0.0"  # noqa: S104
    assert load({"remote_access": True, "openwork_host": "192.0.2.7"}, {}).reachable_from_outside


def test_every_run_has_its_own_id_unless_told():
    assert load({}, {}).run_id != load({}, {}).run_id
    assert load({"run_id": "nightly_2.1"}, {}).run_id == "nightly_2.1"


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", "x" * 101, "with space"])
def test_a_run_id_is_a_file_name(name):
    assert "--run-id" in refused({"run_id": name})
    assert "OPENWORK_RUN_ID" in refused({}, {"OPENWORK_RUN_ID": name})


def test_contradictions_are_refused(tmp_path):
    message = refused({"workspace": str(tmp_path)}, demo_dir=tmp_path)
    assert "--demo" in message
    message = refused({"remote_access": True, "openwork_host": "127.0.0.1"})
    assert "--remote-access contradicts --openwork-host 127.0.0.1" in message


def test_the_engine_stays_on_loopback():
    assert "--opencode-host" in refused({"opencode_host": "0.0.0.0"})  # noqa: S104


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENWORK_PORT", "many"),
        ("OPENWORK_PORT", "65536"),
        ("OPENWORK_APPROVAL_MODE", "sometimes"),
        ("OPENWORK_READONLY", "perhaps"),
        ("OPENWORK_OPENCODE_SOURCE", "elsewhere"),
        ("OPENWORK_LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable(variable, value):
    message = refused({}, {variable: value})
    assert variable in message
    assert repr(value) in message


def test_every_setting_has_a_variable_and_a_line_of_help():
    for setting in TABLE:
        assert setting.env, setting.name
        assert setting.env[0].startswith("OPENWORK_"), setting.name
        assert setting.help.endswith((".", ")")), setting.name


@pytest.mark.parametrize(
    ("flags", "quiet", "level"),
    [
        ({}, False, "info"),
        ({}, True, "warning"),
        ({"log_format": "json"}, True, "info"),
        ({"verbose": True}, True, "debug"),
        ({"log_level": "error", "verbose": True}, True, "error"),
    ],
)
def test_how_much_is_logged(flags, quiet, level):
    assert load(flags, {}, quiet=quiet).log_level == level


@pytest.mark.parametrize("name", ["reports.local", "reports", "192.168.1.20", "fd00::1", "a_b-c.x"])
def test_a_name_for_links(name):
    assert load({"connect_host": name}, {}).connect_host == name


def test_an_address_in_brackets_is_the_address():
    assert load({"connect_host": "[fd00::1]"}, {}).connect_host == "fd00::1"


@pytest.mark.parametrize(
    "name", ["a b", "http://x", "x:8787", "a/b", "-x", "1.2.3", "1.2.3.400", "é", "x" * 64, "a..b"]
)
def test_what_is_no_host_cannot_stand_in_links(name):
    assert f"--connect-host: {name!r} is not allowed" in refused({"connect_host": name})


@pytest.mark.parametrize("setting", ["openwork_token", "openwork_host_token"])
def test_a_short_token_is_warned_of_and_refused_where_others_may_try(setting):
    flag = "--" + setting.replace("_", "-")
    (warning,) = load({setting: "x" * 15}, {}).warnings
    assert warning.startswith(f"{flag}: a token of under 16 characters can be guessed.")
    message = refused({setting: "x" * 15, "remote_access": True})
    assert message.startswith(f"{flag}: a token of under 16 characters can be guessed")
    assert "x" * 15 not in warning + message
    assert load({setting: "x" * 16, "remote_access": True}, {}).warnings == ()
