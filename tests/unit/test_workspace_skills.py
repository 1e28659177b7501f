"""Skills of a workspace: where they are looked for, what counts, how one is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter, skills
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path


def text_of(name: str, description: str = "Does it", more: str = "", body: str = "Body\n") -> str:
    return f"---\nname: {name}\ndescription: {description}\n{more}---\n{body}"


def add(folder: Path, name: str, text: str | None = None) -> Path:
    path = folder / name / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text(text_of(name) if text is None else text)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """A workspace two folders below the one that holds .git."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    folder = tmp_path / "repository" / "packages" / "app"
    folder.mkdir(parents=True)
    return folder


def names(folder: Path, **options: bool) -> list[str]:
    return [item.name for item in skills.list_skills(WorkspaceRoot(folder), **options).items]


def refused(code: str, call: object) -> OpenWorkError:
    with pytest.raises(OpenWorkError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value


class TestSearch:
    def test_places_are_searched_from_the_workspace_up_to_git_then_the_users(self, folder, home):
        repository = folder.parent.parent
        for place in (
            folder / ".opencode/skills", folder / ".claude/skills",
            folder.parent / ".opencode/skills", folder.parent / ".claude/skills",
            repository / ".opencode/skills", repository / ".claude/skills",
            repository.parent / ".opencode/skills",
            home / ".config/opencode/skills", home / ".claude/skills",
            home / ".agents/skills", home / ".agent/skills",
        ):  # fmt: skip
            add(place, "same", text_of("same", str(place)))
            number = len(list(folder.parent.parent.parent.rglob("SKILL.md")))
            add(place, f"own-{number}")
        own = [f"own-{number}" for number in (1, 3, 5, 7, 9, 11)]
        found = skills.list_skills(WorkspaceRoot(folder)).items
        assert [item.name for item in found] == ["own-1", "same", *own[1:]]
        assert found[1].description == str(folder / ".opencode/skills")
        assert {item.scope for item in found} == {"project"}
        every = skills.list_skills(WorkspaceRoot(folder), include_global=True).items
        users = [item.name for item in every if item.scope == "global"]
        assert users == ["own-15", "own-17", "own-19", "own-21"]

    def test_a_workspace_that_holds_git_looks_no_further(self, folder):
        (folder / ".git").write_text("gitdir: elsewhere\n")
        add(folder.parent / ".opencode/skills", "above")
        assert names(folder) == []

    def test_skills_lie_flat_or_in_one_category(self, folder):
        place = folder / ".opencode/skills"
        add(place, "flat")
        add(place / "office", "letters")
        add(place / "office" / "deep", "too-deep")
        add(place / "flat", "inside-a-skill")
        add(place / ".hidden", "in-hidden")
        assert names(folder) == ["flat", "letters"]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (text_of("other"), "invalid_skill_name"),
            ("---\ndescription: x\n---\n", "invalid_skill_name"),
            ("---\nname: it\n---\n", "invalid_description"),
            (text_of("it", "x" * 1025), "invalid_description"),
            ("no front matter", "invalid_skill_name"),
            ("---\nname: [\n---\n", "invalid_frontmatter"),
            ("---\nname: it\n", "invalid_frontmatter"),
        ],
    )
    def test_an_invalid_skill_is_left_out_and_told(self, folder, text, code):
        path = add(folder / ".opencode/skills", "it", text)
        listing = skills.list_skills(WorkspaceRoot(folder))
        assert listing.items == []
        assert [(each.path, each.code) for each in listing.problems] == [(str(path), code)]
        refused(code, lambda: skills.read_skill(WorkspaceRoot(folder), "it"))

    def test_a_damaged_skill_hides_no_later_one(self, folder):
        add(folder / ".opencode/skills", "it", "damaged")
        add(folder / ".claude/skills", "it")
        assert names(folder) == ["it"]
        assert skills.read_skill(WorkspaceRoot(folder), "it")[1] == text_of("it")

    @pytest.mark.parametrize("link", ["place", "category", "skill", "file"])
    def test_a_link_out_of_the_workspace_is_not_followed(self, folder, tmp_path, link):
        outside = tmp_path / "outside"
        add(outside / "category", "it")
        place = folder / ".opencode/skills"
        source, target = {
            "place": (place, outside),
            "category": (place / "category", outside / "category"),
            "skill": (place / "it", outside / "category/it"),
            "file": (place / "it/SKILL.md", outside / "category/it/SKILL.md"),
        }[link]
        source.parent.mkdir(parents=True)
        source.symlink_to(target)
        listing = skills.list_skills(WorkspaceRoot(folder))
        assert listing.items == []
        assert [each.code for each in listing.problems] == ["invalid_path"]
        refused("skill_not_found", lambda: skills.read_skill(WorkspaceRoot(folder), "it"))
        refused("skill_not_found", lambda: skills.plan_removal(WorkspaceRoot(folder), "it"))
        if link != "category":
            planned = skills.plan(WorkspaceRoot(folder), "it", text_of("it", "new"), None)
            refused("invalid_path", planned.apply)
        assert (outside / "category/it/SKILL.md").read_text() == text_of("it")

    def test_a_link_inside_the_workspace_is_followed(self, folder):
        add(folder / "shared", "it")
        (folder / ".claude/skills").mkdir(parents=True)
        (folder / ".claude/skills/it").symlink_to("../../shared/it")
        assert names(folder) == ["it"]
        skills.plan_removal(WorkspaceRoot(folder), "it").apply()
        assert names(folder) == []
        assert (folder / "shared/it/SKILL.md").exists()

    def test_the_users_places_may_be_links_but_lead_nowhere_else(self, folder, home, tmp_path):
        add(tmp_path / "dotfiles/skills", "linked")
        add(tmp_path / "elsewhere", "stray")
        (tmp_path / "dotfiles/skills/stray").symlink_to(tmp_path / "elsewhere/stray")
        (home / ".claude").mkdir()
        (home / ".claude/skills").symlink_to(tmp_path / "dotfiles/skills")
        assert names(folder, include_global=True) == ["linked"]

    def test_pipes_and_folders_named_like_the_file_are_no_skills(self, folder):
        place = folder / ".opencode/skills"
        (place / "folder/SKILL.md").mkdir(parents=True)
        (place / "pipe").mkdir()
        os.mkfifo(place / "pipe/SKILL.md")
        assert names(folder) == []


