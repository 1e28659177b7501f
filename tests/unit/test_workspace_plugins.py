"""Plugins: one a package, whatever its version; the rest of the file stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import jsonc, plugins
from openwork.workspace.paths import WorkspaceRoot


def parsed(text) -> Any:
    return jsonc.parse(text)


TEXT = """{
  // why this one
  "plugin": ["a@1.0.0", /* kept */ ["b", {"key": 1}]],
  "model": "x/y", // trailing
}
"""


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("name", "name"),
        ("name@1.2.3", "name"),
        (" @scope/name@latest ", "@scope/name"),
        ("@scope/name", "@scope/name"),
        ("name@npm:other@1", "name"),
        ("file:///home/a@b/plugin.js", "file:///home/a@b/plugin.js"),
        ("git+ssh://git@host/x.git", "git+ssh://git@host/x.git"),
        ("https://user@host/x.tgz", "https://user@host/x.tgz"),
        ("./local@1.js", "./local@1.js"),
        ("/abs/p@1.js", "/abs/p@1.js"),
    ],
)
def test_a_version_is_not_part_of_the_name(spec, name):
    assert plugins.package_name(spec) == name


@pytest.mark.parametrize(
    "spec", ["", "  ", "a\0b", "a\nb", "--registry=http://evil", "\ud800", "x" * 3000]
)
def test_a_spec_that_can_name_nothing_is_refused(spec):
    with pytest.raises(OpenWorkError) as caught:
        plugins.check_spec(spec)
    assert (caught.value.code, caught.value.status) == ("invalid_plugin_spec", 400)


def test_adding_a_known_package_changes_nothing_and_a_new_one_keeps_every_comment():
    for spec in ("a", "a@2.0.0", "b@9"):
        assert plugins.add(TEXT, spec) == TEXT
    added = plugins.add(TEXT, "@c/d@1")
    assert parsed(added) == {
        "plugin": ["a@1.0.0", ["b", {"key": 1}], "@c/d@1"],
        "model": "x/y",
    }
    for comment in ("// why this one", "/* kept */", "// trailing"):
        assert comment in added


def test_removing_takes_every_version_and_what_is_absent_is_fine():
    assert plugins.remove(TEXT, "never-was") == TEXT
    assert plugins.remove('{"plugin": "a@1"}', "never-was") == '{"plugin": "a@1"}'
    left = plugins.remove(plugins.add(TEXT, "c"), "a@77")
    assert parsed(left)["plugin"] == [["b", {"key": 1}], "c"]
    assert parsed(plugins.remove('{"plugin": "a@1"}', "a"))["plugin"] == []


def test_a_single_name_becomes_a_list_and_anything_else_is_told():
    assert parsed(plugins.add('{"plugin": "a"}', "b"))["plugin"] == ["a", "b"]
    with pytest.raises(OpenWorkError) as caught:
        plugins.add('{"plugin": {"a": 1}}', "b")
    assert (caught.value.code, caught.value.status) == ("invalid_config", 422)


@given(
    st.lists(st.sampled_from(["a", "b@1", "@s/c@2", "d"]), unique=True), st.sampled_from("abcdxyz")
)
def test_adding_twice_is_adding_once_and_removing_undoes_it(present, name):
    text = jsonc.dump({"plugin": list(present), "other": [1]})
    once = plugins.add(text, name)
    assert plugins.add(once, f"{name}@5") == once
    gone = parsed(plugins.remove(once, name))
    assert gone == {
        "plugin": [each for each in present if plugins.package_name(each) != name],
        "other": [1],
    }


def test_the_listing_names_files_and_the_users_own_in_load_order(tmp_path):
    folder, home = tmp_path / "w", tmp_path / "home"
    (folder / ".opencode" / "plugins").mkdir(parents=True)
    (folder / ".opencode" / "plugins" / "mine.ts").write_text("")
    (folder / ".opencode" / "plugins" / "README.md").write_text("")
    (folder / ".opencode" / "plugins" / "out.js").symlink_to("/etc/hostname")
    (folder / "opencode.json").write_text('{"plugin": ["p@1"]}')
    users = home / ".config" / "opencode"
    (users / "plugins").mkdir(parents=True)
    (users / "plugins" / "theirs.js").write_text("")
    (users / "opencode.json").write_text('{"plugin": "g"}')
    root = WorkspaceRoot(folder)
    mine = plugins.list_plugins(root, home=home)
    assert [(each.spec, each.source, each.path) for each in mine] == [
        ("p@1", "config", None),
        (f"file://{folder}/.opencode/plugins/mine.ts", "dir.project", ".opencode/plugins/mine.ts"),
    ]
    everything = plugins.list_plugins(root, include_global=True, home=home)
    assert [(each.source, each.scope) for each in everything] == [
        ("config", "global"),
        ("config", "project"),
        ("dir.global", "global"),
        ("dir.project", "project"),
    ]


def test_a_login_in_an_address_is_for_owners():
    plugin = plugins.Plugin("git+https://me:s3cretpassw0rd@host/x.git", "config", "project")
    assert "s3cretpassw0rd" not in plugin.to_json(secrets=False)["spec"]
    assert "s3cretpassw0rd" in plugin.to_json(secrets=True)["spec"]
    assert "s3cretpassw0rd" not in plugins.shown_name(plugin.spec)
