"""Skills, the skill hub, commands and agents of a real server over real sockets."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest
from yarl import URL

from tests import documented
from tests.fake_github import fake_github
from tests.reload_window import settled
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_server
from tests.until import until

SKILL = "---\nname: {n}\ndescription: Summarise\n---\n\n# When to use\n\n- On Mondays\n"
BAD_NAMES = [
    "..%2Fx",
    "..%2f..%2fetc",
    "%00",
    "a%20b",
    "%2Fetc",
    "a%5Cb",
    "%F0%9F%98%80",
    "x" * 300,
]


@pytest.fixture(scope="module")
async def github():
    async with fake_github() as fake:
        fake.files = {
            "README.md": (b"# Skills\n", "100644"),
            "skills/report/SKILL.md": (SKILL.format(n="report").encode(), "100644"),
            "skills/report/bin/run.sh": (b"#!/bin/sh\n", "100755"),
            "skills/office mail/SKILL.md": (b"no skill: its name has a space", "100644"),
            "skills/broken/SKILL.md": (b"---\nname: [\n---\n", "100644"),
            "skills/linked/SKILL.md": (SKILL.format(n="linked").encode(), "100644"),
            "skills/linked/secret": (b"/etc/passwd", "120000"),
            "skills/tampered/SKILL.md": (SKILL.format(n="tampered").encode(), "100644"),
            "skills/tampered/run": (b"promised", "100755"),
        }
        fake.wrong = {"skills/tampered/run": b"evil bits"}
        yield fake


@pytest.fixture(scope="module")
async def server(tmp_path_factory, github):
    base = tmp_path_factory.mktemp("skills")
    folder, state, home = base / "workspace", base / "state", base / "home"
    for each in (folder, state, home):
        each.mkdir()
    for name in ("skills/mine/SKILL.md", "commands/mine.md", "agents/mine.md"):
        path = home / ".config/opencode" / name
        path.parent.mkdir(parents=True)
        path.write_text(SKILL.format(n="mine"))
    env = {
        "HOME": str(home),
        "OPENWORK_HUB_API_URL": f"{github.base}/api",
        "OPENWORK_HUB_RAW_URL": f"{github.base}/raw/",
    }
    async with running_server(folder, state, env=env) as server:
        yield server


@pytest.fixture(scope="module")
async def viewer(server):
    return await server.token("viewer")


@pytest.fixture
def call(server):
    async def call(method, path, *, token=CLIENT_TOKEN, workspace=True, **options):
        before = f"/workspace/{server.workspace}" if workspace else ""
        url = URL(server.base + before + path, encoded=True)
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        async with server.http.request(method, url, headers=headers, **options) as response:
            body = json.loads(await response.text())
            documented.check(method, before + path, response.status, body)
            return response.status, body

    return call


@pytest.fixture
async def events(server, call):
    """The reload events about a name since the test's start: reason, type, action, path."""
    cursor = await settled(server)

    async def about(name):
        await settled(server)
        _, body = await call("GET", f"/events?since={cursor}")
        told = [each for each in body["items"] if each["trigger"].get("name") == name]
        return [
            (each["reason"], *(each["trigger"][key] for key in ("type", "action", "path")))
            for each in told
        ]

    return about


async def last_audit(call):
    _, body = await call("GET", "/audit?limit=1")
    return body["items"][0]["action"], body["items"][0]["outcome"]