class TestTrigger:
    @pytest.mark.parametrize(
        ("more", "body", "trigger"),
        [
            ("trigger: On Mondays\nwhen: never\n", "", "On Mondays"),
            ("when: On Mondays\n", "# When to use\nnever\n", "On Mondays"),
            ("", "# A\n\n## When to use\n\n- On Mondays\n- Else\n", "On Mondays"),
            ("", "### when to USE: ###\n1. On Mondays\n", "On Mondays"),
            ("", "# When to use\n\n# Steps\n\nGo\n", None),
            ("", "# When to use it not\nGo\n", None),
            ("", "When to use\nGo\n", None),
            ("trigger: 5\n", "", None),
        ],
    )
    def test_it_is_a_field_or_the_first_line_below_when_to_use(self, folder, more, body, trigger):
        add(folder / ".opencode/skills", "it", text_of("it", more=more, body=body))
        (item,) = skills.list_skills(WorkspaceRoot(folder)).items
        assert item.trigger == trigger
        assert item.to_json().get("trigger") == trigger


class TestWriting:
    def write(self, folder, name="it", content="Do it.", description=None):
        planned = skills.plan(WorkspaceRoot(folder), name, content, description)
        planned.apply()
        return planned

    def test_a_body_gets_front_matter(self, folder):
        planned = self.write(folder, content="\nDo it.", description=" Does: it ")
        assert planned.action == "added"
        path = folder / ".opencode/skills/it/SKILL.md"
        assert path.read_text() == "---\nname: it\ndescription: 'Does: it'\n---\nDo it.\n"
        assert self.write(folder, content="Again", description="x").action == "updated"

    def test_other_keys_and_comments_of_the_text_stay(self, folder):
        content = "---\n# mine\nlicense: MIT # ours\ndescription: d\n---\n\nBody"
        self.write(folder, content=content)
        written = (folder / ".opencode/skills/it/SKILL.md").read_text()
        assert written == "---\n# mine\nlicense: MIT # ours\ndescription: d\nname: it\n---\nBody\n"

    def test_a_body_alone_keeps_the_front_matter_that_is_there(self, folder):
        content = text_of("it", "old", "license: MIT # ours\n")
        path = add(folder / ".opencode/skills", "it", content)
        self.write(folder, content="New body")
        assert path.read_text() == content.replace("Body", "New body")

    def test_a_body_alone_is_refused_when_the_front_matter_there_is_damaged(self, folder):
        path = add(folder / ".opencode/skills", "it", "---\nname: [\n---\n")
        refused("invalid_frontmatter", lambda: self.write(folder, description="d"))
        assert path.read_text() == "---\nname: [\n---\n"
        self.write(folder, content=text_of("it"))
        assert path.read_text() == text_of("it")

    @pytest.mark.parametrize("place", [".opencode/skills", ".claude/skills", ".opencode/skills/x"])
    def test_a_skill_is_changed_and_deleted_where_it_lies(self, folder, place):
        path = add(folder / place, "it")
        self.write(folder, content=text_of("it", "new"))
        assert path.read_text() == text_of("it", "new")
        planned = skills.plan_removal(WorkspaceRoot(folder), "it")
        assert (planned.path.absolute, planned.apply()) == (path, "removed")
        assert not path.parent.exists()
        assert path.parent.parent.exists()

    def test_a_category_is_no_skill_to_delete(self, folder):
        add(folder / ".opencode/skills/office", "letters")
        refused("skill_not_found", lambda: skills.plan_removal(WorkspaceRoot(folder), "office"))
        assert names(folder) == ["letters"]

    def test_skills_of_others_are_shadowed_never_changed(self, folder, home):
        above = add(folder.parent / ".opencode/skills", "it")
        users = add(home / ".claude/skills", "it")
        refused("skill_not_found", lambda: skills.plan_removal(WorkspaceRoot(folder), "it"))
        assert self.write(folder, content=text_of("it", "mine")).action == "added"
        assert above.read_text() == users.read_text() == text_of("it")

    @pytest.mark.parametrize(
        ("name", "content", "description", "code"),
        [
            ("Bad Name!", "x", "d", "invalid_skill_name"),
            ("../evil", "x", "d", "invalid_skill_name"),
            ("a/b", "x", "d", "invalid_skill_name"),
            ("a\0", "x", "d", "invalid_skill_name"),
            ("", "x", "d", "invalid_skill_name"),
            ("-a", "x", "d", "invalid_skill_name"),
            ("a--b", "x", "d", "invalid_skill_name"),
            ("é", "x", "d", "invalid_skill_name"),
            ("a\n", " ", "d", "invalid_skill_content"),
            ("x" * 65, "x", "d", "invalid_skill_name"),
            ("con", "x", "d", "invalid_path"),
            ("it", text_of("other"), "d", "invalid_skill_name"),
            ("it", "", "d", "invalid_skill_content"),
            ("it", "x", None, "invalid_description"),
            ("it", "x", " ", "invalid_description"),
            ("it", "x", "d" * 1025, "invalid_description"),
            ("it", "---\n- a\n---\n", "d", "invalid_frontmatter"),
            ("it", "x\ud800", "d", "invalid_payload"),
            ("it", "x", "\ud800", "invalid_payload"),
            ("it", "x" * 1_000_001, "d", "file_too_large"),
        ],
    )
    def test_what_is_wrong_is_refused_before_anything_is_written(
        self, folder, name, content, description, code
    ):
        refused(code, lambda: self.write(folder, name, content, description))
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("name", ["2024-01-31", "123", "1e5", "null", "true", "0x1f", "no"])
    def test_a_name_that_yaml_takes_for_something_else_is_quoted(self, folder, name):
        content = f"---\nname: {name}\ndescription: 2024-01-31\n---\nBody\n"
        self.write(folder, name=name, content=content)
        written = (folder / f".opencode/skills/{name}/SKILL.md").read_text()
        assert f"name: '{name}'" in written or f'name: "{name}"' in written
        assert frontmatter.parse(written, name="x").dates() == []
        assert names(folder) == [name]

    @given(st.text(max_size=60), st.text(min_size=1, max_size=60))
    def test_what_is_written_is_listed_or_was_refused(self, tmp_path_factory, content, description):
        folder = tmp_path_factory.mktemp("skill")
        (folder / ".git").mkdir()
        try:
            self.write(folder, content=content, description=description)
        except OpenWorkError:
            return
        (item,) = skills.list_skills(WorkspaceRoot(folder)).items
        assert item.name == "it"
