"""Starter files of a new workspace. What is there already stays as it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from openwork.common.errors import OpenWorkError
from openwork.workspace import config, jsonc
from openwork.workspace.names import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.workspace.jsonc import JsonValue
    from openwork.workspace.paths import WorkspaceRoot

Preset = Literal["starter", "automation", "minimal"]
PRESETS: tuple[Preset, ...] = ("starter", "automation", "minimal")

_CONFIG = f"""\
{{
  "$schema": "{config.CONFIG_SCHEMA}"
}}
"""
_CONFIG_WITH_AGENT = f"""\
{{
  "$schema": "{config.CONFIG_SCHEMA}",
  // The agent that answers when a task names none: .opencode/agents/openwork.md
  "default_agent": "openwork"
}}
"""
_CONFIG_OF_STARTER = f"""\
{{
  "$schema": "{config.CONFIG_SCHEMA}",
  // The agent that answers when a task names none: .opencode/agents/openwork.md
  "default_agent": "openwork",
  "mcp": {{
    // Lets tasks use Chrome. Set enabled to true to turn it on: npx then fetches it.
    "control-chrome": {{
      "type": "local",
      "command": ["npx", "-y", "chrome-devtools-mcp@latest"],
      "enabled": false
    }}
  }}
}}
"""
_AGENT = """\
---
description: Everyday work on the files of this folder
mode: primary
---

You work in a folder of somebody who may not be a programmer.

- Say in plain words what you are going to do before you change or delete a file.
- Keep to this folder. Ask before you use anything outside it.
- Put results where they can be found, and name the file when you are done.
- When a request can be read in two ways, ask one short question first.
- Never write passwords, tokens or keys into a file or an answer.
"""
_GUIDE_SKILL = """\
---
name: workspace-guide
description: Explains how this folder is laid out and where skills, commands and settings live
---

## When to use

When somebody asks what this folder is, what can be done here, or where something belongs.

## What is where

- `opencode.jsonc`: settings of the assistant: models, permissions, plugins, MCP servers.
- `.opencode/agents/`: who answers, one file an agent.
- `.opencode/skills/NAME/SKILL.md`: know-how that is read when it is needed.
- `.opencode/commands/NAME.md`: tasks to start by name, as `/NAME`.
- `.opencode/openwork/inbox/`: files that were sent here.
- `.opencode/openwork/outbox/`: results that are to be fetched.

Look at the files themselves before you answer: they are what counts.
"""
_START_SKILL = """\
---
name: get-started
description: Takes a newcomer through a first useful task on their own files
---

## When to use

When somebody is here for the first time, or asks what to try.

## Steps

1. Look at which files are here, without changing any.
2. Offer three tasks that fit them, each in one sentence, the smallest first.
3. Do the one that is chosen, and say which files it made or changed.
4. Show how to start it again: as a command in `.opencode/commands/`.
"""
_COMMANDS: dict[str, tuple[str, str]] = {
    "learn-files": (
        "What is in this folder, and what could be done with it",
        (
            "Look through the files of this folder without changing any. Say in a few sentences "
            "what they are about, and suggest three useful tasks. $ARGUMENTS"
        ),
    ),
    "learn-skills": (
        "What skills are, and which ones are here",
        (
            "List the skills of this folder with one sentence each. Then show with a small "
            "example how a new one is made. $ARGUMENTS"
        ),
    ),
    "learn-plugins": (
        "What plugins and MCP servers are, and which ones are on",
        (
            "Read opencode.jsonc and list the plugins and MCP servers with what each one allows. "
            "Say what to consider before another one is added. $ARGUMENTS"
        ),
    ),
}
_START_COMMAND = (
    "A first task, step by step",
    "Use the skill get-started. $ARGUMENTS",
)


def starter_files(preset: Preset) -> dict[str, str]:
    """Text by path of what ``preset`` brings, without the two configuration files."""
    if preset == "minimal":
        return {}
    files = {
        ".opencode/agents/openwork.md": _AGENT,
        ".opencode/skills/workspace-guide/SKILL.md": _GUIDE_SKILL,
    }
    commands = dict(_COMMANDS)
    if preset == "starter":
        files[".opencode/skills/get-started/SKILL.md"] = _START_SKILL
        commands["get-started"] = _START_COMMAND
    for name, (description, template) in commands.items():
        text = f"---\ndescription: {description}\n---\n\n{template}\n"
        files[f".opencode/commands/{name}.md"] = text
    return files


def lay_out(root: WorkspaceRoot, preset: Preset, name: str) -> list[str]:
    """Write the starter files that are missing; the paths of those written.

    Args:
        root: The workspace.
        preset: Which files.
        name: What people see; kept in ``openwork.json``.

    Raises:
        OpenWorkError: As ``SafePath``, for a link that leads out of the folder.
    """
    wanted = starter_files(preset)
    config_path, configured = config.find_config(root)
    if not configured:
        wanted[config_path.relative] = _config_text(preset)
    wanted["/".join(config.OPENWORK_NAMES)] = _openwork_text(root, preset, name)
    return [path for path, text in wanted.items() if _write_missing(root, path, text)]


def _config_text(preset: Preset) -> str:
    texts: Mapping[Preset, str] = {
        "starter": _CONFIG_OF_STARTER,
        "automation": _CONFIG_WITH_AGENT,
        "minimal": _CONFIG,
    }
    return texts[preset]


def _openwork_text(root: WorkspaceRoot, preset: Preset, name: str) -> str:
    created_at_ms = time.time_ns() // 1_000_000
    about: dict[str, JsonValue] = {"name": name, "createdAt": created_at_ms, "preset": preset}
    roots: list[JsonValue] = [str(root.path)]
    value: JsonValue = {"version": 1, "workspace": about, "authorizedRoots": roots, "reload": None}
    return jsonc.dump(value) + "\n"


def _write_missing(root: WorkspaceRoot, path: str, text: str) -> bool:
    target = root.top.child(*normalize(path).split("/"))
    if target.stat() is not None:
        return False
    target.write_bytes(text.encode())
    return True


def preset_named(word: str) -> Preset:
    """The preset called ``word``.

    Raises:
        OpenWorkError: ``invalid_payload`` 400 naming those there are.
    """
    for preset in PRESETS:
        if preset == word:
            return preset
    raise OpenWorkError(
        "invalid_payload", f"preset must be one of {', '.join(PRESETS)}.", status=400
    )
