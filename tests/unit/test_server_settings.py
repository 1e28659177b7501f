"""What the server was told: from where, and what is wrong with it."""

from __future__ import annotations

import json
import os

import pytest

from openwork.common.errors import OpenWorkError, UsageError
from openwork.common.ids import workspace_id
from openwork.server.settings import load


@pytest.fixture
def place(tmp_path):
    (tmp_path / "ws").mkdir()
    return tmp_path


def settle(place, file=None, flags=None, **environ):
    path = place / "server.json"
    if file is not None:
        path.write_text(file if isinstance(file, str) else json.dumps(file))
    return load(flags or {}, {"OPENWORK_SERVER_CONFIG": str(path), **environ})


def test_flag_beats_environment_beats_file_beats_default(place):
    file = {"port": 1, "approval": {"mode": "auto"}}
    assert settle(place).port == 8787
    assert settle(place, file).port == 1
    assert settle(place, file, OPENWORK_PORT="2").port == 2
    settings = settle(place, file, {"port": "3"}, OPENWORK_PORT="2")
    assert settings.port == 3
    assert settings.resolved.sources["port"] == "cli"
    assert settings.resolved.sources["approval"] == "file"
    assert settings.resolved.sources["host"] == "default"
    assert settings.approval_mode == "auto"


def test_an_empty_variable_is_not_given(place):
    assert settle(place, {"port": 1}, OPENWORK_PORT="").port == 1


@pytest.mark.parametrize(
    ("file", "flags", "environ", "named"),
    [
        (None, {"port": "x"}, {}, "--port"),
        (None, {"port": "70000"}, {}, "--port"),
        (None, {}, {"OPENWORK_PORT": "-1"}, "OPENWORK_PORT"),
        ({"port": True}, {}, {}, "port in "),
        ({"port": 1.5}, {}, {}, "port in "),
        ({"approval": {"mode": "maybe"}}, {}, {}, "approval.mode in "),
        ({"approval": {"timeoutMs": 0}}, {}, {}, "approval.timeoutMs in "),
        (None, {}, {"OPENWORK_READONLY": "perhaps"}, "OPENWORK_READONLY"),
        (None, {}, {"OPENWORK_CORS_ORIGINS": "[1]"}, "OPENWORK_CORS_ORIGINS"),
        ({"corsOrigins": 5}, {}, {}, "corsOrigins in "),
        (None, {}, {"OPENWORK_SANDBOX_BACKEND": "podman"}, "OPENWORK_SANDBOX_BACKEND"),
        (None, {}, {"OPENWORK_BROWSER_PROVIDER": "mine"}, "OPENWORK_BROWSER_PROVIDER"),
        (None, {"opencode_base_url": "localhost:1"}, {}, "--opencode-base-url"),
        ({"workspaces": "ws"}, {}, {}, "workspaces in "),
        ({"workspaces": ["ws"]}, {}, {}, "workspaces in "),
        ({"workspaces": [{"path": ""}]}, {}, {}, "workspaces in "),
        ({"authorizedRoots": {"a": 1}}, {}, {}, "authorizedRoots in "),
        ({"token": ""}, {}, {}, "token in "),
        ({"hostToken": 5}, {}, {}, "hostToken in "),
        (None, {"token": " "}, {}, "--token"),
    ],
)
def test_a_bad_value_names_where_it_stands(place, file, flags, environ, named):
    with pytest.raises(UsageError) as caught:
        settle(place, file, flags, **environ)
    assert named in caught.value.message


def test_sandbox_and_browser_are_as_told_and_say_from_where(place):
    settings = settle(place)
    assert (settings.sandbox_enabled, settings.sandbox_backend) == (False, "none")
    assert settings.browser_provider == "none"
    told = {"OPENWORK_SANDBOX_ENABLED": "1", "OPENWORK_BROWSER_PROVIDER": "sandbox-headless"}
    settings = settle(place, {"sandboxBackend": "docker"}, {"sandbox_backend": "container"}, **told)
    assert (settings.sandbox_enabled, settings.sandbox_backend) == (True, "container")
    assert settings.browser_provider == "sandbox-headless"
    sources = settings.resolved.sources
    assert [sources[f"sandbox_{each}"] for each in ("enabled", "backend")] == ["env", "cli"]


