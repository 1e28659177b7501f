"""What the engine reads of a workspace, and what changed in it."""

from __future__ import annotations

import os
import shutil

import pytest

from openwork.workspace import watcher
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.watcher import EMPTY, compare, scan


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return WorkspaceRoot(folder)


def put(root, path, text="x"):
    file = root.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


class Watch:
    """Says what changed since it was asked last."""

    def __init__(self, root):
        self.root = root
        self.seen = scan(root)

    def changed(self):
        before, self.seen = self.seen, scan(self.root, self.seen)
        return [
            (each.reason, each.name, each.action, each.path) for each in compare(before, self.seen)
        ]


@pytest.mark.parametrize(
    ("path", "reason", "name"),
    [
        ("opencode.json", "config", None),
        ("opencode.jsonc", "config", None),
        (".opencode/openwork.json", "config", None),
        ("AGENTS.md", "agents", None),
        (".opencode/skills/notes/SKILL.md", "skills", "notes"),
        (".opencode/skills/writing/notes/SKILL.md", "skills", "notes"),
        (".claude/skills/notes/SKILL.md", "skills", "notes"),
        (".opencode/commands/deploy.md", "commands", "deploy"),
        (".opencode/plugins/log.ts", "plugins", "log"),
        (".opencode/agents/reviewer.md", "agents", "reviewer"),
        (".opencode/agent/reviewer.md", "agents", "reviewer"),
    ],
)
def test_each_kind_is_seen_to_come_change_and_go(root, path, reason, name):
    watch = Watch(root)
    file = put(root, path, "one")
    assert watch.changed() == [(reason, name, "added", path)]
    assert watch.changed() == []
    put(root, path, "two")
    assert watch.changed() == [(reason, name, "updated", path)]
    file.unlink()
    assert watch.changed() == [(reason, name, "removed", path)]


@pytest.mark.parametrize(
    "path",
    [
        "src/opencode.json", "notes.md", ".opencode/other.json", ".opencode/skills/.git/x",
        ".opencode/node_modules/x/SKILL.md", ".opencode/plugins/node_modules/a.js",
        ".opencode/openwork/inbox/a",
        ".opencode/skills/notes/.DS_Store", ".opencode/commands/Thumbs.db",
        ".opencode/commands/.openwork-0123456789abcdef.tmp", ".opencode/commands/.a.md.swp",
        ".opencode/commands/a.md~",
    ],
)  # fmt: skip
def test_what_the_engine_does_not_read_is_no_change(root, path):
    put(root, ".opencode/skills/notes/SKILL.md")
    watch = Watch(root)
    put(root, path)
    assert watch.changed() == []
    assert not watch.seen.concerns(root.path / path)


def test_a_rewrite_with_the_same_content_is_no_change(root):
    file = put(root, "opencode.json", "{}")
    watch = Watch(root)
    file.write_text("{}")
    os.utime(file, (1, 1))
    assert watch.changed() == []
    replacement = put(root, "other", "{}")
    replacement.replace(file)
    assert watch.changed() == []


def test_a_change_that_shows_in_no_size_and_no_time_is_seen(root):
    file = put(root, "opencode.json", "{1}")
    watch = Watch(root)
    before = file.stat()
    for text in ("{2}", "{3}", "{4}"):
        file.write_text(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert len(watch.changed()) == 1


def test_a_skills_other_files_belong_to_it_and_it_counts_once(root):
    put(root, ".opencode/skills/notes/SKILL.md")
    watch = Watch(root)
    put(root, ".opencode/skills/notes/scripts/a.py")
    assert watch.changed() == [
        ("skills", "notes", "updated", ".opencode/skills/notes/scripts/a.py")
    ]
    put(root, ".opencode/skills/new/A.md")
    put(root, ".opencode/skills/new/SKILL.md")
    assert watch.changed() == [("skills", "new", "added", ".opencode/skills/new/SKILL.md")]
    shutil.rmtree(root.path / ".opencode/skills/notes")
    assert watch.changed() == [("skills", "notes", "removed", ".opencode/skills/notes/SKILL.md")]


def test_only_folders_that_matter_are_watched_however_large_the_workspace(root):
    for n in range(50):
        put(root, f"src/{n}/a.py")
    put(root, ".opencode/skills/notes/SKILL.md")
    put(root, ".opencode/node_modules/x/y/z.js")
    found = {str(each.relative_to(root.path)) for each in scan(root).folders}
    assert found == {".", ".opencode", ".opencode/skills", ".opencode/skills/notes"}


def test_a_folder_made_anew_under_the_same_name_is_another(root):
    put(root, ".opencode/commands/a.md")
    before = scan(root)
    (root.path / ".opencode/commands").rename(root.path / ".opencode/old")
    put(root, ".opencode/commands/a.md")
    after = scan(root, before)
    assert compare(before, after) == []
    assert before.folders != after.folders


def test_links_inside_the_workspace_are_followed_and_others_not_read(root, tmp_path):
    put(root, "shared/notes/SKILL.md", "one")
    put(root, "team/rules.md", "one")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "SKILL.md").write_text("secret")
    skills = root.path / ".opencode/skills"
    skills.mkdir(parents=True)
    (skills / "notes").symlink_to("../../shared/notes")
    (skills / "loop").symlink_to("../skills")
    (skills / "foreign").symlink_to(outside)
    (root.path / "AGENTS.md").symlink_to("team/rules.md")
    watch = Watch(root)
    assert watch.seen.concerns(root.path / "shared/notes/SKILL.md")
    assert watch.seen.concerns(root.path / "team/rules.md")
    assert not watch.seen.concerns(root.path / "team/other.md")
    assert not watch.seen.concerns(outside / "SKILL.md")
    put(root, "shared/notes/SKILL.md", "two")
    put(root, "team/rules.md", "two")
    (outside / "SKILL.md").write_text("other secret")
    found = watch.changed()
    assert ("skills", "notes", "updated", ".opencode/skills/notes/SKILL.md") in found
    assert ("agents", None, "updated", "AGENTS.md") in found
    assert not [each for each in found if "foreign" in each[3]]


def test_a_missing_workspace_is_empty_and_comes_back(root):
    put(root, "opencode.json")
    watch = Watch(root)
    shutil.rmtree(root.path)
    assert watch.changed() == [("config", None, "removed", "opencode.json")]
    assert watch.seen.folders == {}
    put(root, "opencode.json")
    assert watch.changed() == [("config", None, "added", "opencode.json")]


def test_limits_hold_and_are_told(root, monkeypatch):
    monkeypatch.setattr(watcher, "MOST_FILES", 3)
    monkeypatch.setattr(watcher, "MOST_FOLDERS", 4)
    for n in range(5):
        put(root, f".opencode/skills/s{n}/SKILL.md")
    found = scan(root)
    assert not found.complete
    assert len(found.folders) == 4
    assert len(found.files) <= 3
    assert EMPTY.complete


def test_a_file_too_large_to_read_is_known_by_its_looks(root, monkeypatch):
    monkeypatch.setattr(watcher, "MOST_HASHED_BYTES", 10)
    watch_file = put(root, ".opencode/plugins/a.js", "x" * 11)
    watch = Watch(root)
    watch_file.write_text("x" * 12)
    assert len(watch.changed()) == 1


def test_a_file_that_may_not_be_read_stops_nothing(root):
    put(root, "opencode.json")
    (root.path / "AGENTS.md").mkdir()
    (root.path / ".opencode").write_text("a file where a folder should be")
    watch = Watch(root)
    put(root, "opencode.json", "y")
    assert [each[3] for each in watch.changed()] == ["opencode.json"]
