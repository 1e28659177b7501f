"""The settings file: changed whole or not at all, made for a first workspace, never emptied."""

from __future__ import annotations

import json
import stat

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.ids import workspace_id
from openwork.server.config_store import ConfigStore
from openwork.server.registry import Registry, Workspace
from openwork.server.unavailable import build_unavailable, remote_problem
from openwork.workspace.paths import WorkspaceRoot


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "w").mkdir()
    return tmp_path / "w"


@pytest.fixture
def workspace(folder):
    root = WorkspaceRoot(folder)
    return Workspace(workspace_id(folder), "Reports", root, None, "Reports", "starter")


def stored(path):
    return json.loads(path.read_text())


ENTRY = {"name": "Reports", "displayName": "Reports", "preset": "starter"}


def test_a_file_that_is_not_there_is_made_for_the_first_workspace_and_holds_nothing_else(
    tmp_path, folder, workspace
):
    path = tmp_path / "new" / "config" / "server.json"
    store = ConfigStore(path)
    store.check()
    assert store.rename(workspace) is False
    assert store.activate(workspace) is False
    assert store.remove(workspace) is False
    assert not path.parent.exists()
    assert store.add(workspace) is True
    assert stored(path) == {"workspaces": [{"path": str(folder), **ENTRY}]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["server.json"]
    assert store.remove(workspace) is True
    assert stored(path) == {"workspaces": []}


def test_a_file_that_cannot_be_made_is_told(tmp_path, workspace):
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenWorkError) as caught:
        ConfigStore(tmp_path / "file" / "below" / "server.json").add(workspace)
    assert caught.value.code == "server_config_read_failed"
    store = ConfigStore(tmp_path / "dir")
    (tmp_path / "dir").mkdir()
    with pytest.raises(OpenWorkError) as caught:
        store.add(workspace)
    assert caught.value.code == "server_config_read_failed"


def test_where_the_workspaces_are_named_elsewhere_no_file_is_made_and_none_counts(
    tmp_path, folder, workspace
):
    path = tmp_path / "server.json"
    store = ConfigStore(path, in_use=False)
    assert store.add(workspace) is False
    assert not path.exists()
    path.write_text("{}")
    assert store.add(workspace) is False
    assert stored(path)["workspaces"][0]["path"] == str(folder)  # kept up for another start
    assert store.activate(workspace) is False
    assert store.remove(workspace) is False
    assert stored(path) == {"workspaces": []}


def test_the_active_one_is_put_first(tmp_path, folder, workspace):
    path = tmp_path / "server.json"
    path.write_text('{"workspaces": [{"path": "a"}, {"path": "w", "x": 1}, {"path": "b"}]}')
    assert ConfigStore(path).activate(workspace) is True
    assert [each["path"] for each in stored(path)["workspaces"]] == ["w", "a", "b"]
    path.write_text('{"workspaces": [{"path": "a"}]}')
    assert ConfigStore(path).activate(workspace) is False


def test_a_text_that_is_no_character_stays_as_it_was_written(tmp_path, workspace):
    path = tmp_path / "server.json"
    path.write_text(r'{"workspaces": [{"path": "a\ud800b"}]}')
    ConfigStore(path).add(workspace)
    assert r'"a\ud800b"' in path.read_text()
    assert stored(path)["workspaces"][1] == {"path": "a\ud800b"}


def test_a_workspace_is_added_renamed_and_removed_beside_what_is_unknown(
    tmp_path, folder, workspace
):
    path = tmp_path / "server.json"
    other = {"path": "elsewhere", "name": "b", "opencodePassword": "kept", "odd": [1]}
    path.write_text(
        json.dumps({"future": {"x": 1}, "workspaces": [other], "authorizedRoots": ["/r"]})
    )
    path.chmod(0o644)
    store = ConfigStore(path)
    assert store.add(workspace) is True
    entry = {"path": str(folder), "name": "Reports", "displayName": "Reports", "preset": "starter"}
    assert stored(path) == {
        "future": {"x": 1},
        "workspaces": [entry, other],
        "authorizedRoots": ["/r", str(folder)],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    once = path.read_bytes()
    store.add(workspace)
    assert path.read_bytes() == once
    store.rename(Workspace(workspace.id, "w", workspace.root, None))
    assert stored(path)["workspaces"][0] == {"path": str(folder), "name": "w", "preset": "starter"}
    assert store.remove(workspace) is True
    assert stored(path) == {"future": {"x": 1}, "workspaces": [other], "authorizedRoots": ["/r"]}


def test_an_entry_is_known_by_its_real_folder_and_keeps_its_keys(tmp_path, folder, workspace):
    path = tmp_path / "server.json"
    (tmp_path / "link").symlink_to(folder)
    path.write_text(
        json.dumps({"workspaces": [{"path": "link", "baseUrl": "http://e:1"}, {"path": "./w"}]})
    )
    ConfigStore(path).add(workspace)
    assert stored(path)["workspaces"][0]["baseUrl"] == "http://e:1"
    ConfigStore(path).remove(workspace)
    assert stored(path)["workspaces"] == []


def test_authorised_roots_that_follow_from_the_workspaces_stay_unsaid(tmp_path, workspace):
    path = tmp_path / "server.json"
    path.write_text("{}")
    ConfigStore(path).add(workspace)
    assert "authorizedRoots" not in stored(path)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{broken", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"workspaces": {}}', "invalid_json"),
        ('{"workspaces": ["a"]}', "invalid_json"),
        ('{"authorizedRoots": "x"}', "invalid_json"),
        ("\udcff", "server_config_read_failed"),
    ],
)
def test_a_damaged_file_is_told_and_left_alone(tmp_path, workspace, text, code):
    path = tmp_path / "server.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    store = ConfigStore(path)
    for change in (store.check, lambda: store.add(workspace), lambda: store.remove(workspace)):
        with pytest.raises(OpenWorkError) as caught:
            change()
        assert caught.value.code == code
        assert str(path) in caught.value.message
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if "tmp" in each.name] == []


def test_a_link_to_the_file_stays_a_link(tmp_path, workspace):
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "server.json"
    real.write_text("{}")
    link = tmp_path / "server.json"
    link.symlink_to(real)
    ConfigStore(link).add(workspace)
    assert link.is_symlink()
    assert stored(real)["workspaces"][0]["name"] == "Reports"


def test_removing_a_remote_one_takes_no_folder_of_this_machine_along(tmp_path, folder):
    path = tmp_path / "server.json"
    remote = {"path": str(folder), "workspaceType": "remote", "baseUrl": "http://h:1"}
    local = {"path": str(folder)}
    path.write_text(json.dumps({"workspaces": [remote, local], "authorizedRoots": [str(folder)]}))
    gone = build_unavailable(remote, tmp_path, str(folder), remote_problem(remote), None)
    registry = Registry((), (folder,), (gone,))
    assert ConfigStore(path).remove(gone) is True
    registry.remove(gone.id)
    assert stored(path) == {"workspaces": [local], "authorizedRoots": [str(folder)]}
    assert registry.roots == (folder,)