async def test_a_skill_is_written_listed_read_and_deleted(server, call, viewer, events):
    content = SKILL.format(n="weekly")
    path = server.folder / ".opencode/skills/weekly/SKILL.md"
    status, body = await call("POST", "/skills", json={"name": "weekly", "content": content})
    assert (status, body) == (
        200, {"name": "weekly", "path": str(path), "description": "", "scope": "project"}
    )  # fmt: skip
    assert path.read_text() == content.replace("---\n\n#", "---\n#")
    item = {"name": "weekly", "description": "Summarise", "path": str(path), "scope": "project",
            "trigger": "On Mondays"}  # fmt: skip
    assert await call("GET", "/skills", token=viewer) == (200, {"items": [item]})
    _, body = await call("GET", "/skills?includeGlobal=true", token=viewer)
    assert [(each["name"], each["scope"]) for each in body["items"]] == [
        ("weekly", "project"), ("mine", "global")
    ]  # fmt: skip
    assert await call("GET", "/skills/weekly", token=viewer) == (
        200, {"item": item, "content": path.read_text()}
    )  # fmt: skip
    assert (await call("GET", "/skills/mine"))[1]["code"] == "skill_not_found"
    assert (await call("GET", "/skills/mine?includeGlobal=1"))[0] == 200
    body = {"name": "weekly", "content": "Only text", "description": "New"}
    assert (await call("POST", "/skills", json=body))[1]["description"] == "New"
    assert await last_audit(call) == ("skills.upsert", "done")
    assert await call("DELETE", "/skills/weekly") == (
        200, {"ok": True, "name": "weekly", "path": str(path.parent)}
    )  # fmt: skip
    assert await last_audit(call) == ("skills.delete", "done")
    assert (await call("DELETE", "/skills/weekly"))[0] == 404
    assert (await call("DELETE", "/skills/mine"))[0] == 404
    told = ".opencode/skills/weekly/SKILL.md"
    first, *_, last = await events("weekly")
    assert first == ("skills", "skill", "added", told)
    assert last == ("skills", "skill", "removed", told)


async def test_a_command_is_written_listed_and_deleted(server, call, events):
    body = {"name": "/standup", "template": "Write", "model": None, "description": None,
            "agent": "build", "subtask": False}  # fmt: skip
    status, listing = await call("POST", "/commands", json=body)
    assert (status, listing) == (
        200,
        {"items": [{"name": "standup", "template": "Write", "agent": "build", "model": None,
                    "subtask": False, "scope": "workspace"}]},
    )  # fmt: skip
    path = server.folder / ".opencode/commands/standup.md"
    assert "null" not in path.read_text()
    body["template"] = "Write more"
    await call("POST", "/commands", json=body)
    assert await call("DELETE", "/commands/standup") == (200, {"ok": True})
    assert await call("DELETE", "/commands/standup") == (200, {"ok": True})
    assert not path.exists()
    first, *_, last = await events("standup")
    assert first == ("commands", "command", "added", ".opencode/commands/standup.md")
    assert last == ("commands", "command", "removed", ".opencode/commands/standup.md")


async def test_the_users_commands_are_for_the_host(server, call, viewer):
    for token in (CLIENT_TOKEN, viewer):
        status, body = await call("GET", "/commands?scope=global", token=token)
        assert (status, body["code"]) == (401, "unauthorized")
    owner = await server.token("owner")
    host = {"X-OpenWork-Host-Token": HOST_TOKEN}
    for options in ({"token": owner}, {"headers": host}):
        status, body = await call("GET", "/commands?scope=global", **options)
        assert [(each["name"], each["scope"]) for each in body["items"]] == [("mine", "global")]


async def test_an_agent_is_written_listed_read_and_deleted(server, call, viewer, events):
    content = "---\ndescription: Reviews\nmode: subagent\n---\nBe strict.\n"
    path = server.folder / ".opencode/agents/reviewer.md"
    item = {"name": "reviewer", "description": "Reviews", "mode": "subagent", "path": str(path),
            "scope": "project"}  # fmt: skip
    body = {"name": "reviewer", "content": content}
    assert await call("POST", "/agents", json=body) == (200, item)
    assert path.read_text() == content
    assert await call("GET", "/agents", token=viewer) == (200, {"items": [item]})
    _, listing = await call("GET", "/agents?includeGlobal=true")
    assert [each["scope"] for each in listing["items"]] == ["project", "global"]
    assert await call("GET", "/agents/reviewer", token=viewer) == (
        200, {"item": item, "content": content}
    )  # fmt: skip
    status, error = await call(
        "POST", "/agents", json={"name": "reviewer", "content": "---\nmodel: null\n---\nB"}
    )
    assert (status, error["code"], error["details"][0]["field"]) == (422, "invalid_agent", "model")
    assert await call("DELETE", "/agents/reviewer") == (
        200, {"ok": True, "name": "reviewer", "path": str(path)}
    )  # fmt: skip
    assert await last_audit(call) == ("agents.delete", "done")
    assert (await call("DELETE", "/agents/reviewer"))[1]["code"] == "agent_not_found"
    assert await events("reviewer") == [
        ("agents", "agent", action, ".opencode/agents/reviewer.md")
        for action in ("added", "removed")
    ]


