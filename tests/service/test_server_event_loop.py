"""No route reads a workspace's files in the thread that serves everybody."""

from __future__ import annotations

import json

import pytest

from tests.stack import CLIENT_TOKEN, running_server

# Python runs it when it starts: every file that the main thread opens is named on standard error.
TELL = """
import sys, threading
main = threading.main_thread()
def tell(event, arguments):
    if event == "open" and threading.current_thread() is main:
        sys.stderr.write(f"OPENED {str(arguments[0])!r}\\n")
sys.addaudithook(tell)
"""
FILES = {
    "opencode.jsonc": '{"plugin": ["p"], "mcp": {"m": {"type": "local", "command": ["x"]}}}',
    ".opencode/skills/n/SKILL.md": "---\nname: n\ndescription: d\n---\nText\n",
    ".opencode/commands/c.md": "Text\n",
    ".opencode/agents/a.md": "Text\n",
    ".opencode/openwork/agentlab/automations.json": json.dumps(
        {"schemaVersion": 1, "updatedAt": 1, "items": []}
    ),
    "notes/today.md": "Text\n",
}
DAILY = {
    "id": "d", "name": "D", "prompt": "p", "enabled": False,
    "schedule": {"kind": "daily", "hour": 1, "minute": 1},
}  # fmt: skip
REQUESTS = [
    ("GET", "/mcp", None), ("POST", "/mcp", {"name": "n", "config": {"type": "local",
                                                                     "command": ["x"]}}),
    ("DELETE", "/mcp/n", None), ("GET", "/plugins?includeGlobal=true", None),
    ("POST", "/plugins", {"spec": "q"}), ("DELETE", "/plugins/q", None), ("GET", "/skills", None),
    ("GET", "/skills/n", None), ("POST", "/skills", {"name": "n", "content": "x"}),
    ("DELETE", "/skills/n", None), ("GET", "/commands", None), ("DELETE", "/commands/c", None),
    ("GET", "/agents", None), ("GET", "/agents/a", None),
    ("POST", "/agents", {"name": "a", "content": "x"}), ("GET", "/agentlab/automations", None),
    ("POST", "/agentlab/automations", DAILY), ("DELETE", "/agentlab/automations/d", None),
    ("GET", "/export", None), ("GET", "/files/content?path=notes/today.md", None),
    ("POST", "/files/content", {"path": "notes/today.md", "content": "x"}),
]  # fmt: skip


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("loop")
    folder, state, site = base / "workspace", base / "state", base / "site"
    for each in (state, site):
        each.mkdir()
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (site / "sitecustomize.py").write_text(TELL)
    async with running_server(folder, state, env={"PYTHONPATH": str(site)}) as server:
        yield server


async def test_the_workspaces_files_are_opened_elsewhere(server):
    assert any(line.startswith("OPENED") for line in server.lines)  # what it imports at its start
    del server.lines[:]
    for method, path, body in REQUESTS:
        target = f"/workspace/{server.workspace}{path}"
        status, answer = await server.call(method, target, token=CLIENT_TOKEN, json=body)
        assert status < 300, (method, path, answer)
    names = {part for name in FILES for part in name.split("/")}
    opened = [line for line in server.lines if line.startswith("OPENED")]
    assert [line for line in opened if any(f"{name}'" in line for name in names)] == []
