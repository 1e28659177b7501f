"""The engine's configuration and openwork.json of a workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, jsonc
from openwork.workspace.paths import SafePath, WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path


def edit(root, change):
    config.apply([config.plan_edit(root, change)])


COMMENTED = """\
{
  "$schema": "https://opencode.ai/config.json",
  // who may do what
  "permission": {
    "edit": "ask" // people look first
  },
  "theme": "dark",
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


@pytest.fixture
def root(folder: Path) -> WorkspaceRoot:
    return WorkspaceRoot(folder)


def written(root: WorkspaceRoot, **patches: Any) -> list[SafePath]:
    return config.apply(config.plan(root, **patches))


def refusal_of(root: WorkspaceRoot, **patches: Any) -> OpenWorkError:
    with pytest.raises(OpenWorkError) as caught:
        written(root, **patches)
    return caught.value


class TestReading:
    def test_an_empty_workspace_has_empty_configuration(self, root: WorkspaceRoot):
        assert config.read_config(root) == {}
        assert config.read_openwork(root) == {}

    def test_jsonc_comes_before_json(self, root: WorkspaceRoot, folder: Path):
        (folder / "opencode.json").write_text('{"from": "json"}')
        assert config.read_config(root) == {"from": "json"}
        (folder / "opencode.jsonc").write_text('{"from": "jsonc"} // c')
        assert config.read_config(root) == {"from": "jsonc"}

    @pytest.mark.parametrize("content", [b'{"a": 1', b"[]", b"", b'{"a": "\xff"}', b"null"])
    def test_a_damaged_engine_configuration_is_named(
        self, root: WorkspaceRoot, folder: Path, content: bytes
    ):
        (folder / "opencode.jsonc").write_bytes(content)
        with pytest.raises(OpenWorkError, match=r"opencode\.jsonc") as caught:
            config.read_config(root)
        assert (caught.value.code, caught.value.status) == ("invalid_jsonc", 422)
        assert set(caught.value.details[0]) == {"code", "offset", "length"}

    @pytest.mark.parametrize(
        "content", [b"{", b"[]", b"", b'{"a": NaN}', b"\xff", b"// c\n{}", b"[" * 100_000]
    )
    def test_a_damaged_openwork_file_is_named(
        self, root: WorkspaceRoot, folder: Path, content: bytes
    ):
        (folder / ".opencode").mkdir()
        (folder / ".opencode/openwork.json").write_bytes(content)
        with pytest.raises(OpenWorkError, match=r"openwork\.json") as caught:
            config.read_openwork(root)
        assert (caught.value.code, caught.value.status) == ("invalid_json", 422)

    def test_a_link_out_of_the_workspace_is_refused(
        self, root: WorkspaceRoot, folder: Path, tmp_path: Path
    ):
        (tmp_path / "elsewhere.json").write_text("{}")
        (folder / "opencode.jsonc").symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises(OpenWorkError) as caught:
            config.read_config(root)
        assert caught.value.code == "invalid_path"
        assert refusal_of(root, opencode={"a": 1}).code == "invalid_path"
        assert (tmp_path / "elsewhere.json").read_text() == "{}"


class TestPatchingTheEngine:
    def test_a_missing_file_is_made_with_its_schema(self, root: WorkspaceRoot, folder: Path):
        paths = written(root, opencode={"theme": "x"})
        assert [path.relative for path in paths] == ["opencode.jsonc"]
        assert (folder / "opencode.jsonc").read_text() == (
            '{\n  "$schema": "https://opencode.ai/config.json",\n  "theme": "x"\n}\n'
        )

    def test_an_existing_json_file_is_used(self, root: WorkspaceRoot, folder: Path):
        (folder / "opencode.json").write_text('{\n  "theme": "x"\n}\n')
        written(root, opencode={"theme": "y"})
        assert (folder / "opencode.json").read_text() == '{\n  "theme": "y"\n}\n'
        assert not (folder / "opencode.jsonc").exists()

    def test_keys_are_replaced_in_place(self, root: WorkspaceRoot, folder: Path):
        (folder / "opencode.jsonc").write_text(COMMENTED)
        written(root, opencode={"theme": "light", "plugin": ["a"]})
        assert (folder / "opencode.jsonc").read_text() == COMMENTED.replace(
            '"dark",\n', '"light",\n  "plugin": [\n    "a"\n  ],\n'
        )

    def test_of_permission_only_external_directory_is_written(
        self, root: WorkspaceRoot, folder: Path
    ):
        (folder / "opencode.jsonc").write_text(COMMENTED)
        patch = {"permission": {"edit": "ask", "external_directory": {"/data/*": "allow"}}}
        written(root, opencode=patch)
        assert config.read_config(root)["permission"] == {
            "edit": "ask",
            "external_directory": {"/data/*": "allow"},
        }
        assert "// people look first" in (folder / "opencode.jsonc").read_text()

    @pytest.mark.parametrize("patch", [{"edit": "allow"}, {"webfetch": "deny"}, {"edit": None}])
    def test_another_permission_is_refused_not_dropped(
        self, root: WorkspaceRoot, folder: Path, patch: dict[str, Any]
    ):
        (folder / "opencode.jsonc").write_text(COMMENTED)
        with pytest.raises(OpenWorkError, match="cannot be changed here") as caught:
            written(root, opencode={"permission": patch, "theme": "light"})
        assert caught.value.code == "invalid_payload"
        assert (folder / "opencode.jsonc").read_text() == COMMENTED

    @pytest.mark.parametrize("patch", [{}, {"external_directory": None}])
    def test_without_it_external_directory_goes(
        self, root: WorkspaceRoot, folder: Path, patch: dict[str, Any]
    ):
        (folder / "opencode.jsonc").write_text(COMMENTED)
        allow = {"permission": {"external_directory": {"/data/*": "allow"}}}
        written(root, opencode=allow)
        written(root, opencode={"permission": patch})
        assert (folder / "opencode.jsonc").read_text() == COMMENTED
        (folder / "opencode.jsonc").write_text("{}")
        written(root, opencode=allow)
        written(root, opencode={"permission": patch})
        assert config.read_config(root) == {}

    def test_the_short_form_of_permission_is_spelled_out(self, root: WorkspaceRoot, folder: Path):
        (folder / "opencode.jsonc").write_text('{"permission": "ask"}')
        written(root, opencode={"permission": {"external_directory": "deny"}})
        permission = config.read_config(root)["permission"]
        assert json.dumps(permission) == '{"*": "ask", "external_directory": "deny"}'

    @pytest.mark.parametrize(
        "patch",
        [
            [],
            "x",
            1,
            {"permission": "allow"},
            {"permission": None},
            {"permission": {"external_directory": "maybe"}},
            {"permission": {"external_directory": ["/data"]}},
            {"permission": {"external_directory": {"/data": True}}},
            {"theme": float("nan")},
        ],
    )
    def test_a_patch_of_the_wrong_shape_is_refused(
        self, root: WorkspaceRoot, folder: Path, patch: Any
    ):
        error = refusal_of(root, opencode=patch)
        assert (error.code, error.status) == ("invalid_payload", 400)
        assert list(folder.iterdir()) == []

    def test_nothing_is_written_when_nothing_changes(self, root: WorkspaceRoot, folder: Path):
        assert written(root, opencode={}) == []
        assert written(root, opencode={"permission": {}}) == []
        assert list(folder.iterdir()) == []
        (folder / "opencode.jsonc").write_text(COMMENTED)
        assert written(root, opencode={"theme": "dark"}) == []

    def test_a_damaged_file_is_left_alone(self, root: WorkspaceRoot, folder: Path):
        (folder / "opencode.jsonc").write_text('{"a": 1')
        assert refusal_of(root, opencode={"a": 2}).code == "invalid_jsonc"
        assert (folder / "opencode.jsonc").read_text() == '{"a": 1'

    def test_other_parts_edit_the_text(self, root: WorkspaceRoot, folder: Path):
        edit(root, lambda text: jsonc.set_value(text, ["mcp", "x", "type"], "local"))
        assert config.read_config(root)["mcp"] == {"x": {"type": "local"}}
        edit(root, lambda text: jsonc.remove(text, ["mcp"]))
        assert (folder / "opencode.jsonc").read_text() == config.NEW_CONFIG_TEXT

    def test_removing_from_a_missing_file_makes_none(self, root: WorkspaceRoot, folder: Path):
        edit(root, lambda text: jsonc.remove(text, ["mcp", "x"]))
        assert list(folder.iterdir()) == []

    def test_a_minimal_file_is_made_once(self, root: WorkspaceRoot, folder: Path):
        assert config.ensure_config(root)
        assert not config.ensure_config(root)
        assert (folder / "opencode.jsonc").read_text() == config.NEW_CONFIG_TEXT


class TestPatchingOpenwork:
    def test_keys_are_merged_at_the_top(self, root: WorkspaceRoot, folder: Path):
        written(root, openwork={"reload": {"auto": True}, "note": "hi"})
        written(root, openwork={"reload": {"resume": True}, "half": "\ud800"})
        assert config.read_openwork(root) == {
            "reload": {"resume": True},
            "note": "hi",
            "half": "\ud800",
        }
        assert (folder / ".opencode/openwork.json").read_text().endswith("}\n")

    def test_a_damaged_file_is_left_alone(self, root: WorkspaceRoot, folder: Path):
        (folder / ".opencode").mkdir()
        (folder / ".opencode/openwork.json").write_text("{")
        assert refusal_of(root, openwork={"a": 1}).code == "invalid_json"
        assert (folder / ".opencode/openwork.json").read_text() == "{"


class TestBothAtOnce:
    def test_neither_is_refused(self, root: WorkspaceRoot):
        assert refusal_of(root).code == "invalid_payload"

    def test_both_are_checked_before_either_is_written(self, root: WorkspaceRoot, folder: Path):
        assert refusal_of(root, opencode={"a": 1}, openwork=[]).code == "invalid_payload"
        (folder / ".opencode").mkdir()
        (folder / ".opencode/openwork.json").write_text("{")
        assert refusal_of(root, opencode={"a": 1}, openwork={"b": 1}).code == "invalid_json"
        assert not (folder / "opencode.jsonc").exists()

    @pytest.mark.parametrize("before", [None, COMMENTED])
    def test_the_first_is_put_back_when_the_second_cannot_be_written(
        self, root: WorkspaceRoot, folder: Path, before: str | None
    ):
        if before is not None:
            (folder / "opencode.jsonc").write_text(before)
        writes = config.plan(root, opencode={"a": 1}, openwork={"b": 1})
        (folder / ".opencode").write_text("a file where the folder should be")
        with pytest.raises(OpenWorkError):
            config.apply(writes)
        path = folder / "opencode.jsonc"
        assert (path.read_text() if path.exists() else None) == before