@pytest.mark.parametrize("kind", ["skills", "commands", "agents"])
async def test_names_that_are_paths_are_refused(server, call, kind):
    code = f"invalid_{kind.removesuffix('s')}_name"
    for name in BAD_NAMES:
        for method in ("GET", "DELETE"):
            # Of a command's name a leading slash is dropped, and commands are read as a list only.
            if kind != "commands" or (method == "DELETE" and name != "%2Fetc"):
                status, body = await call(method, f"/{kind}/{name}")
                assert (status, body["code"]) == (400, code), (method, name)
        plain = URL(f"/{name}", encoded=True).path[1:]
        body = {"name": plain, "content": "x", "template": "x", "description": "d"}
        if (kind, name) != ("commands", "%2Fetc"):
            status, body = await call("POST", f"/{kind}", json=body)
            assert (status, body["code"]) == (400, code), name
    assert list(server.folder.parent.glob("x*")) == []


@pytest.mark.parametrize("kind", ["skills", "commands", "agents"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"5", b'{"name": 5}', b'{"name": "x", "content": {}, "template": []}',
        b'{"name": null}', b"[" * 100_000, b'{"name": "x", "content": 1e999, "template": 1e999}',
        b'{"name": "x", "content": "\\ud800", "template": "\\ud800", "description": "d"}',
        b'{"name": "x\\u0000", "content": "x", "template": "x"}', b"{}",
    ],
)  # fmt: skip
async def test_a_bad_body_is_400(call, kind, body):
    status, _ = await call(
        "POST", f"/{kind}", data=body, headers={"Content-Type": "application/json"}
    )
    assert status == 400


@pytest.mark.parametrize("kind", ["skills", "commands", "agents"])
async def test_files_and_links_placed_by_others_break_no_list(server, call, kind):
    outside = server.folder.parent / "secret.md"
    outside.write_text("secret")
    names = {"skills": ("bad/SKILL.md", "link/SKILL.md"), "commands": ("bad.md", "link.md")}
    bad, link = names.get(kind, names["commands"])
    folder = server.folder / ".opencode" / kind
    for name in (bad, link):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / bad).write_bytes(b'---\nname: "\\ud800"\nx: \xff\n---\n')
    (folder / link).symlink_to(outside)
    status, body = await call("GET", f"/{kind}")
    assert (status, body["items"]) == (200, [])
    assert {each["code"] for each in body["problems"]} == {"invalid_frontmatter", "invalid_path"}
    assert "secret" not in json.dumps(body).replace("secret.md", "")
    status, _ = await call(
        "POST", f"/{kind}",
        json={"name": "link", "content": "evil", "template": "evil", "description": "d"},
    )  # fmt: skip
    assert status == 400
    assert outside.read_text() == "secret"
    (folder / bad).unlink()
    (folder / link).unlink()


