"""Starter files: useful, valid, and never over what is there."""

from __future__ import annotations

import json

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, frontmatter, presets
from openwork.workspace.paths import WorkspaceRoot


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_every_preset_writes_files_that_can_be_read_again(tmp_path, preset):
    root = WorkspaceRoot(tmp_path)
    written = presets.lay_out(root, preset, "Reports")
    assert set(written) == {
        str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()
    }
    about = config.read_openwork(root)["workspace"]
    assert isinstance(about, dict)
    assert (about["name"], about["preset"]) == ("Reports", preset)
    settings = config.read_config(root)
    named = settings.get("default_agent")
    assert named is None or (tmp_path / f".opencode/agents/{named}.md").is_file()
    for path in tmp_path.rglob("*.md"):
        document = frontmatter.parse(path.read_text(), name=str(path))
        assert document.fields["description"]
        if path.name == "SKILL.md":
            assert document.fields["name"] == path.parent.name


def test_a_starter_brings_more_than_the_others(tmp_path):
    assert presets.starter_files("minimal") == {}
    assert set(presets.starter_files("automation")) < set(presets.starter_files("starter"))


def test_nothing_there_is_touched_and_a_second_time_writes_nothing(tmp_path):
    (tmp_path / "opencode.json").write_text('{"model": "mine/mine"}')
    (tmp_path / ".opencode").mkdir()
    (tmp_path / ".opencode" / "openwork.json").write_text("{}")
    root = WorkspaceRoot(tmp_path)
    written = presets.lay_out(root, "starter", "x")
    assert not {"opencode.json", "opencode.jsonc", ".opencode/openwork.json"} & set(written)
    assert (tmp_path / "opencode.json").read_text() == '{"model": "mine/mine"}'
    assert not (tmp_path / "opencode.jsonc").exists()
    assert presets.lay_out(root, "starter", "x") == []


def test_a_link_that_leads_out_is_refused(tmp_path):
    folder, outside = tmp_path / "w", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / ".opencode").symlink_to(outside)
    with pytest.raises(OpenWorkError) as caught:
        presets.lay_out(WorkspaceRoot(folder), "starter", "x")
    assert caught.value.code == "invalid_path"
    assert list(outside.iterdir()) == []


def test_another_word_is_no_preset():
    with pytest.raises(OpenWorkError) as caught:
        presets.preset_named("everything")
    assert caught.value.code == "invalid_payload"
    assert json.dumps(caught.value.to_json())
