"""Agents of a workspace: a file the engine would refuse is never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import agents
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path


def put(folder: Path, text: str, name: str = "x", place: str = ".opencode/agents") -> Path:
    path = folder / place / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write(folder: Path, content: str, name: str = "x") -> None:
    agents.plan(WorkspaceRoot(folder), name, content).apply()


def refused(folder: Path, code: str, content: str, name: str = "x") -> OpenWorkError:
    with pytest.raises(OpenWorkError) as caught:
        write(folder, content, name)
    assert caught.value.code == code
    return caught.value


def test_both_folders_are_listed_and_the_first_of_a_name_counts(tmp_path):
    put(tmp_path, "---\ndescription: new\nmode: subagent\nmodel: a/b\n---\nB\n")
    put(tmp_path, "---\ndescription: old\n---\nB\n", place=".opencode/agent")
    put(tmp_path, "B\n", "legacy", place=".opencode/agent")
    put(tmp_path, "---\nname: called\n---\nB\n", "file")
    put(tmp_path, "---\nmode: [\n---\nB\n", "bad")
    body: Any = agents.list_agents(WorkspaceRoot(tmp_path)).to_json()
    assert [each["name"] for each in body["items"]] == ["called", "x", "legacy"]
    assert body["items"][1] == {
        "name": "x", "description": "new", "mode": "subagent", "model": "a/b",
        "path": str(tmp_path / ".opencode/agents/x.md"), "scope": "project",
    }  # fmt: skip
    assert [each["code"] for each in body["problems"]] == ["invalid_frontmatter"]


def test_the_users_agents_come_last(tmp_path):
    folder, user = tmp_path / "workspace", tmp_path / "user"
    put(folder, "B\n")
    put(user, "B\n", place="agents")
    put(user, "B\n", "theirs", place="agent")
    found = agents.list_agents(WorkspaceRoot(folder), WorkspaceRoot(user)).items
    assert [(each.name, each.scope) for each in found] == [("x", "project"), ("theirs", "global")]


def test_a_file_is_written_as_it_is_given(tmp_path):
    content = "---\n# mine\ndescription: d\nfoo: {a: null} # an option\n---\n\nBe kind"
    write(tmp_path, content)
    assert (tmp_path / ".opencode/agents/x.md").read_text() == content + "\n"
    assert agents.read_agent(WorkspaceRoot(tmp_path), " x ")[1] == content + "\n"


def test_an_older_file_is_changed_where_it_is_and_deleted_with_its_double(tmp_path):
    old = put(tmp_path, "B\n", place=".opencode/agent")
    write(tmp_path, "New\n")
    assert old.read_text() == "New\n"
    new = put(tmp_path, "B\n")
    planned = agents.plan_removal(WorkspaceRoot(tmp_path), "x")
    assert (planned.path.absolute, planned.apply()) == (new, "removed")
    assert not old.exists()
    assert not new.exists()
    with pytest.raises(OpenWorkError, match="no agent"):
        agents.plan_removal(WorkspaceRoot(tmp_path), "x")


# As engine 1.18.33 answers: see tests/service/test_server_agents_engine.py, which asks it.
ACCEPTED = [
    "B", "---\n---\nB", "---\ndescription: d\n---\n", "---\nmode: primary\n---\nB",
    "---\nmodel: nope\n---\nB", "---\ntemperature: 0.3\ntop_p: 1\n---\nB",
    "---\ntools:\n  bash: false\n---\nB", "---\ncolor: '#ff0000'\n---\nB",
    "---\ncolor: primary\n---\nB", "---\nsteps: 3\nmaxSteps: 3\n---\nB",
    "---\npermission: ask\n---\nB", "---\nhidden: true\ndisable: false\n---\nB",
    "---\npermission:\n  edit: deny\n  other: ask\n  bash:\n    'git *': allow\n---\nB",
    "---\nname: x\n---\nB", "---\nfoo: {a: 1}\nbar: null\nprompt: 3\n---\nB",
    "---\ndescription: Use it: now # c\n---\nB",
    "---\nvariant: high\noptions: {}\n---\nB", "---\ndescription: '2024-01-31'\n---\nB",
]  # fmt: skip
REFUSED = [
    "model: null", "description:", "description: 5", "mode: weird", "temperature: hot",
    "temperature: true", "top_p: x", "tools: [a]", "tools: Read, Grep", "tools: {bash: 1}",
    "color: zzz", "steps: 0", "steps: 1.5", "permission: zap", "permission: {edit: maybe}",
    "hidden: yes", "disable: 'no'", "variant: 3", "options: 3", "description: 2024-01-31",
]  # fmt: skip


@pytest.mark.parametrize("content", ACCEPTED)
def test_what_the_engine_takes_is_taken(tmp_path, content):
    write(tmp_path, content)


@pytest.mark.parametrize("line", REFUSED)
def test_what_the_engine_refuses_is_refused_by_field(tmp_path, line):
    error = refused(tmp_path, "invalid_agent", f"---\n{line}\n---\nB")
    assert [each["field"] for each in error.details] == [line.split(":")[0]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("../x", "B", "invalid_agent_name"),
        ("a/b", "B", "invalid_agent_name"),
        ("-a", "B", "invalid_agent_name"),
        ("", "B", "invalid_agent_name"),
        ("a\0", "B", "invalid_agent_name"),
        ("x" * 101, "B", "invalid_agent_name"),
        ("aux", "B", "invalid_path"),
        ("x", " ", "invalid_agent_content"),
        ("x", "---\nname: other\n---\nB", "invalid_agent_name"),
        ("x", "---\nname: 5\n---\nB", "invalid_agent"),
        ("x", "---\na: 1\nB", "invalid_frontmatter"),
        ("x", "---\nname: *a\n---\nB", "invalid_frontmatter"),
        ("x", "\ud800", "invalid_payload"),
        ("x", '---\ndescription: "\\ud800"\n---\nB', "invalid_frontmatter"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(tmp_path, name, content, code):
    refused(tmp_path, code, content, name)
    assert list(tmp_path.iterdir()) == []


def test_an_agent_of_another_name_is_not_overwritten(tmp_path):
    path = put(tmp_path, "---\nname: other\n---\nKept\n")
    refused(tmp_path, "name_taken", "B")
    assert "Kept" in path.read_text()


@pytest.mark.parametrize("link", [".opencode/agents", ".opencode/agents/x.md"])
def test_links_out_of_the_workspace_are_not_followed(tmp_path, link):
    folder, outside = tmp_path / "workspace", tmp_path / "outside"
    secret = put(outside, "secret", place=".")
    (folder / link).parent.mkdir(parents=True)
    (folder / link).symlink_to(secret if link.endswith(".md") else outside)
    listing = agents.list_agents(WorkspaceRoot(folder))
    assert (listing.items, [each.code for each in listing.problems]) == ([], ["invalid_path"])
    refused(folder, "invalid_path", "B")
    with pytest.raises(OpenWorkError) as caught:
        agents.read_agent(WorkspaceRoot(folder), "x")
    assert caught.value.code == "invalid_path"
    assert secret.read_text() == "secret"
