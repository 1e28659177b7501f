"""MCP servers: the workspace's over the user's, whole configurations only, keys for owners."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import jsonc, mcp
from openwork.workspace.paths import WorkspaceRoot

REMOTE: dict[str, Any] = {"type": "remote", "url": "https://mcp.example.com/mcp"}


@pytest.fixture
def place(tmp_path):
    folder, home = tmp_path / "w", tmp_path / "home"
    folder.mkdir()
    (home / ".config" / "opencode").mkdir(parents=True)
    return WorkspaceRoot(folder), home


def test_the_workspaces_servers_stand_over_the_users(place):
    root, home = place
    (home / ".config/opencode/opencode.jsonc").write_text(
        json.dumps({"mcp": {"a": {"url": 1}, "b": {}}})
    )
    (root.path / "opencode.json").write_text(
        json.dumps({"mcp": {"c": REMOTE, "a": REMOTE, "odd": 5}})
    )
    found = [(each.name, each.source) for each in mcp.list_mcp(root, home=home)]
    assert found == [("b", "config.global"), ("c", "config.project"), ("a", "config.project")]


@pytest.mark.parametrize(
    ("pattern", "denied"),
    [
        ("mcp.notion", True),
        ("mcp.notion.*", True),
        ("mcp:notion", True),
        ("mcp:notion:*", True),
        ("mcp.*", True),
        ("mcp:*", True),
        ("mcp.no*", True),
        ("mcp.other", False),
        ("notion", False),
    ],
)
def test_denied_tools_are_told(place, pattern, denied):
    root, home = place
    value = {"mcp": {"notion": REMOTE}, "tools": {"deny": [pattern, 5]}}
    (root.path / "opencode.json").write_text(json.dumps(value))
    (server,) = mcp.list_mcp(root, home=home)
    assert server.disabled_by_tools is denied
    assert server.to_json(secrets=True).get("disabledByTools", False) is denied


@pytest.mark.parametrize(
    "fields",
    [
        REMOTE,
        {**REMOTE, "headers": {"Authorization": "Bearer {env:KEY}"}, "oauth": False, "timeout": 5},
        {
            "type": "local",
            "command": ["npx", "-y", "x"],
            "environment": {"A": ""},
            "enabled": False,
        },
    ],
)
def test_what_the_engine_takes_is_taken(fields):
    text = mcp.add("{ // kept\n}", "x", fields)
    assert jsonc.parse(text) == {"mcp": {"x": fields}}
    assert "// kept" in text
    assert jsonc.parse(mcp.remove(text, "x")) == {"mcp": {}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": "weird"},
        {"type": ["local"]},
        {"type": "remote"},
        {"type": "remote", "url": ""},
        {"type": "remote", "url": 5},
        {"type": "remote", "url": "http://a\0b"},
        {"type": "local"},
        {"type": "local", "command": []},
        {"type": "local", "command": "npx x"},
        {"type": "local", "command": ["a", 1]},
        {"type": "local", "command": ["a", "\ud800"]},
        {**REMOTE, "headers": {"A": 1}},
        {**REMOTE, "headers": ["A"]},
        {**REMOTE, "enabled": "yes"},
        {**REMOTE, "timeout": 0},
        {**REMOTE, "timeout": True},
        {**REMOTE, "oauth": "x"},
        {**REMOTE, "note": "\ud800"},
        {**REMOTE, "headers": {"Authorization": "***"}},
    ],
)
def test_what_no_server_can_have_is_refused(fields):
    with pytest.raises(OpenWorkError) as caught:
        mcp.check_config(fields)
    assert (caught.value.code, caught.value.status) == ("invalid_mcp_config", 400)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "..", "a\0", "é", "a" * 65])
def test_a_name_is_a_plain_word(name):
    with pytest.raises(OpenWorkError) as caught:
        mcp.check_name(name)
    assert caught.value.code == "invalid_mcp_name"


def test_a_file_whose_mcp_is_no_object_is_not_rewritten():
    for change in (lambda text: mcp.add(text, "x", REMOTE), lambda text: mcp.remove(text, "x")):
        with pytest.raises(OpenWorkError) as caught:
            change('{"mcp": []}')
        assert (caught.value.code, caught.value.status) == ("invalid_config", 422)


def test_keys_headers_and_environments_are_for_owners():
    canary = "canary-7f3a9c0d1e5b"
    local: dict[str, Any] = {
        "type": "local",
        "command": ["run", "--api-key", canary],
        "environment": {"X": canary},
    }
    remote: dict[str, Any] = {
        "type": "remote",
        "url": f"https://host/mcp?token={canary}",
        "headers": {"X-Anything": canary, "Y": "{env:NAME}"},
        "oauth": {"clientId": "public", "clientSecret": canary},
    }
    for fields in (local, remote):
        server = mcp.McpServer("s", fields, "config.project")
        assert canary not in json.dumps(server.to_json(secrets=False))
        assert server.to_json(secrets=True)["config"] == fields
    hidden: Any = mcp.McpServer("s", remote, "config.project").to_json(secrets=False)["config"]
    assert hidden["headers"]["Y"] == "{env:NAME}"
    assert hidden["oauth"]["clientId"] == "public"