class TestHub:
    async def list(self, call, token=CLIENT_TOKEN, query="owner=acme&repo=skills"):
        return await call("GET", f"/hub/skills?{query}", workspace=False, token=token)

    async def install(self, call, name, **body):
        repo = {"owner": "acme", "repo": "skills", "ref": "main"}
        return await call("POST", f"/skills/hub/{name}", json={"repo": repo, **body})

    async def test_the_catalogue_lists_valid_skills_and_is_kept(self, call, viewer, github):
        status, body = await self.list(call, viewer)
        assert status == 200
        assert [each["name"] for each in body["items"]] == ["report", "linked", "tampered"]
        assert body["items"][0] == {
            "name": "report", "description": "Summarise", "trigger": "On Mondays",
            "source": {"owner": "acme", "repo": "skills", "ref": "main", "path": "skills/report"},
        }  # fmt: skip
        asked = len(github.requests)
        assert await self.list(call) == (status, body)
        assert len(github.requests) == asked

    async def test_callers_at_the_same_time_share_one_fetch(self, call, github):
        github.gate.clear()
        github.requests.clear()
        github.branches.add("busy")
        query = "owner=acme&repo=skills&ref=busy"
        tasks = [asyncio.create_task(self.list(call, query=query)) for _ in range(5)]
        await until(lambda: any(path.startswith("/raw") for path in github.requests), pause_s=0.01)
        github.gate.set()
        assert [status for status, _ in await asyncio.gather(*tasks)] == [200] * 5
        assert github.requests.count("/api/repos/acme/skills/commits/busy") == 1

    async def test_a_skill_is_installed_with_its_exec_bits(self, server, call, events):
        folder = server.folder / ".opencode/skills/report"
        assert await self.install(call, "report") == (
            200,
            {"ok": True, "name": "report", "path": str(folder), "action": "added", "written": 2,
             "skipped": 0},
        )  # fmt: skip
        assert stat.S_IMODE((folder / "bin/run.sh").stat().st_mode) == 0o755
        await call("POST", "/skills", json={"name": "report", "content": "Mine"})
        _, body = await self.install(call, "report")
        assert (body["action"], body["written"], body["skipped"]) == ("updated", 0, 2)
        _, body = await self.install(call, "report", overwrite=True)
        assert (body["action"], body["written"], body["skipped"]) == ("updated", 2, 0)
        assert (folder / "SKILL.md").read_text() == SKILL.format(n="report")
        assert await last_audit(call) == ("skills.install_hub", "done")
        told = ".opencode/skills/report/SKILL.md"
        first, *_, last = await events("report")
        assert first == ("skills", "skill", "added", told)
        assert last == ("skills", "skill", "updated", told)

    @pytest.mark.parametrize(
        ("name", "status", "code"),
        [
            ("nowhere", 404, "hub_skill_not_found"),
            ("broken", 502, "hub_install_failed"),
            ("linked", 502, "hub_install_failed"),
            ("tampered", 502, "hub_install_failed"),
            ("..%2F..%2Fetc", 400, "invalid_skill_name"),
            ("office%20mail", 400, "invalid_skill_name"),
        ],
    )
    async def test_what_cannot_be_installed_leaves_nothing(self, server, call, name, status, code):
        got, body = await self.install(call, name)
        assert (got, body["code"]) == (status, code)
        assert not (server.folder / ".opencode/skills" / name).exists()
        assert list((server.folder / ".opencode").glob(".openwork*")) == []

    @pytest.mark.parametrize(
        "query",
        ["owner=..", "owner=a%2Fb", "repo=..", "repo=a%2F..%2Fb", "ref=..%2F..", "ref=x%3Fy",
         "ref=a%23", "owner=%00", "owner=" + "a" * 5000],
    )  # fmt: skip
    async def test_a_repository_name_cannot_change_the_address(self, call, github, query):
        github.requests.clear()
        status, body = await self.list(call, query=query)
        assert (status, body["code"]) == (400, "invalid_payload")
        assert github.requests == []

    @pytest.mark.parametrize("answer", [301, 302, 404, 403, 429, 500])
    async def test_a_failing_hub_is_502_and_is_asked_again(self, call, github, answer):
        github.requests.clear()
        github.status = answer
        try:
            for _ in range(2):
                status, body = await self.list(call, query="owner=acme&repo=skills&ref=fresh")
                assert (status, body["code"]) == (502, "hub_fetch_failed")
                assert str(answer) in body["message"]
        finally:
            github.status = 200
        assert github.requests == ["/api/repos/acme/skills/commits/fresh"] * 2  # no redirect
