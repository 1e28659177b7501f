"""Paths that lead out, on each route that takes one: nothing is served, nothing outside changes."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from openwork.workspace.artifacts import item_id
from tests.bad_paths import NO_PATHS, NOT_SERVED
from tests.fake_github import fake_github
from tests.fake_router import fake_router
from tests.service.test_server_access import TABLE
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = ("opencode.jsonc", ".git/config")
CANARY = "canary-of-a-file-outside"
TRICKS = {
    **NO_PATHS,
    **NOT_SERVED,
    "absolute": "{outside}/secret.md",
    "encoded": "..%2f..%2fx.md",
    "encoded twice": "..%252fx.md",
    "encoded badly": "%zz%",
}
W = "/workspace/{workspace_id}"
ROUTER = f"{W}/opencode-router"
AUTOMATIONS = f"{W}/agentlab/automations"
SKILL = "---\ndescription: d\n---\nText\n"
AUTOMATION = {"name": "n", "prompt": "p", "schedule": {"kind": "interval", "seconds": 3600},
              "enabled": False}  # fmt: skip


def in_url(path: str, *, raw: bool = False) -> str:
    """``path`` as one part of an address; ``raw``: as it is, where an address can hold it."""
    data = path.encode(errors="surrogatepass")
    return quote(data, safe="%" if raw else "")


def batch(key: str, **item: Any) -> Callable[[str], dict[str, Any]]:
    """A body with one item, in which ``PATH`` stands for the path."""
    return lambda path: {
        key: [{name: path if value == "PATH" else value for name, value in item.items()}]
    }


def form(path: str, *, named: bool) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    clean = path.encode(errors="replace").decode().replace("\n", "%0A").replace("\0", "%00")
    if named:
        data.add_field("file", b"x", filename=clean.replace('"', "%22"))
    else:
        data.add_field("path", clean)
        data.add_field("file", b"x", filename="plain.txt")
    return data


def at(**fields: Any) -> Callable[[str], dict[str, Any]]:
    """A body in which ``PATH`` stands for the path."""
    return lambda path: {name: path if value == "PATH" else value for name, value in fields.items()}


# Each route that takes a path, or a name that becomes one: its requests, each a name for what is
# tried, the query, and the body. ``PATH`` and ``{bad}`` stand for the path.
ROUTES: dict[str, list[tuple[str, Callable[[str], Any] | None]]] = {
    f"GET {W}/inbox/{{item_id}}": [("", None)],
    f"POST {W}/inbox": [
        ("?path={bad}", lambda _: form("plain.txt", named=True)),
        ("", lambda path: form(path, named=False)),
        ("", lambda path: form(path, named=True)),
    ],
    f"GET {W}/artifacts/{{artifact_id}}": [("", None)],
    "POST /files/sessions/{session_id}/read-batch": [("", lambda path: {"paths": [path]})],
    "POST /files/sessions/{session_id}/write-batch": [
        ("", batch("writes", path="PATH", contentBase64=base64.b64encode(b"x").decode()))
    ],
    "POST /files/sessions/{session_id}/ops": [
        ("", batch("operations", type="mkdir", path="PATH")),
        ("", batch("operations", type="delete", path="PATH", recursive=True)),
        ("", batch("operations", type="rename", **{"from": "PATH", "to": "moved.md"})),
        ("", batch("operations", type="rename", **{"from": "docs/a.md", "to": "PATH"})),
    ],
    "GET /files/sessions/{session_id}/catalog/snapshot": [("?prefix={bad}", None)],
    f"GET {W}/files/content": [("?path={bad}", None)],
    f"POST {W}/files/content": [("", at(path="PATH", content="x"))],
    f"POST {W}/import": [
        ("", batch("files", path="PATH", content="x")),
        ("", lambda path: {"files": [{"path": f".opencode/tools/{path}", "content": "x"}]}),
        ("", batch("skills", name="PATH", content=SKILL)),
        ("", batch("commands", name="PATH", template="x")),
    ],
    f"GET {W}/skills/{{name}}": [("", None)],
    f"POST {W}/skills": [("", at(name="PATH", content=SKILL))],
    f"DELETE {W}/skills/{{name}}": [("", None)],
    f"POST {W}/skills/hub/{{name}}": [
        ("", lambda _: {"repo": {"owner": "acme", "repo": "skills"}})
    ],
    f"POST {W}/commands": [("", at(name="PATH", template="x"))],
    f"DELETE {W}/commands/{{name}}": [("", None)],
    f"GET {W}/agents/{{name}}": [("", None)],
    f"POST {W}/agents": [("", at(name="PATH", content="x"))],
    f"DELETE {W}/agents/{{name}}": [("", None)],
    f"POST {AUTOMATIONS}": [("", lambda path: {**AUTOMATION, "id": path})],
    f"DELETE {AUTOMATIONS}/{{automation_id}}": [("", None)],
    f"POST {AUTOMATIONS}/{{automation_id}}/run": [("", None)],
    f"GET {AUTOMATIONS}/logs/{{automation_id}}": [("", None)],
    f"DELETE {W}/scheduler/jobs/{{name}}": [("", None)],
    "POST /workspaces/local": [("", at(folderPath="PATH"))],
    f"POST {ROUTER}/send": [("", at(channel="slack", text="x", directory="PATH"))],
    f"POST {ROUTER}/bindings": [("", at(channel="slack", peerId="p", directory="PATH"))],
}


# What these name is no file of a workspace, nor of the host.
NO_PATH_IN_IT = {
    "POST /approvals/{approval_id}",
    "POST /engine/restarted",
    "POST /runtime/upgrade",
    "POST /tokens",
    "DELETE /tokens/{token_id}",
    "POST /workspaces/{workspace_id}/activate",
    "PATCH /workspaces/{target_id}/display-name",
    "DELETE /workspaces/{target_id}",
    "POST /files/sessions/{session_id}/renew",
    "DELETE /files/sessions/{session_id}",
    "GET /files/sessions/{session_id}/catalog/events",
    f"POST {W}/files/sessions",
    f"POST {W}/engine/reload",
    f"POST {W}/plugins",
    f"DELETE {W}/plugins/{{name}}",
    f"POST {W}/mcp",
    f"DELETE {W}/mcp/{{name}}",
    f"DELETE {W}/mcp/{{name}}/auth",
    f"DELETE {W}/sessions/{{session_id}}",
    f"POST {ROUTER}/telegram-token",
    f"POST {ROUTER}/slack-tokens",
    f"POST {ROUTER}/telegram-enabled",
    f"GET {ROUTER}/identities/{{channel}}",
    f"POST {ROUTER}/identities/{{channel}}",
    f"DELETE {ROUTER}/identities/{{channel}}/{{name}}",
    *(
        f"{method} /opencode-router/{{path}}"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
}
# Where one of ``NO_PATHS`` is none of these: it means something there, or cannot be sent.
MEANS_SOMETHING = {
    (f"POST {W}/inbox", "empty"): "the file's own name counts",
    (f"POST {W}/inbox", "drive"): "of a file's own name the folders are left out",
    (f"POST {W}/inbox", "half a character"): "neither an address nor a form can carry it",
    (f"POST {W}/inbox", "NUL"): "a form cannot carry it: the client writes it otherwise",
    (f"POST {W}/inbox", "line end"): "a form cannot carry it",
    (f"POST {ROUTER}/bindings", "empty"): "the binding ends",
    (f"POST {ROUTER}/bindings", "dot"): "the workspace's own folder",
    (f"POST {ROUTER}/send", "dot"): "the workspace's own folder",
    ("GET /files/sessions/{session_id}/catalog/snapshot", "empty"): "the whole workspace",
    ("GET /files/sessions/{session_id}/catalog/snapshot", "half a character"): "no address has it",
    (f"POST {AUTOMATIONS}", "empty"): "a new one is given an id",
}


def lay_out(base):
    """A workspace with links that lead out, each time anew."""
    folder = base / "workspace"
    for each in folder.iterdir() if folder.exists() else ():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    own = folder / ".opencode"
    places = [folder, *(own / name for name in ("openwork/inbox", "openwork/outbox", "tools"))]
    for place in (folder / "docs", folder / ".git", *places):
        place.mkdir(parents=True, exist_ok=True)
    for place in places:
        (place / "out").symlink_to(base / "outside")
    (folder / "docs/a.md").write_text("Text")
    for path in KEPT:
        (folder / path).write_text(json.dumps({"model": CANARY}))


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("paths")
    for name in ("state", "home", "outside"):
        (base / name).mkdir()
    (base / "outside/secret.md").write_text(CANARY)
    lay_out(base)
    async with fake_router() as router, fake_github() as github:
        env = {
            "HOME": str(base / "home"),
            "PATH": str(base),
            "OPENCODE_ROUTER_HEALTH_PORT": str(router.port),
            "OPENWORK_HUB_API_URL": f"{github.base}/api",
            "OPENWORK_HUB_RAW_URL": f"{github.base}/raw/",
        }
        async with running_server(
            base / "workspace", base / "state", engine_url="http://127.0.0.1:9", env=env
        ) as server:
            path = f"/workspace/{server.workspace}/files/sessions"
            _, made = await server.call("POST", path, token=CLIENT_TOKEN, json={})
            yield server, made["session"]["id"]


async def answers(server, session, operation, trick, path):
    """Each request of a route with one bad path: its status and its answer."""
    method, pattern = operation.split(" ", 1)
    named = in_url(path, raw="encoded" in trick)
    target = pattern.replace("{workspace_id}", server.workspace).replace("{session_id}", session)
    for key in ("{item_id}", "{artifact_id}"):
        target = target.replace(key, item_id(path.encode(errors="replace").decode()))
    for key in ("{name}", "{automation_id}"):
        target = target.replace(key, named)
    headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    if TABLE[operation] == "host":
        headers = {"X-OpenWork-Host-Token": HOST_TOKEN}
    for query, body in ROUTES[operation]:
        content = None if body is None else body(path)
        sent: dict[str, Any] = {"headers": headers}
        if isinstance(content, aiohttp.FormData):
            sent["data"] = content
        elif content is not None:
            sent["data"] = json.dumps(content)
            sent["headers"] = {**headers, "Content-Type": "application/json"}
        url = URL(server.base + target + query.replace("{bad}", named), encoded=True)
        async with server.http.request(method, url, **sent) as response:
            yield response.status, await response.text(errors="replace")


def files(*places):
    """What is at and below some places: the bytes of files, where links lead."""

    def content(path):
        if path.is_symlink():
            return str(path.readlink())
        return path.read_bytes() if path.is_file() else b""

    return {path: content(path) for place in places for path in (place, *sorted(place.rglob("*")))}


def test_every_route_with_a_path_is_tried():
    named = {each for each in TABLE if "{" in each.replace("{workspace_id}", "")}
    named |= {each for each in TABLE if each.startswith("POST ")}
    assert named <= ROUTES.keys() | NO_PATH_IN_IT <= TABLE.keys()
    assert not ROUTES.keys() & NO_PATH_IN_IT


@pytest.mark.parametrize("operation", ROUTES)
async def test_a_bad_path_serves_nothing_and_changes_nothing_outside(server, operation):
    server, session = server
    base = server.folder.parent
    lay_out(base)
    for trick, text in TRICKS.items():
        path = text.replace("{outside}", str(base / "outside"))
        kept = [server.folder / each for each in KEPT]
        outside, inside = files(base / "outside", base / "home", *kept), files(server.folder)
        async for status, answer in answers(server, session, operation, trick, path):
            told = (trick, status, answer)
            assert status < 500, told
            assert CANARY not in answer, told
            assert files(base / "outside", base / "home", *kept) == outside, told
            if trick in NO_PATHS and (operation, trick) not in MEANS_SOMETHING:
                assert status >= 400, told
            if status >= 400:
                assert files(server.folder) == inside, told
            else:
                lay_out(base)
                inside = files(server.folder)