def test_a_bad_secret_is_not_repeated(place):
    with pytest.raises(UsageError) as caught:
        settle(place, {"token": ["canary"]})
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_file_is_refused_and_left_alone(place, content):
    with pytest.raises(OpenWorkError) as caught:
        settle(place, content)
    assert caught.value.code == "file_damaged"
    assert str(place / "server.json") in caught.value.message
    assert (place / "server.json").read_text() == content


def test_only_a_file_named_by_flag_must_exist(place):
    assert settle(place).config_path == place / "server.json"
    with pytest.raises(OpenWorkError, match=r"nowhere\.json"):
        load({"config": str(place / "nowhere.json")}, {})


def test_tokens_are_made_up_where_absent_and_say_so(place):
    one, two = settle(place), settle(place, {"token": "given"})
    assert one.token_source == one.host_token_source == "generated"
    assert one.token.startswith("owt_")
    assert one.token != one.host_token != settle(place).host_token
    assert (two.token, two.token_source) == ("given", "file")


def test_paths_of_the_file_are_relative_to_the_file(place):
    settings = settle(
        place,
        {"workspaces": [{"path": "ws", "name": "Mine"}, {"path": "."}], "authorizedRoots": ["ws"]},
    )
    assert [each.path for each in settings.workspaces] == [place / "ws", place]
    assert settings.workspaces[0].name == "Mine"
    assert settings.authorized_roots == (place / "ws",)
    assert settings.token_store == place / "tokens.json"


def test_paths_given_by_hand_are_relative_to_here_and_replace_the_files(place, monkeypatch):
    monkeypatch.chdir(place)
    settings = settle(place, {"workspaces": [{"path": "."}]}, {"workspace": ("ws",)})
    assert [each.path for each in settings.workspaces] == [place / "ws"]
    listed = settle(place, OPENWORK_WORKSPACES=json.dumps([str(place), str(place / "ws")]))
    assert [each.path for each in listed.workspaces] == [place, place / "ws"]


def test_links_are_resolved(place):
    (place / "link").symlink_to(place / "ws")
    assert settle(place, {"workspaces": [{"path": "link"}]}).workspaces[0].path == place / "ws"


def test_an_entry_that_cannot_be_served_stops_no_other(place):
    (place / "file").write_text("x")
    paths = ["missing", "file", "ws", "file/below", "n" * 300, "a\0b", "\ud800", "~no-such-user/x"]
    settings = settle(place, {"workspaces": [{"path": path} for path in paths]})
    assert [each.path for each in settings.workspaces] == [place / "ws"]
    assert settings.authorized_roots == (place / "ws",)
    told = {each.path.removeprefix(f"{place}/"): each.problem for each in settings.unavailable}
    assert set(told) == set(paths) - {"ws"}
    assert told["missing"].reason == told["file/below"].reason == "it does not exist"
    assert str(place / "missing") in told["missing"].hint
    assert told["file"].reason == "it is not a folder"
    assert told["n" * 300].reason.startswith("it cannot be reached: ")
    assert all(told[path].reason.startswith("that is no path: ") for path in paths[5:])
    ids = [each.id for each in settings.unavailable]
    assert len(set(ids)) == len(ids)
    assert ids[0] == workspace_id(place / "missing")


REMOTE = {
    "path": "",
    "name": "Team",
    "workspaceType": "remote",
    "baseUrl": "https://me:canary@files.example.com/w/ws_1?token=canary#canary",
    "directory": "/work",
    "opencodeUsername": "canary-user",
    "opencodePassword": "canary",
    "openworkToken": "canary",
    "openworkHostToken": "canary",
    "remoteType": "openwork",
    "openworkWorkspaceName": "Reports",
    "openworkWorkspaceId": 7,
}


