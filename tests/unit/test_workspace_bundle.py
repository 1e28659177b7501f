"""Export, import and their round trip, on real folders."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import transaction
from openwork.workspace.bundle import (
    MAX_FRONT_MATTER_CHARACTERS,
    Bundle,
    BundleSkill,
    PortableFile,
    decode_file,
    portable_path,
    require_little_front_matter,
)
from openwork.workspace.commands import NewCommand
from openwork.workspace.export import read_bundle
from openwork.workspace.import_plan import Modes, plan_import
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.secrets import find_secrets
from openwork.workspace.sensitive import warnings_of, without_sensitive

SKILL = "---\nname: {}\ndescription: What it does\n---\n# Steps\n"
TOKEN = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9"
REPLACE = Modes("replace", "replace", "replace", "replace", "replace")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "ws").mkdir()
    return WorkspaceRoot(tmp_path / "ws")


def write(root, files):
    for name, content in files.items():
        path = root.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def files(root):
    return {
        str(each.relative_to(root.path)): each.read_text()
        for each in root.path.rglob("*")
        if each.is_file()
    }


def run(root, bundle, modes=REPLACE, **options):
    plan = plan_import(root, bundle, modes, **options)
    changes = [item.change for item in plan.items]
    transaction.apply(root, changes, root.path.parent / "journal.json")
    return plan


class TestFrontMatter:
    """It is slow to read: what counts is the sum of it, not how it is shared out."""

    def test_of_all_texts_together_it_is_bounded(self):
        document = "---\n" + "a: b\n" * 10_000 + "---\n" + "body\n" * 100_000
        require_little_front_matter([document] * 5, [])
        with pytest.raises(OpenWorkError) as caught:
            require_little_front_matter([document] * 6, [])
        assert (caught.value.code, caught.value.status) == ("bundle_too_large", 413)
        assert "300,000" in caught.value.message

    def test_fields_that_become_front_matter_count(self):
        require_little_front_matter([], ["x" * MAX_FRONT_MATTER_CHARACTERS])
        with pytest.raises(OpenWorkError):
            require_little_front_matter([], ["x" * MAX_FRONT_MATTER_CHARACTERS, "x"])

    def test_without_front_matter_texts_may_be_long(self):
        texts = ["# Title\n", "---\nnever: closed\n", "text\n---\n"]
        require_little_front_matter([text + "x" * 1_000_000 for text in texts], [])


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [".opencode/agents/a.md", ".opencode/tools/x/y.ts", ".opencode/skills/a-b/run.sh",
         ".opencode/skills/a/deep/SKILL.md", "/.opencode/plugins/é.js"],
    )  # fmt: skip
    def test_what_may_travel(self, path):
        assert portable_path(path) == path.removeprefix("/")

    @pytest.mark.parametrize(
        "path",
        ["", ".opencode/agents", "opencode.json", ".opencode/openwork.json",
         ".opencode/agents/../x",
         ".opencode/commands/a.md", ".opencode/skills/a/SKILL.md", ".opencode/skills/a/skill.MD",
         ".opencode/skills/A/x", ".opencode/skills/x", ".OPENCODE/agents/x",
         ".opencode/agents/.env",
         ".opencode/tools/.env.local", ".opencode/tools/node_modules/x", ".opencode/tools/.git/x",
         ".opencode/tools/Thumbs.db", ".opencode/tools/a\0b", ".opencode/tools/CON",
         ".opencode/tools/.openwork-1.tmp", ".opencode/tools/" + "d/" * 20 + "x",
         ".opencode/tools/" + "x" * 300, "C:\\.opencode\\tools\\x", ".opencode/openwork/inbox/x"],
    )  # fmt: skip
    def test_what_may_not(self, path):
        with pytest.raises(OpenWorkError) as caught:
            portable_path(path)
        assert (caught.value.code, caught.value.status) == ("invalid_portable_file_path", 400)

    def test_bytes_travel_as_base64(self):
        file = PortableFile(".opencode/tools/x", b"\xff\0", executable=True)
        assert file.to_json() == {
            "path": ".opencode/tools/x", "content": "/wA=", "encoding": "base64",
            "executable": True,
        }  # fmt: skip
        assert decode_file(file.path, "/wA=", "base64", run=True) == file


class TestExport:
    def test_everything_that_belongs_to_the_workspace(self, root):
        write(
            root,
            {
                "opencode.jsonc": '{"model": "a/b" /* c */}',
                ".opencode/openwork.json": json.dumps(
                    {"note": 1, "blueprint": {"materialized": {"s": 1}, "sessions": []}}
                ),
                ".opencode/skills/b/SKILL.md": SKILL.format("b").replace("\n#", "\n\n#"),
                ".opencode/skills/b/run.sh": "#!/bin/sh\n",
                ".opencode/skills/office/c/SKILL.md": SKILL.format("c").rstrip("\n"),
                ".claude/skills/a/SKILL.md": SKILL.format("a"),
                ".opencode/skills/bad/SKILL.md": "no front matter",
                ".opencode/commands/z.md": "---\nmodel: null\nagent: plan\n---\nDo it\n",
                ".opencode/agents/x.md": "---\nmode: primary\n---\nHello",
                ".opencode/plugins/node_modules/p/i.js": "x",
                ".opencode/tools/.env": "x",
                ".opencode/openwork/inbox/x": "x",
                "notes.md": "x",
            },
        )
        (root.path / ".opencode/skills/b/run.sh").chmod(0o755)
        (root.path / ".opencode/tools/out").symlink_to("/etc/passwd")
        export = read_bundle(root)
        assert export.bundle.to_json() == {
            "opencode": {"model": "a/b"},
            "openwork": {"note": 1, "blueprint": {"sessions": []}},
            "skills": [
                {"name": name, "description": "What it does", "content": SKILL.format(name)}
                for name in "abc"
            ],
            "commands": [{"name": "z", "template": "Do it", "agent": "plan"}],
            "files": [
                {"path": ".opencode/agents/x.md", "content": "---\nmode: primary\n---\nHello"},
                {"path": ".opencode/skills/b/run.sh", "content": "#!/bin/sh\n",
                 "executable": True},
            ],
        }  # fmt: skip
        assert [each.path for each in export.problems] == [
            str(root.path / ".opencode/skills/bad/SKILL.md")
        ]

    def test_a_workspace_that_is_too_large_to_travel_is_told(self, root):
        write(root, {".opencode/tools/huge.bin": b"x" * 16_000_001})
        with pytest.raises(OpenWorkError, match=r"huge\.bin") as caught:
            read_bundle(root)
        assert (caught.value.code, caught.value.status) == ("workspace_export_too_large", 413)

    def test_skills_of_the_folders_above_stay_there(self, tmp_path, root):
        (tmp_path / ".git").mkdir()
        write(WorkspaceRoot(tmp_path), {".opencode/skills/a/SKILL.md": SKILL.format("a")})
        assert read_bundle(root).bundle.skills == ()


class TestSensitive:
    BUNDLE = Bundle(
        opencode={
            "mcp": {
                "h": {"type": "remote", "url": "https://x.example", "headers": {"A": TOKEN}},
                "u": {"type": "remote", "url": f"https://x.example/?key={TOKEN}"},
                "c": {"type": "local", "command": ["x", "--token", "hunter2"]},
                "ok": {"type": "local", "command": ["x"], "environment": {"T": "{env:T}"}},
            },
            "plugin": ["plain", f"https://{TOKEN}@x.example/p", ["p", {"apiKey": "hunter2"}]],
            "permission": {"bash": {f"curl {TOKEN} *": "allow", "rm *": "deny"}},
        },
        openwork={"note": TOKEN, "name": "n"},
        skills=(BundleSkill("a", SKILL + TOKEN), BundleSkill("b", SKILL)),
        commands=(NewCommand("a", f"Use {TOKEN}"), NewCommand("b", "x")),
        files=(
            PortableFile(".opencode/skills/a/x", b"beside"),
            PortableFile(".opencode/tools/a", f"\n\nkey = '{TOKEN}'".encode()),
            PortableFile(".opencode/tools/b", b"\xff\xff"),
        ),
    )

    @pytest.mark.parametrize("cautious", [True, False])
    def test_each_place_is_told_and_no_value(self, cautious):
        warnings = {each.id: each.detail for each in warnings_of(self.BUNDLE, cautious=cautious)}
        assert set(warnings) == {
            "mcp-config", "plugin-config", "opencode-config:permission", "openwork-config",
            "skill:a", "command:a", "portable-file:.opencode/tools/a",
        }  # fmt: skip
        assert "mcp.c.command.2 (token)" in warnings["mcp-config"]
        assert "line 3 (" in warnings["portable-file:.opencode/tools/a"]
        assert TOKEN not in json.dumps(warnings)
        assert "hunter2" not in json.dumps(warnings)

    @pytest.mark.parametrize("cautious", [True, False])
    def test_without_them_the_rest_is_whole(self, cautious):
        left = without_sensitive(self.BUNDLE, cautious=cautious)
        assert left.to_json() == {
            "opencode": {
                "mcp": {
                    "h": {"type": "remote", "url": "https://x.example", "headers": {}},
                    "ok": {"type": "local", "command": ["x"], "environment": {"T": "{env:T}"}},
                },
                "plugin": ["plain"],
                "permission": {"bash": {"rm *": "deny"}},
            },
            "openwork": {"name": "n"},
            "skills": [{"name": "b", "description": None, "content": SKILL}],
            "commands": [{"name": "b", "template": "x"}],
            "files": [{"path": ".opencode/tools/b", "content": "//8=", "encoding": "base64"}],
        }
        assert warnings_of(left, cautious=cautious) == []

    def test_placeholders_and_words_count_only_for_those_who_may_see_no_secret(self):
        bundle = Bundle(opencode={"provider": {"p": {"options": {"apiKey": "<your key>"}}}})
        assert warnings_of(bundle, cautious=False) == []
        assert [each.id for each in warnings_of(bundle, cautious=True)] == ["provider-config"]


class TestImport:
    def test_merging_adds_and_keeps_comments_and_every_other_value(self, root):
        write(
            root,
            {
                "opencode.jsonc": '{\n  // one\n  "mcp": {\n    "a": {"type": "remote", "url": '
                '"https://a.example"}, // two\n  },\n  "plugin": ["x"],\n}\n',
                ".opencode/openwork.json": '{"note": 1, "deep": {"a": 1}}',
                ".opencode/skills/old/SKILL.md": SKILL.format("old"),
                ".opencode/commands/c.md": "---\n# why\nagent: plan\nmodel: null\nx: 1\n---\nOld\n",
            },
        )
        local = {"type": "local", "command": ["b"]}
        plan = run(
            root,
            Bundle(
                opencode={"mcp": {"b": local}, "plugin": ["x", "y"]},
                openwork={"deep": {"b": 2}},
                skills=(BundleSkill("new", SKILL.format("new")),),
                commands=(NewCommand("c", "New"),),
            ),
            Modes(),
        )
        text = (root.path / "opencode.jsonc").read_text()
        assert "// one" in text
        assert "// two" in text
        bundle = read_bundle(root).bundle
        assert bundle.opencode == {
            "mcp": {"a": {"type": "remote", "url": "https://a.example"}, "b": local},
            "plugin": ["x", "y"],
        }
        assert bundle.openwork == {"note": 1, "deep": {"a": 1, "b": 2}}
        assert [each.name for each in bundle.skills or ()] == ["new", "old"]
        assert files(root)[".opencode/commands/c.md"] == "---\n# why\nx: 1\n---\nNew\n"
        assert [item.action for item in plan.items].count("update") == 3

    def test_replacing_takes_away_what_the_bundle_lacks_but_no_links_and_nothing_private(
        self, root, tmp_path
    ):
        (tmp_path / "shared").mkdir()
        write(
            root,
            {
                "opencode.jsonc": '{\n  // kept\n  "model": "a/b",\n  "theme": "x"\n}\n',
                ".opencode/skills/old/SKILL.md": SKILL.format("old"),
                ".opencode/skills/old/deep/x": "x",
                ".opencode/skills/same/SKILL.md": SKILL.format("same"),
                ".opencode/commands/old.md": "Old",
                ".opencode/agents/old.md": "Old",
                ".opencode/tools/.env": "private",
                ".opencode/openwork/inbox/x": "x",
            },
        )
        (root.path / ".opencode/skills/link").symlink_to(tmp_path / "shared")
        run(
            root,
            Bundle(
                opencode={"model": "c/d"},
                skills=(BundleSkill("same", SKILL.format("same")),),
                commands=(),
                files=(),
            ),
        )
        assert files(root) == {
            "opencode.jsonc": '{\n  // kept\n  "model": "c/d"\n}\n',
            ".opencode/skills/same/SKILL.md": SKILL.format("same"),
            ".opencode/tools/.env": "private",
            ".opencode/openwork/inbox/x": "x",
        }
        assert not (root.path / ".opencode/skills/old").exists()
        assert (root.path / ".opencode/skills/link").is_symlink()

    def test_a_section_that_is_left_out_is_left_alone_also_when_replacing(self, root):
        before = {"opencode.json": "{}", ".opencode/skills/a/SKILL.md": SKILL.format("a")}
        write(root, before)
        assert run(root, Bundle()).changes == []
        assert files(root) == before

    def test_a_skill_that_lies_elsewhere_is_changed_there_with_its_files(self, root):
        write(root, {".opencode/skills/office/a/SKILL.md": SKILL.format("a")})
        file = PortableFile(".opencode/skills/a/run.sh", b"x")
        run(root, Bundle(skills=(BundleSkill("a", SKILL.format("a") + "More\n"),), files=(file,)))
        assert set(files(root)) == {
            ".opencode/skills/office/a/SKILL.md",
            ".opencode/skills/office/a/run.sh",
        }

    @pytest.mark.parametrize(
        "bundle",
        [
            Bundle(opencode={"a": 1}, openwork={}, skills=(BundleSkill("UPPER", "x"),)),
            Bundle(opencode={"a": 1}, files=(PortableFile(".opencode/tools/blocked/x", b""),)),
            Bundle(
                files=(
                    PortableFile(".opencode/tools/x", b""),
                    PortableFile(".opencode/tools/X/y", b""),
                )
            ),
            Bundle(commands=(NewCommand("a", "x"), NewCommand("A", "x"))),
            Bundle(opencode={"agent": {"a": None}}),
            Bundle(opencode={"agent": {"a": {"model": None}}}),
            Bundle(opencode={"permission": {"bash": {"*": "yes"}}}),
        ],
    )
    def test_one_bad_part_spoils_the_whole_before_anything_is_written(self, root, bundle):
        write(root, {".opencode/tools/blocked": "a file", ".opencode/commands/c.md": "c"})
        before = files(root)
        with pytest.raises(OpenWorkError) as caught:
            plan_import(root, bundle, REPLACE)
        assert caught.value.status in {400, 422}
        assert files(root) == before

    def test_links_out_of_the_workspace_are_not_written_through(self, root, tmp_path):
        (tmp_path / "outside").mkdir()
        (root.path / ".opencode").mkdir()
        (root.path / ".opencode/tools").symlink_to(tmp_path / "outside")
        with pytest.raises(OpenWorkError) as caught:
            plan_import(root, Bundle(files=(PortableFile(".opencode/tools/x", b""),)), Modes())
        assert caught.value.code == "invalid_path"
        assert list((tmp_path / "outside").iterdir()) == []

    @pytest.mark.parametrize("content", ["{", "[]"])
    def test_a_damaged_configuration_is_never_rewritten(self, root, content):
        write(root, {"opencode.jsonc": content})
        with pytest.raises(OpenWorkError) as caught:
            plan_import(root, Bundle(opencode={"a": 1}), REPLACE)
        assert caught.value.code == "invalid_jsonc"

    def test_the_fingerprint_changes_with_the_workspace_and_with_the_bundle(self, root):
        bundle = Bundle(opencode={"a": 1})
        first = plan_import(root, bundle, Modes()).fingerprint
        assert plan_import(root, bundle, Modes()).fingerprint == first
        assert plan_import(root, Bundle(opencode={"a": 2}), Modes()).fingerprint != first
        write(root, {"opencode.jsonc": "{}"})
        assert plan_import(root, bundle, Modes()).fingerprint != first


words = st.text(alphabet="ab \n:#-'\"{}é😀\t", max_size=12)
json_values = st.recursive(
    words | st.integers(-9, 9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
skill_names = st.from_regex(r"[a-c]{1,3}(-[a-c]{1,2})?", fullmatch=True)
command_names = st.from_regex(r"[A-Ca-c_]{1,4}", fullmatch=True)
lines = words.map(lambda text: f"text{text}".strip())


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    names = draw(st.sets(skill_names, max_size=3))
    skills = tuple(BundleSkill(name, f"{draw(words)}text", draw(lines)) for name in sorted(names))
    commands = draw(
        st.lists(
            st.builds(
                NewCommand, command_names, lines, st.none() | lines, st.none() | lines,
                st.none() | lines, st.none() | st.just(True),  # noqa: FBT003
            ),
            max_size=3, unique_by=lambda command: command.name.casefold(),
        )
    )  # fmt: skip
    places = [".opencode/agents/a.md", ".opencode/tools/x", ".opencode/plugins/d/p.js"]
    places += [f".opencode/skills/{name}/run" for name in names]
    chosen = draw(st.sets(st.sampled_from(places)))
    files = tuple(
        PortableFile(path, draw(st.binary(max_size=8)), draw(st.booleans()))
        if not path.endswith(".md")
        else PortableFile(path, draw(lines).encode())
        for path in sorted(chosen)
    )
    keys = st.sampled_from(["model", "theme", "x", "é", "instructions", ""])
    return Bundle(
        draw(st.dictionaries(keys, json_values, max_size=3)),
        draw(st.dictionaries(words, json_values, max_size=3)),
        skills,
        tuple(commands),
        files,
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bundle=bundles(), comments=st.booleans())
def test_an_export_imported_into_an_empty_folder_exports_as_the_same_again(
    bundle: Bundle, comments: bool, tmp_path: Any
):
    exports: list[Any] = []
    for name in ("one", "two"):
        folder = tmp_path / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        root = WorkspaceRoot(folder)
        if name == "one" and comments:
            write(root, {"opencode.jsonc": "{\n  // hello\n}\n"})
        run(root, bundle, Modes(), trusted=True)
        if name == "one" and comments:
            assert "// hello" in (folder / "opencode.jsonc").read_text()
        bundle = read_bundle(root).bundle
        exports.append(bundle.to_json())
        assert read_bundle(root).problems == ()
        again = plan_import(root, bundle, REPLACE, trusted=True)
        assert again.changes == []
    assert exports[0] == exports[1]
    assert find_secrets(exports[0]) == find_secrets(exports[1])
