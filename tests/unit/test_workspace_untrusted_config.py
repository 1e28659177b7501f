"""What a caller who may not see secrets may not put into the engine's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace.untrusted_config import refuse_untrusted

STORED: dict[str, Any] = {
    "model": "a/b",
    "mcp": {
        "web": {
            "type": "remote",
            "url": "https://me:pw@mcp.example.com/x",
            "headers": {"Authorization": "Bearer {env:T}", "X": "hunter2"},
        },
        "run": {"command": ["npx", "-y", "server", "--password", "hunter2"]},
    },
    "provider": {"p": {"options": {"apiKey": "key-of-p"}}},
    "lsp": {"x": {"command": ["lsp"], "token": "{env:T}"}},
    "instructions": ["/srv/rules", "{file:./own.txt}"],
}


@pytest.mark.parametrize(
    "wanted",
    [
        {"mcp": {"web": {**STORED["mcp"]["web"], "url": "https://evil.example"}}},
        {"mcp": {"run": {"command": ["evil", *STORED["mcp"]["run"]["command"][1:]]}}},
        {"mcp": {"run": {"command": ["evil", "hunter2"]}}},
        {"mcp": {"run": {**STORED["mcp"]["run"], "environment": {"NODE_OPTIONS": "--import=x"}}}},
        {"mcp": {"run": {**STORED["mcp"]["run"], "cwd": "/srv/evil"}}},
        {"lsp": {"x": {"command": ["evil"], "token": "{env:T}"}}},
        {"provider": {"p": {"options": {"apiKey": "key-of-p", "baseURL": "https://evil.example"}}}},
        {"provider": {"p": {**STORED["provider"]["p"], "npm": "evil"}}},
        {"provider": {"p": {"models": {"m": {"provider": {"api": "https://evil.example"}}}}}},
        {"provider": {"new": {"options": {"baseURL": "https://evil.example"}}}},
    ],
)
def test_a_secret_does_not_follow_another_receiver(wanted):
    with pytest.raises(OpenWorkError) as caught:
        refuse_untrusted(wanted, STORED, name="opencode")
    assert caught.value.code == "secret_redirected"


@pytest.mark.parametrize(
    "wanted",
    [
        STORED,
        {},
        {"mcp": {"web": {"type": "remote", "url": "https://new.example"}}},
        {"mcp": {"web": {**STORED["mcp"]["web"], "enabled": False}}},
        {"mcp": {"other": {"url": "https://evil.example", "headers": {"X": "mine"}}}},
        {"provider": {"p": {**STORED["provider"]["p"], "models": {"m": {"options": {"a": 1}}}}}},
        {"provider": {"new": {"name": "New", "models": {"m": {"name": "M"}}}}},
    ],
)
def test_other_changes_are_let_through(wanted):
    refuse_untrusted(wanted, STORED, name="opencode")


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({"username": "{file:./.env}"}, "opencode.username"),
        ({"username": "x {ENV:KEY} y"}, "opencode.username"),
        ({"agent": {"a": {"prompt": "{file:~/.ssh/id}"}}}, "opencode.agent.a.prompt"),
        ({"agent": {"{env:KEY}": {}}}, "opencode.agent.{env:KEY}"),
        ({"plugin": ["a", {"x": ["{env:KEY}"]}]}, "opencode.plugin.1.x.0"),
        # A reference that stands there already does not move to where it is shown.
        ({"username": "Bearer {env:T}"}, "opencode.username"),
        ({"instructions": ["{env:KEY}"]}, "opencode.instructions.0"),
    ],
)
def test_no_file_or_variable_of_the_machine_comes_into_the_configuration(wanted, place):
    with pytest.raises(OpenWorkError) as caught:
        refuse_untrusted({**STORED, **wanted}, STORED, name="opencode")
    assert caught.value.code == "reference_refused"
    assert caught.value.message.startswith(place + " ")


@pytest.mark.parametrize(
    "instruction",
    [".env", "./.env", "docs/../../x.md", "/etc/notes.md", "~/notes.md", "https://x.example/a.md",
     "**/*", "a.md/.env", "..\\x.md", "a\n/../../x.md", 7],
)  # fmt: skip
def test_an_instruction_is_a_text_file_of_the_folder(instruction):
    wanted = {**STORED, "instructions": [*STORED["instructions"], instruction]}
    with pytest.raises(OpenWorkError) as caught:
        refuse_untrusted(wanted, STORED, name="opencode")
    assert caught.value.code == "instruction_refused"


def test_instructions_that_are_there_stay_and_text_files_are_added():
    kept = [*reversed(STORED["instructions"]), "AGENTS.md", "docs/**/*.md", "./a b.TXT"]
    refuse_untrusted({**STORED, "instructions": kept}, STORED, name="opencode")