def test_a_remote_workspace_is_told_with_its_own_fields_and_no_secret(place):
    settings = settle(place, {"workspaces": [REMOTE]})
    assert settings.workspaces == ()
    body = settings.unavailable[0].to_json()
    assert "canary" not in json.dumps(body)
    problem = body.pop("unavailable")
    assert problem["reason"] == "it is a workspace of another server"
    assert "https://files.example.com/w/ws_1" in problem["hint"]
    assert body.pop("id").startswith("rem_")
    base_url = "https://files.example.com/w/ws_1"
    assert body == {
        "name": "Team",
        "path": "/work",
        "workspaceType": "remote",
        "baseUrl": base_url,
        "directory": "/work",
        "opencode": {"baseUrl": base_url, "directory": "/work"},
        "remoteType": "openwork",
        "openworkWorkspaceName": "Reports",
    }
    assert settings.unavailable[0].renamed(None).name == "Reports"


def test_a_remote_workspace_has_an_id_that_stays(place):
    def ids(*entries):
        return [each.id for each in settle(place, {"workspaces": list(entries)}).unavailable]

    other = REMOTE | {"directory": "/other"}
    one, two = ids(REMOTE, other)
    assert one != two
    assert ids(other | {"name": "x"}, REMOTE | {"opencodePassword": "new"}) == [two, one]
    assert ids(REMOTE | {"id": "rem_ws_1"}) == ["rem_ws_1"]
    for bad in ("../x", workspace_id(place), 5, "rem_" + "x" * 100):
        assert ids(REMOTE | {"id": bad}) == [one]


def test_a_remote_workspace_with_a_path_of_this_machine_is_remote(place):
    settings = settle(place, {"workspaces": [{"path": "ws", "workspaceType": "remote"}]})
    assert settings.workspaces == ()
    body = settings.unavailable[0].to_json()
    assert (body["workspaceType"], body["path"], body["name"]) == ("remote", "ws", "ws")


def test_what_is_named_by_hand_must_be_usable_in_part(place):
    (place / "file").write_text("x")
    for name, reason in (("missing", "does not exist"), ("file", "not a folder")):
        for flags, environ in (
            ({"workspace": (str(place / name),)}, {}),
            ({}, {"OPENWORK_WORKSPACES": str(place / name)}),
        ):
            with pytest.raises(OpenWorkError, match=reason) as caught:
                settle(place, None, flags, **environ)
            assert caught.value.code == "workspace_unusable"
            assert str(place / name) in caught.value.message
    settings = settle(place, None, {"workspace": (str(place / "missing"), str(place / "ws"))})
    assert [each.path for each in settings.workspaces] == [place / "ws"]
    assert [each.path for each in settings.unavailable] == [str(place / "missing")]
    assert settings.workspaces_from_file is False
    assert settle(place, {"workspaces": []}).workspaces_from_file is True


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_workspace_that_cannot_be_read_is_named(place):
    (place / "ws").chmod(0)
    (told,) = settle(place, {"workspaces": [{"path": "ws"}]}).unavailable
    assert told.problem.reason == "it cannot be read"


def test_an_engine_belongs_to_each_workspace(place):
    file = {
        "opencodeBaseUrl": "http://a:1/",
        "opencodePassword": "p",
        "workspaces": [{"path": "ws"}, {"path": ".", "baseUrl": "http://b:2", "directory": "/x"}],
    }
    first, second = (each.engine for each in settle(place, file).workspaces)
    assert first is not None
    assert second is not None
    assert (first.base_url, first.directory, first.password) == (
        "http://a:1",
        str(place / "ws"),
        "p",
    )
    assert (second.base_url, second.directory) == ("http://b:2", "/x")


@pytest.mark.parametrize(
    ("field", "value"),
    [("baseUrl", "nonsense"), ("baseUrl", 5), ("baseUrl", "http://h:99999"), ("name", 7)],
)
def test_a_wrong_field_of_a_workspace_is_named(tmp_path, field, value):
    config = tmp_path / "server.json"
    config.write_text(json.dumps({"workspaces": [{"path": str(tmp_path), field: value}]}))
    with pytest.raises(UsageError, match=field):
        load({"config": str(config)}, {})


def test_a_file_nested_without_end_is_damaged(tmp_path):
    config = tmp_path / "server.json"
    config.write_text('{"workspaces":' + "[" * 100_000)
    with pytest.raises(OpenWorkError) as caught:
        load({"config": str(config)}, {})
    assert caught.value.code == "file_damaged"
