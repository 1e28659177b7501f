"""Where an engine keeps its state, and what its environment holds."""

from __future__ import annotations

import json
import stat

import pytest

from openwork.engine.home import SAFE_DEFAULTS, EngineHome

OURS = {"PATH": "/bin", "HOME": "/home/me", "OPENWORK_TOKEN": "canary", "DEN_SECRET": "canary",
        "OPENCODE_SERVER_PASSWORD": "canary"}  # fmt: skip


@pytest.mark.parametrize("isolated", [True, False])
def test_our_secrets_are_not_handed_down(tmp_path, isolated):
    env = EngineHome(tmp_path, isolated=isolated).environment(OURS, password="p", run_id="r")
    assert "canary" not in env.values()
    assert env["OPENCODE_SERVER_PASSWORD"] == "p"
    assert env["OPENWORK_RUN_ID"] == "r"
    assert env["PATH"] == "/bin"


def test_isolated_means_a_home_of_its_own_and_no_network(tmp_path):
    env = EngineHome(tmp_path, isolated=True).environment(OURS, password="p", run_id="r")
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
                 "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_MODELS_PATH"):  # fmt: skip
        assert env[name].startswith(str(tmp_path)), name
    assert env["OPENCODE_DISABLE_MODELS_FETCH"] == "1"
    assert env["npm_config_offline"] == "true"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert env[name] == "http://127.0.0.1:9"
    assert "127.0.0.1" in env["NO_PROXY"]
    shared = EngineHome(tmp_path).environment(OURS, password="p", run_id="r")
    offline = {"npm_config_offline", "HTTPS_PROXY", "OPENCODE_DISABLE_MODELS_FETCH"}
    assert not (offline | {"OPENCODE_MODELS_PATH"}) & set(shared)
    assert shared["HOME"] == "/home/me"
    assert "XDG_CONFIG_HOME" not in shared
    assert shared["XDG_DATA_HOME"].startswith(str(tmp_path))


def test_what_the_readme_says_to_set_against_fetching_reaches_the_engine(tmp_path):
    chosen = {
        "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_MODELS_PATH": "/models.json",
        "OPENCODE_DISABLE_SHARE": "1", "npm_config_offline": "true",
        "HTTPS_PROXY": "http://proxy.example.com:3128",
    }  # fmt: skip
    env = EngineHome(tmp_path).environment({**OURS, **chosen}, password="p", run_id="r")
    assert chosen.items() <= env.items()
    assert env["OPENCODE_DISABLE_AUTOUPDATE"] == "1"
    assert env["OPENCODE_DISABLE_LSP_DOWNLOAD"] == "1"


def test_a_configuration_the_user_chose_stays_unless_isolated(tmp_path):
    environ = {**OURS, "OPENCODE_CONFIG": "/mine.json"}
    shared = EngineHome(tmp_path).environment(environ, password="p", run_id="r")
    assert shared["OPENCODE_CONFIG"] == "/mine.json"
    own = EngineHome(tmp_path, isolated=True).environment(environ, password="p", run_id="r")
    assert own["OPENCODE_CONFIG"] != "/mine.json"


def test_extra_configuration_is_handed_over_in_the_environment(tmp_path):
    env = EngineHome(tmp_path).environment({}, password="p", run_id="r", config_content={"a": 1})
    assert json.loads(env["OPENCODE_CONFIG_CONTENT"]) == {"a": 1}


def test_prepared_folders_are_private_and_the_defaults_ask_first(tmp_path):
    home = EngineHome(tmp_path / "data", isolated=True)
    home.prepare()
    home.prepare()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    written = json.loads((tmp_path / "data" / "engine" / "defaults.json").read_text())
    assert written == {**SAFE_DEFAULTS, "disabled_providers": ["opencode"]}
    assert set(written["permission"].values()) == {"ask"}


@pytest.mark.parametrize("isolated", [True, False])
def test_our_configuration_folders_look_as_if_their_packages_were_installed(tmp_path, isolated):
    """Otherwise the engine installs one from npm into each, in the background."""
    EngineHome(tmp_path, isolated=isolated).prepare()
    folders = [tmp_path / "opencode-config"]
    folders += [tmp_path / "engine" / "config" / "opencode"] if isolated else []
    for folder in folders:
        lock = json.loads((folder / "package-lock.json").read_text())
        assert lock["packages"][""]["dependencies"] == {"@opencode-ai/plugin": "*"}
        assert list((folder / "node_modules").iterdir()) == []


def test_defaults_somebody_edited_are_put_right(tmp_path):
    home = EngineHome(tmp_path, isolated=True)
    home.prepare()
    path = tmp_path / "engine" / "defaults.json"
    written = path.read_text()
    path.write_text("{}")
    home.prepare()
    assert path.read_text() == written


@pytest.mark.parametrize(
    ("isolated", "sign_ins", "key", "disabled"),
    [
        (False, None, "", True),
        (False, '{"anthropic": {}}', "", True),
        (False, "damaged", "", True),
        (False, '{"opencode": {"type": "api"}}', "", False),
        (False, None, "a-key", False),
        (True, '{"opencode": {"type": "api"}}', "a-key", True),
    ],
)
def test_the_vendors_own_models_are_off_unless_somebody_signed_in_to_them(
    tmp_path, monkeypatch, isolated, sign_ins, key, disabled
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("OPENCODE_API_KEY", key)
    if sign_ins is not None:
        (tmp_path / "share" / "opencode").mkdir(parents=True)
        (tmp_path / "share" / "opencode" / "auth.json").write_text(sign_ins)
    EngineHome(tmp_path / "data", isolated=isolated).prepare()
    written = json.loads((tmp_path / "data" / "engine" / "defaults.json").read_text())
    assert ("disabled_providers" in written) is disabled


def test_sign_ins_are_linked_when_shared_only(tmp_path, monkeypatch):
    theirs = tmp_path / "share" / "opencode" / "auth.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("{}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    for isolated in (True, False):
        data = tmp_path / str(isolated)
        EngineHome(data, isolated=isolated).prepare()
        link = data / "engine" / "data" / "opencode" / "auth.json"
        assert link.is_symlink() is not isolated
