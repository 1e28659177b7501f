"""Every route that changes a workspace goes through the gate: what the host denies, happens not."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from openwork.common.ids import workspace_id
from openwork.engine.sse import SseParser
from tests.fake_github import fake_github
from tests.fake_router import fake_router
from tests.service.test_server_access import TABLE
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server

ROUTER_FILE = "opencode-router.json"
HOST = {"X-OpenWork-Host-Token": HOST_TOKEN}
W = "/workspace/{workspace_id}"
ROUTER = f"{W}/opencode-router"
AUTOMATIONS = f"{W}/agentlab/automations"
SKILL = "---\nname: notes\ndescription: Notes\n---\nText\n"
AUTOMATION = {
    "id": "daily", "name": "Daily", "prompt": "Report", "enabled": False,
    "schedule": {"kind": "daily", "hour": 9, "minute": 0},
}  # fmt: skip

# Each changing route: what the audit log calls the change, and a request that would change
# something if it were allowed.
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    f"POST {W}/skills": ("skills.upsert", {"name": "new", "content": "x", "description": "d"}),
    f"DELETE {W}/skills/{{name}}": ("skills.delete", {}),
    f"POST {W}/skills/hub/{{name}}": (
        "skills.install_hub", {"overwrite": True, "repo": {"owner": "acme", "repo": "skills"}},
    ),
    f"POST {W}/commands": ("commands.upsert", {"name": "new", "template": "x"}),
    f"DELETE {W}/commands/{{name}}": ("commands.delete", {}),
    f"POST {W}/agents": ("agents.upsert", {"name": "new", "content": "x"}),
    f"DELETE {W}/agents/{{name}}": ("agents.delete", {}),
    f"POST {W}/plugins": ("plugins.add", {"spec": "new"}),
    f"DELETE {W}/plugins/{{name}}": ("plugins.remove", {}),
    f"POST {W}/mcp": ("mcp.add", {"name": "new", "config": {"type": "local", "command": ["x"]}}),
    f"DELETE {W}/mcp/{{name}}": ("mcp.remove", {}),
    f"DELETE {W}/mcp/{{name}}/auth": ("mcp.auth.remove", {}),
    f"DELETE {W}/scheduler/jobs/{{name}}": ("scheduler.delete", {}),
    f"PATCH {W}/config": ("config.patch", {"opencode": {"model": "a/b"}, "openwork": {"a": 1}}),
    f"POST {W}/import": ("config.import", {"skills": [{"name": "notes", "content": SKILL + "2"}]}),
    f"POST {W}/engine/reload": ("engine.reload", {}),
    f"POST {W}/inbox": ("workspace.inbox.upload", {}),
    f"POST {W}/files/content": ("workspace.file.write", {"path": "docs/a.md", "content": "new"}),
    "POST /files/sessions/{session_id}/write-batch": (
        "workspace.files.session.write", {"writes": [{"path": "new.txt", "contentBase64": "eA=="}]},
    ),
    "POST /files/sessions/{session_id}/ops": (
        "workspace.files.session.ops", {"operations": [{"type": "delete", "path": "docs/a.md"}]},
    ),
    f"POST {AUTOMATIONS}": ("agentlab.automations.upsert", AUTOMATION | {"name": "Other"}),
    f"DELETE {AUTOMATIONS}/{{automation_id}}": ("agentlab.automations.delete", {}),
    f"POST {ROUTER}/telegram-token": ("opencodeRouter.telegram.set-token", {"token": "1:x"}),
    f"POST {ROUTER}/slack-tokens": (
        "opencodeRouter.slack.set-tokens", {"botToken": "xoxb-1", "appToken": "xapp-1"},
    ),
    f"POST {ROUTER}/telegram-enabled": ("opencodeRouter.telegram.set-enabled", {"enabled": True}),
    f"POST {ROUTER}/identities/{{channel}}": (
        "opencodeRouter.telegram.identity.upsert", {"token": "1:x"},
    ),
    f"DELETE {ROUTER}/identities/{{channel}}/{{name}}": (
        "opencodeRouter.telegram.identity.delete", {},
    ),
    f"POST {ROUTER}/bindings": (
        "opencodeRouter.binding.set", {"channel": "slack", "peerId": "p", "directory": "docs"},
    ),
}  # fmt: skip

HOSTS_OWN = "only the host may call it: there is nobody else to ask"
OWN_STATE = "it changes a file session of the caller's own, and no file"
NOT_GATED = {
    "POST /workspaces/{workspace_id}/activate": HOSTS_OWN,
    "POST /workspaces/local": HOSTS_OWN,
    "PATCH /workspaces/{target_id}/display-name": HOSTS_OWN,
    "DELETE /workspaces/{target_id}": HOSTS_OWN,
    "POST /tokens": HOSTS_OWN,
    "DELETE /tokens/{token_id}": HOSTS_OWN,
    "POST /approvals/{approval_id}": HOSTS_OWN,
    "POST /runtime/upgrade": HOSTS_OWN,
    "POST /engine/restarted": HOSTS_OWN,
    "POST /opencode-router/{path}": HOSTS_OWN,
    "PUT /opencode-router/{path}": HOSTS_OWN,
    "PATCH /opencode-router/{path}": HOSTS_OWN,
    "DELETE /opencode-router/{path}": HOSTS_OWN,
    f"POST {W}/files/sessions": OWN_STATE,
    "POST /files/sessions/{session_id}/renew": OWN_STATE,
    "DELETE /files/sessions/{session_id}": OWN_STATE,
    "POST /files/sessions/{session_id}/read-batch": "it reads",
    f"DELETE {W}/sessions/{{session_id}}": "clients know it as one that asks nobody; recorded",
    f"POST {AUTOMATIONS}/{{automation_id}}/run": "what runs was approved when it was saved",
    f"POST {ROUTER}/send": "it changes nothing here; clients know it as one that asks nobody",
}


# Of these the summary, the paths and nothing else are shown: tokens are in no answer.
SUMMARY_SAYS_ALL = {
    "plugins.add",
    "opencodeRouter.binding.set",
    *(action for action, _ in CHANGES.values() if action.startswith("opencodeRouter.")),
}


@dataclass
class Denying:
    """A server whose host denies every change.

    Attributes:
        asked: What the host was shown, in order.
    """

    server: Any
    router: Any
    session: str
    places: tuple[Any, ...]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def deny_all(self, response):
        """Answer whatever comes to wait, as long as the stream goes on."""
        parser = SseParser()
        async for chunk in response.content.iter_any():
            for event in parser.feed(chunk):
                if event.event == "added":
                    item = json.loads(event.data)
                    self.asked.append(item)
                    path = f"/approvals/{item['id']}"
                    await self.server.call("POST", path, host=True, json={"reply": "deny"})

    def files(self):
        """Every file below the folder and the home: its bytes and when it was written."""
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else None
            for place in self.places
            for path in (place, *place.rglob("*"))
        }

    async def change(self, operation, body):
        """The request that ``CHANGES`` holds for a route."""
        method, path = operation.split(" ", 1)
        path = path.replace("{workspace_id}", self.server.workspace)
        path = path.replace("{session_id}", self.session).replace("{automation_id}", "daily")
        name = self.server.workspace if "/identities/" in path else "notes"
        path = path.replace("{name}", name).replace("{channel}", "telegram")
        sent: dict[str, Any] = {"json": body} if body else {}
        if path.endswith("/inbox"):
            sent["data"] = aiohttp.FormData(default_to_multipart=True)
            sent["data"].add_field("file", b"new", filename="new.txt")
        return await self.server.call(method, path, token=CLIENT_TOKEN, **sent)


@asynccontextmanager
async def denying(base):
    folder, state, home = base / "workspace", base / "state", base / "home"
    bot = {"id": workspace_id(folder), "token": "1:kept", "enabled": False}
    texts = {
        folder / ".opencode/skills/notes/SKILL.md": SKILL,
        folder / ".opencode/commands/notes.md": "Text\n",
        folder / ".opencode/agents/notes.md": SKILL,
        folder / "docs/a.md": "old",
        folder / "opencode.jsonc": json.dumps(
            {"plugin": ["notes"], "mcp": {"notes": {"type": "local", "command": ["x"]}}}
        ),
        folder / ".opencode/openwork/agentlab/automations.json": json.dumps(
            {"schemaVersion": 1, "updatedAt": 1, "items": [AUTOMATION | {"createdAt": 1}]}
        ),
        home / ".config/opencode/jobs/notes.json": json.dumps(
            {"slug": "notes", "name": "notes", "schedule": "0 9 * * *", "workdir": str(folder)}
        ),
        state / ROUTER_FILE: json.dumps({"version": 1, "channels": {"telegram": {"bots": [bot]}}}),
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    async with fake_github() as github, fake_router() as router:
        github.files = {"skills/notes/SKILL.md": (SKILL.encode() + b"new", "100644")}
        env = {
            "HOME": str(home),
            "PATH": str(base),  # no systemctl there
            "OPENWORK_APPROVAL_MODE": "manual",
            "OPENWORK_HUB_API_URL": f"{github.base}/api",
            "OPENWORK_HUB_RAW_URL": f"{github.base}/raw/",
            "OPENCODE_ROUTER_HEALTH_PORT": str(router.port),
        }
        nobody = "http://127.0.0.1:9"
        async with running_server(folder, state, engine_url=nobody, env=env) as server:
            path = f"/workspace/{server.workspace}/files/sessions"
            status, made = await server.call("POST", path, token=CLIENT_TOKEN, json={})
            assert status == 200, made
            yield Denying(
                server, router, made["session"]["id"], (folder, home, state / ROUTER_FILE)
            )


@pytest.fixture(scope="module")
async def host(tmp_path_factory):
    async with denying(tmp_path_factory.mktemp("gate")) as host:
        server = host.server
        async with server.http.get(server.base + "/approvals/stream", headers=HOST) as stream:
            answering = asyncio.create_task(host.deny_all(stream))
            yield host
            answering.cancel()


def test_every_route_is_known_to_ask_or_why_it_does_not():
    changing = {operation for operation in TABLE if not operation.startswith("GET ")}
    assert set(CHANGES) | set(NOT_GATED) == changing
    assert not set(CHANGES) & set(NOT_GATED)
    for operation, reason in NOT_GATED.items():
        assert (TABLE[operation] == "host") is (reason == HOSTS_OWN), operation


@pytest.mark.parametrize("operation", CHANGES)
async def test_what_the_host_denies_changes_nothing_and_is_recorded(host, operation):
    action, body = CHANGES[operation]
    before = host.files()
    host.router.requests.clear()
    count = len(host.asked)
    status, answer = await host.change(operation, body)
    assert (status, answer.get("code")) == (403, "write_denied"), answer
    assert answer["details"]["reason"] == "denied"
    (shown,) = host.asked[count:]
    assert (shown["action"], shown["id"]) == (action, answer["details"]["requestId"])
    if body and action not in SUMMARY_SAYS_ALL:
        assert shown["detail"]
    path = f"/workspace/{host.server.workspace}/audit?limit=1"
    _, page = await host.server.call("GET", path, token=CLIENT_TOKEN)
    (entry,) = page["items"]
    assert (entry["action"], entry["outcome"]) == (action, "denied")
    assert entry["decidedBy"]["type"] == "host"
    assert host.files() == before
    assert [each for each in host.router.requests if each[0] != "GET"] == []
