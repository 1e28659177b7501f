"""Commands of a workspace: one markdown file each, never one that the engine refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import commands, frontmatter
from openwork.workspace.commands import NewCommand
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.workspace.documents import Listing


def write(folder: Path, name: str = "standup", template: str = "Write it", **fields) -> None:
    commands.plan(WorkspaceRoot(folder), NewCommand(name, template, **fields)).apply()


def listed(folder: Path) -> Listing[commands.Command]:
    return commands.list_commands(
        commands.workspace_folder(WorkspaceRoot(folder)), scope="workspace"
    )


def place(folder: Path) -> Path:
    path = folder / ".opencode/commands"
    path.mkdir(parents=True, exist_ok=True)
    return path


def refused(folder: Path, code: str, *arguments: str, **fields: str) -> None:
    with pytest.raises(OpenWorkError) as caught:
        write(folder, *arguments, **fields)
    assert caught.value.code == code


class TestListing:
    def test_a_folder_that_is_missing_holds_none(self, tmp_path):
        assert listed(tmp_path).to_json() == {"items": []}

    def test_items_come_by_file_name_and_carry_what_is_known(self, tmp_path):
        (place(tmp_path) / "b.md").write_text("Just text\n")
        (place(tmp_path) / "a.md").write_text(
            "---\ndescription: d\nagent: build\nmodel: a/b\nsubtask: true\n---\n\nDo $ARGUMENTS\n"
        )
        (place(tmp_path) / "notes.txt").write_text("no command")
        (place(tmp_path) / "folder.md").mkdir()
        assert listed(tmp_path).to_json()["items"] == [
            {"name": "a", "template": "Do $ARGUMENTS", "description": "d", "agent": "build",
             "model": "a/b", "subtask": True, "scope": "workspace"},
            {"name": "b", "template": "Just text", "model": None, "subtask": False,
             "scope": "workspace"},
        ]  # fmt: skip

    def test_a_null_model_is_listed_as_null(self, tmp_path):
        (place(tmp_path) / "a.md").write_text("---\nmodel: null\nname:\n---\nT\n")
        (item,) = listed(tmp_path).items
        assert (item.name, item.model) == ("a", None)

    def test_a_damaged_file_is_told_and_hides_no_other(self, tmp_path):
        (place(tmp_path) / "bad.md").write_text("---\nagent: [\n---\nT\n")
        (place(tmp_path) / "good.md").write_text("T\n")
        body: Any = listed(tmp_path).to_json()
        assert [each["name"] for each in body["items"]] == ["good"]
        assert [each["code"] for each in body["problems"]] == ["invalid_frontmatter"]


class TestWriting:
    def test_only_what_is_given_is_written(self, tmp_path):
        write(tmp_path, "/deploy", "\nDeploy\n", model=" a/b ", description=" ", agent=None)
        assert (place(tmp_path) / "deploy.md").read_text() == "---\nmodel: a/b\n---\nDeploy\n"
        write(tmp_path, "plain", "Text")
        assert (place(tmp_path) / "plain.md").read_text() == "Text\n"

    def test_an_update_keeps_other_keys_and_comments_and_drops_nulls(self, tmp_path):
        path = place(tmp_path) / "standup.md"
        path.write_text(
            "---\n# mine\nvariant: high # ours\nmodel: null\nagent: build\nfoo:\n---\nOld\n"
        )
        write(tmp_path, template="New", description="d")
        assert path.read_text() == "---\n# mine\nvariant: high # ours\ndescription: d\n---\nNew\n"

    def test_a_damaged_file_is_not_overwritten(self, tmp_path):
        path = place(tmp_path) / "standup.md"
        path.write_text("---\na: [\n---\nKept\n")
        refused(tmp_path, "invalid_frontmatter")
        assert "Kept" in path.read_text()

    def test_a_command_is_known_by_the_name_in_its_front_matter(self, tmp_path):
        path = place(tmp_path) / "file.md"
        path.write_text("---\nname: standup\n---\nOld\n")
        write(tmp_path, template="New")
        assert path.read_text() == "---\nname: standup\n---\nNew\n"
        refused(tmp_path, "name_taken", "file")
        assert commands.plan_removal(WorkspaceRoot(tmp_path), "file").apply() is None
        assert commands.plan_removal(WorkspaceRoot(tmp_path), "/standup").apply() == "removed"
        assert not path.exists()

    @pytest.mark.parametrize(
        "template", ["---\nmodel: null\n---\nT", "---", "\ufeff---\na: 1\n---\nT", "--- x\n---\nT"]
    )
    def test_a_template_cannot_pass_itself_off_as_front_matter(self, tmp_path, template):
        write(tmp_path, template=template)
        (item,) = listed(tmp_path).items
        assert item.model is None
        assert item.template == template
        path = place(tmp_path) / "standup.md"
        assert frontmatter.parse(path.read_text(), name="x").fields == {}

    @pytest.mark.parametrize(
        ("name", "template", "code"),
        [
            ("a b/c", "x", "invalid_command_name"),
            ("../x", "x", "invalid_command_name"),
            ("//x", "x", "invalid_command_name"),
            ("", "x", "invalid_command_name"),
            ("a\0", "x", "invalid_command_name"),
            ("a.b", "x", "invalid_command_name"),
            ("é", "x", "invalid_command_name"),
            ("x" * 101, "x", "invalid_command_name"),
            ("NUL", "x", "invalid_path"),
            ("x", " \n", "invalid_command_template"),
            ("x", "\ud800", "invalid_payload"),
            ("x", "x" * 1_000_001, "file_too_large"),
        ],
    )
    def test_what_is_wrong_is_refused_before_anything_is_written(
        self, tmp_path, name, template, code
    ):
        refused(tmp_path, code, name, template)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("link", [".opencode", ".opencode/commands", "file"])
    def test_links_out_of_the_workspace_are_not_followed(self, tmp_path, link):
        folder, outside = tmp_path / "workspace", tmp_path / "outside"
        (outside / "commands").mkdir(parents=True)
        secret = outside / "commands/standup.md"
        secret.write_text("secret")
        target = {".opencode": outside, ".opencode/commands": outside / "commands", "file": secret}
        path = folder / (link if link != "file" else ".opencode/commands/standup.md")
        path.parent.mkdir(parents=True)
        path.symlink_to(target[link])
        assert [each.code for each in listed(folder).problems] == ["invalid_path"]
        assert listed(folder).items == []
        refused(folder, "invalid_path")
        if link == "file":
            commands.plan_removal(WorkspaceRoot(folder), "standup").apply()
            assert not path.is_symlink()
        else:
            with pytest.raises(OpenWorkError, match="leads out"):
                commands.plan_removal(WorkspaceRoot(folder), "standup").apply()
        assert secret.read_text() == "secret"

    @given(
        st.text(max_size=60),
        st.text(max_size=20) | st.none(),
        st.text(max_size=20) | st.none(),
        st.booleans() | st.none(),
    )
    def test_what_is_written_is_listed_as_given(
        self, tmp_path_factory, template, description, model, subtask
    ):
        folder = tmp_path_factory.mktemp("command")
        try:
            write(folder, "x", template, description=description, model=model, subtask=subtask)
        except OpenWorkError as error:
            assert not template.strip() or error.code == "invalid_payload"  # noqa: PT017
            return
        (item,) = listed(folder).items
        assert item.description == ((description or "").strip() or None)
        assert item.model == ((model or "").strip() or None)
        assert item.subtask is bool(subtask)
        assert item.template == template.strip()
        document = frontmatter.parse((place(folder) / "x.md").read_bytes().decode(), name="x")
        assert None not in document.fields.values()
