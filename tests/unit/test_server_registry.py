"""The workspaces in order, their names and roots, and who is told of changes."""

from __future__ import annotations

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server.registry import Registry, build_workspace
from openwork.server.unavailable import Problem, build_unavailable
from openwork.server.workspace_settings import WorkspaceSetting


@pytest.fixture
def settings(tmp_path):
    made = []
    for name in "abc":
        (tmp_path / name).mkdir()
        made.append(WorkspaceSetting(tmp_path / name, name, None))
    return made


def names(registry):
    return [each.name for each in registry.all()]


def test_adding_puts_first_authorises_and_tells_once(settings):
    registry = Registry(tuple(settings[:2]))
    told = []
    registry.on_add(told.append)
    new = build_workspace(settings[2])
    registry.add(new)
    registry.add(new)
    assert names(registry) == ["c", "a", "b"]
    assert registry.active_id == new.id
    assert registry.roots == tuple(each.path for each in settings)
    assert told == [new]


def test_removing_tells_and_takes_the_root_only_when_it_is_the_folder_itself(settings, tmp_path):
    registry = Registry(tuple(settings), (tmp_path, settings[0].path))
    told = []
    registry.on_remove(told.append)
    gone = registry.remove(build_workspace(settings[0]).id)
    assert told == [gone]
    assert registry.roots == (tmp_path,)
    assert names(registry) == ["b", "c"]
    for act in (registry.get, registry.remove, registry.activate):
        with pytest.raises(OpenWorkError) as caught:
            act(gone.id)
        assert caught.value.code == "workspace_not_found"


def test_the_last_one_leaves_none_active(settings):
    registry = Registry((settings[0],))
    registry.remove(registry.all()[0].id)
    assert (registry.active, registry.active_id, registry.to_json()) == (None, None, [])


def test_a_name_is_given_and_taken_back_and_the_order_stays(settings):
    registry = Registry(tuple(settings))
    key = registry.all()[1].id
    assert registry.rename(key, "Reports").to_json()["displayName"] == "Reports"
    assert names(registry) == ["a", "Reports", "c"]
    assert "displayName" not in registry.rename(key, None).to_json()
    assert names(registry) == ["a", "b", "c"]


def test_what_cannot_be_served_comes_last_and_is_never_the_active_one(settings, tmp_path):
    problem = Problem("it does not exist", "Create it")
    gone = build_unavailable({"path": "gone"}, tmp_path, f"{tmp_path}/gone", problem, None)
    registry = Registry((settings[0],), (tmp_path,), (gone,))
    assert [each["name"] for each in registry.to_json()] == ["a", "gone"]
    assert names(registry) == ["a"]
    for act in (registry.get, registry.activate):
        with pytest.raises(OpenWorkError) as caught:
            act(gone.id)
        assert (caught.value.code, caught.value.status) == ("workspace_unavailable", 409)
    assert registry.rename(gone.id, "Later").name == registry.named(gone.id).name == "Later"
    told = []
    registry.on_add(told.append)
    (tmp_path / "gone").mkdir()
    back = build_workspace(WorkspaceSetting(tmp_path / "gone", "gone", None))
    registry.add(back)
    assert (registry.get(gone.id), told) == (back, [back])
    assert len(registry.to_json()) == 2
    registry = Registry((settings[0],), None, (gone,))
    registry.remove(gone.id)
    assert [each["name"] for each in registry.to_json()] == ["a"]
