"""Skills of a repository: what its tree may say, and how one gets into a workspace."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import skill_hub, skill_install
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.skill_hub import Fetched, Repository, TreeFile

SHA = "a" * 40
SKILL = b"---\nname: it\ndescription: d\n---\nBody\n"


def entry(path: str, **fields: Any) -> dict[str, Any]:
    return {"path": path, "mode": "100644", "type": "blob", "sha": SHA, "size": 5} | fields


def tree(*entries: Any) -> list[TreeFile]:
    return skill_hub.parse_tree({"tree": [entry("skills/it/SKILL.md"), *entries]})


class TestRepository:
    @pytest.mark.parametrize(
        ("owner", "repo", "ref"),
        [
            ("a/b", "r", "main"), ("..", "r", "main"), ("", "r", "main"), ("-a", "r", "main"),
            ("a", "..", "main"), ("a", ".", "main"), ("a", "r/x", "main"), ("a", "r", ""),
            ("a", "r", "../x"), ("a", "r", "x/../y"), ("a", "r", "x//y"), ("a", "r", "x?y"),
            ("a", "r", "x y"), ("a", "r", "-x"), ("a", "r", "x\n"), ("a", "r", "\ud800"),
            ("a" * 40, "r", "main"), ("a", "r" * 101, "main"), ("a", "r", "x" * 201),
        ],
    )  # fmt: skip
    def test_names_that_could_be_another_path_are_refused(self, owner, repo, ref):
        with pytest.raises(OpenWorkError) as caught:
            Repository(owner, repo, ref)
        assert (caught.value.code, caught.value.status) == ("invalid_payload", 400)

    def test_a_branch_may_have_folders(self):
        assert str(Repository("a", "my.repo", "feature/x-1")) == "a/my.repo@feature/x-1"


class TestTree:
    @pytest.mark.parametrize(
        "answer",
        [
            None, [], "x", {}, {"tree": 5}, {"tree": [entry("skills/a")], "truncated": True},
            {"tree": [entry("skills/a", sha="x")]}, {"tree": [entry("skills/a", sha=None)]},
            {"tree": [entry("skills/a", size="5")]}, {"tree": [entry("skills/a", size=-1)]},
        ],
    )  # fmt: skip
    def test_an_answer_of_another_shape_is_refused(self, answer):
        with pytest.raises(ValueError, match=r"it sent|too many|has no"):
            skill_hub.parse_tree(answer)

    def test_only_files_below_skills_count(self):
        found = tree(entry("README.md"), entry("skills/it", type="tree"), entry("skillsx/a"), {}, 5)
        assert [each.path for each in found] == ["skills/it/SKILL.md"]

    def test_skills_lie_one_folder_deep_and_have_a_name(self):
        found = tree(
            entry("skills/SKILL.md"), entry("skills/a/b/SKILL.md"), entry("skills/Bad/SKILL.md"),
            entry("skills/link/SKILL.md", mode="120000"), entry("skills/huge/SKILL.md", size=10**9),
        )  # fmt: skip
        assert [each.path for each in skill_hub.skill_files(found)] == ["skills/it/SKILL.md"]

    @pytest.mark.parametrize(
        "bad",
        [
            entry("skills/it/../../evil"), entry("skills/it//evil"), entry("skills/it//etc/passwd"),
            entry("skills/it/."), entry("skills/it/a\\b"), entry("skills/it/a\0b"),
            entry("skills/it/C:"), entry("skills/it/NUL.txt"),
            entry("skills/it/x."), entry("skills/it/" + "x" * 256), entry("skills/it/./x"),
            entry("skills/it/link", mode="120000"), entry("skills/it/sub", type="commit"),
            entry("skills/it/huge", size=10**8), entry("skills/it/skill.md"),
            entry("skills/it/\ud800"),
        ],
    )  # fmt: skip
    def test_a_path_or_kind_that_no_workspace_may_hold_stops_the_installation(self, bad):
        with pytest.raises(OpenWorkError) as caught:
            skill_hub.files_of(tree(bad), "it")
        assert (caught.value.code, caught.value.status) == ("hub_install_failed", 502)

    def test_too_many_files_or_bytes_stop_the_installation(self):
        many = [entry(f"skills/it/{number}") for number in range(skill_hub.MAX_FILES)]
        large = [entry(f"skills/it/{number}", size=1_900_000) for number in range(5)]
        for each in (many, large):
            with pytest.raises(OpenWorkError, match="at most"):
                skill_hub.files_of(tree(*each), "it")

    def test_files_keep_their_exec_bit_and_another_skill_is_not_mixed_in(self):
        found = skill_hub.files_of(
            tree(
                entry("skills/it/workspace/run.sh", mode="100755"), entry("skills/it-too/SKILL.md")
            ),
            "it",
        )
        assert {name: file.mode for name, file in found.items()} == {
            "SKILL.md": 0o644,
            "workspace/run.sh": 0o755,
        }
        assert skill_hub.files_of(tree(), "other") == {}

    def test_content_must_be_what_the_tree_promised(self):
        data = b"hello\n"
        sha = hashlib.sha1(b"blob 6\0" + data, usedforsecurity=False).hexdigest()
        skill_hub.check_content(TreeFile("x", sha, 6, 0o644), data)
        with pytest.raises(ValueError, match="not what"):
            skill_hub.check_content(TreeFile("x", sha, 6, 0o644), b"hullo\n")

    @pytest.mark.parametrize("data", [b"", b"x" * 40, b"\xff", SHA.encode() + b"x"])
    def test_a_commit_is_forty_hex_digits(self, data):
        with pytest.raises(ValueError, match="commit"):
            skill_hub.parse_commit(data)


def fetched(**files: bytes) -> Fetched:
    more = {name.replace("__", "/"): (data, 0o644) for name, data in files.items()}
    return Fetched("it", {"SKILL.md": (SKILL, 0o644), "bin/run": (b"#!/bin/sh\n", 0o755), **more})


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def install(folder: Path, *, overwrite: bool) -> skill_install.Installed:
    journal = folder.parent / f"{folder.name}-journals" / "ws.json"
    return skill_install.install(WorkspaceRoot(folder), fetched(), journal, overwrite=overwrite)


class TestInstall:
    def test_a_new_skill_comes_whole_with_its_exec_bits(self, tmp_path):
        done = install(tmp_path, overwrite=False)
        assert (done.action, done.written, done.skipped) == ("added", 2, 0)
        folder = tmp_path / ".opencode/skills/it"
        assert done.path.absolute == folder
        assert stat.S_IMODE((folder / "bin/run").stat().st_mode) == 0o755
        assert stat.S_IMODE((folder / "SKILL.md").stat().st_mode) == 0o644
        assert [path.name for path in (tmp_path / ".opencode").iterdir()] == ["skills"]

    def test_without_overwrite_only_missing_files_are_added(self, tmp_path):
        folder = tmp_path / ".opencode/skills/it"
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text("mine")
        done = install(tmp_path, overwrite=False)
        assert (done.action, done.written, done.skipped) == ("updated", 1, 1)
        assert content(folder) == {"SKILL.md": "mine", "bin/run": "#!/bin/sh\n"}

    def test_overwriting_replaces_files_of_the_same_name_and_keeps_others(self, tmp_path):
        folder = tmp_path / ".opencode/skills/office/it"  # in a category: it stays there
        (folder / "bin").mkdir(parents=True)
        (folder / "notes/deep").mkdir(parents=True)
        for name in ("SKILL.md", "bin/run", "bin/mine", "notes/deep/mine"):
            (folder / name).write_text("mine")
        (folder / "link").symlink_to("bin/mine")
        done = install(tmp_path, overwrite=True)
        assert (done.action, done.written, done.skipped) == ("updated", 2, 0)
        assert content(folder) == {
            "SKILL.md": SKILL.decode(), "bin/run": "#!/bin/sh\n", "bin/mine": "mine",
            "notes/deep/mine": "mine", "link": "mine",
        }  # fmt: skip
        assert [path.name for path in (tmp_path / ".opencode").iterdir()] == ["skills"]

    @pytest.mark.parametrize("link", [".opencode", ".opencode/skills", ".opencode/skills/it"])
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_link_out_of_the_workspace_is_not_followed(self, tmp_path, link, overwrite):
        folder, outside = tmp_path / "workspace", tmp_path / "outside"
        outside.mkdir()
        (folder / link).parent.mkdir(parents=True)
        (folder / link).symlink_to(outside)
        with pytest.raises(OpenWorkError) as caught:
            install(folder, overwrite=overwrite)
        assert caught.value.code == "invalid_path"
        assert list(outside.iterdir()) == []

    @pytest.mark.parametrize("link", ["SKILL.md", "bin"])
    def test_a_link_in_the_skill_is_not_written_through(self, tmp_path, link):
        folder = tmp_path / ".opencode/skills/it"
        folder.mkdir(parents=True)
        for name in ("SKILL.md", "bin/run"):
            (tmp_path / "elsewhere" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "elsewhere" / name).write_text("mine")
        (folder / link).symlink_to(tmp_path / "elsewhere" / link)
        with pytest.raises(OpenWorkError, match="symbolic link"):
            install(tmp_path, overwrite=True)
        assert content(tmp_path / "elsewhere") == {"SKILL.md": "mine", "bin/run": "mine"}
        assert [path.name for path in folder.iterdir()] == [link]

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("in_the_way", ["bin", "bin/run/mine"])
    def test_a_file_and_a_folder_of_one_name_stop_the_installation(
        self, tmp_path, in_the_way, overwrite
    ):
        folder = tmp_path / ".opencode/skills/it"
        (folder / in_the_way).parent.mkdir(parents=True)
        (folder / in_the_way).write_text("mine")
        (folder / "SKILL.md").write_text("mine")
        before = content(folder)
        if overwrite or in_the_way == "bin":
            with pytest.raises(OpenWorkError) as caught:
                install(tmp_path, overwrite=overwrite)
            assert caught.value.code == "invalid_path"
        assert content(folder) == before

    @pytest.mark.parametrize("kind", ["install", "update"])
    def test_killed_at_any_step_the_skill_is_there_and_the_old_or_the_new_one(self, tmp_path, kind):
        program = Path(__file__).with_name("crashing_change.py")
        done = subprocess.run(
            [sys.executable, str(program), str(tmp_path), kind],
            capture_output=True, check=True, timeout=50,
        )  # fmt: skip
        steps = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(steps) > 10
        assert {each["state"] for each in steps[:-1]} <= {"old", "new"}
        assert {each["left"] for each in steps} == {0}
        assert any(each["undone"] for each in steps)
        assert steps[-1]["state"] == "new"
        # Also before anything is undone, an update never takes the skill away.
        assert all(kind == "install" or "SKILL.md" in each["seen"] for each in steps)
