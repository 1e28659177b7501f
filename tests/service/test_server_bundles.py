"""Export, import and the configuration's secrets, on a real server."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal

import psutil
import pytest

from openwork.common.ids import workspace_id
from tests.stack import CLIENT_TOKEN, running_server
from tests.until import until

SKILL = "---\nname: report\ndescription: Summarise\n---\n# Steps\n"
TOKEN = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9"
SECRETS = ["hunter2", TOKEN, "plain-header-value", "letmein"]
CONFIG = {
    "$schema": "https://opencode.ai/config.json",
    "model": "a/b",
    "mcp": {
        "web": {
            "type": "remote",
            "url": "https://mcp.example.com/mcp",
            "headers": {"Authorization": f"Bearer {TOKEN}", "X-Any": "plain-header-value"},
        },
        "run": {"type": "local", "command": ["npx", "server", "--password", "hunter2"]},
    },
    "provider": {"p": {"options": {"apiKey": "letmein", "baseURL": "https://api.example.com"}}},
}


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("bundles")
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state, engine_url="http://127.0.0.1:9") as server:
        yield server


@pytest.fixture(scope="module")
async def tokens(server):
    return {scope: await server.token(scope) for scope in ("owner", "collaborator", "viewer")}


@pytest.fixture
def folder(server):
    """The workspace, emptied."""
    for each in server.folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return server.folder


@pytest.fixture
def call(server):
    async def call(method, path, token=CLIENT_TOKEN, **options):
        path = f"/workspace/{server.workspace}/{path}"
        return await server.call(method, path, token=token, **options)

    return call


async def newest_audit(call):
    _, body = await call("GET", "audit?limit=1")
    return body["items"][0] if body["items"] else None


async def test_what_was_imported_is_exported_as_recorded(call, folder):
    (folder / "opencode.jsonc").write_text('{\n  // kept\n  "permission": {"edit": "ask"}\n}\n')
    status, body = await call(
        "POST",
        "import",
        json={
            "mode": {"skills": "merge", "commands": "merge"},
            "opencode": {"username": "bob"},
            "skills": [{"name": "report", "content": SKILL.replace("---\n#", "---\n\n#")}],
            "commands": [{"name": "deploy", "template": "do $ARGUMENTS", "model": None}],
        },
    )
    assert (status, body) == (200, {"ok": True})
    status, body = await call("GET", "export")
    assert status == 200
    assert body.pop("workspaceId") == workspace_id(folder)
    assert isinstance(body.pop("exportedAt"), int)
    assert body == {
        "opencode": {"permission": {"edit": "ask"}, "username": "bob"},
        "openwork": {},
        "skills": [{"name": "report", "description": "Summarise", "content": SKILL}],
        "commands": [{"name": "deploy", "template": "do $ARGUMENTS"}],
    }
    assert "// kept" in (folder / "opencode.jsonc").read_text()
    assert "null" not in (folder / ".opencode/commands/deploy.md").read_text()
    audited = await newest_audit(call) or {}
    assert (audited["action"], audited["outcome"]) == ("config.import", "done")
    _, events = await call("GET", "events")
    assert {"config", "skills", "commands"} <= {each["reason"] for each in events["items"]}


async def test_secrets_are_told_without_their_values_and_need_a_decision(call, folder, tokens):
    (folder / "opencode.json").write_text(json.dumps(CONFIG))
    plugin = folder / ".opencode/plugins/hook.js"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(f'const a = 1\nconst apiKey = "{TOKEN}"\n')
    for scope in ("viewer", "collaborator", "owner"):
        status, body = await call("GET", "export", token=tokens[scope])
        assert (status, body["code"]) == (409, "workspace_export_requires_decision")
        warnings = {each["id"]: each for each in body["details"]["warnings"]}
        assert set(warnings) == {
            "mcp-config", "provider-config", "portable-file:.opencode/plugins/hook.js",
        }  # fmt: skip
        assert "line 2" in warnings["portable-file:.opencode/plugins/hook.js"]["detail"]
        assert not any(secret in json.dumps(body) for secret in SECRETS)
    status, body = await call("GET", "export?sensitive=maybe")
    assert (status, body["code"]) == (400, "invalid_workspace_export_sensitive_mode")


async def test_only_an_owner_is_given_secrets(call, folder, tokens):
    (folder / "opencode.json").write_text(json.dumps(CONFIG))
    for scope in ("viewer", "collaborator"):
        status, body = await call("GET", "export?sensitive=include", token=tokens[scope])
        assert (status, body["details"]) == (403, {"required": "owner", "scope": scope})
        status, body = await call("GET", "export?sensitive=exclude", token=tokens[scope])
        assert status == 200
        assert not any(secret in json.dumps(body) for secret in SECRETS)
        assert body["opencode"] == {
            "$schema": "https://opencode.ai/config.json",
            "model": "a/b",
            "mcp": {"web": {"type": "remote", "url": "https://mcp.example.com/mcp", "headers": {}}},
            "provider": {"p": {"options": {"baseURL": "https://api.example.com"}}},
        }
    status, body = await call("GET", "export?sensitive=include", token=tokens["owner"])
    assert (status, body["opencode"]) == (200, CONFIG)


async def test_a_preview_shows_everything_and_changes_nothing(call, folder):
    (folder / ".opencode/skills/old").mkdir(parents=True)
    (folder / ".opencode/skills/old/SKILL.md").write_text(SKILL.replace("report", "old"))
    before = await newest_audit(call)
    bundle = {
        "mode": {"skills": "replace"},
        "opencode": {"model": "a/b"},
        "skills": [{"name": "report", "content": SKILL}],
    }
    status, shown = await call("POST", "import?preview=true", json=bundle)
    assert status == 200
    assert shown["summary"] == {
        "total": 3, "create": 2, "update": 0, "replace": 0, "delete": 1, "unchanged": 0,
    }  # fmt: skip
    assert {(each["kind"], each["action"], each["path"]) for each in shown["changes"]} == {
        ("opencode", "create", "opencode.jsonc"),
        ("skill", "create", ".opencode/skills/report/SKILL.md"),
        ("skill", "delete", ".opencode/skills/old/SKILL.md"),
    }
    assert await newest_audit(call) == before
    assert not (folder / "opencode.jsonc").exists()
    (folder / "opencode.jsonc").write_text("{}")
    bundle["previewFingerprint"] = shown["fingerprint"]
    status, body = await call("POST", "import", json=bundle)
    assert (status, body["code"]) == (409, "workspace_import_preview_stale")
    (folder / "opencode.jsonc").unlink()
    assert await call("POST", "import", json=bundle) == (200, {"ok": True})
    assert [each.name for each in (folder / ".opencode/skills").iterdir()] == ["report"]
    bundle["previewFingerprint"] = "x"
    status, body = await call("POST", "import", json=bundle)
    assert (status, body["code"]) == (400, "invalid_workspace_import_preview_fingerprint")


async def test_an_import_that_changes_nothing_is_not_audited(call, folder):
    bundle = {"skills": [{"name": "report", "content": SKILL}], "opencode": {}}
    assert await call("POST", "import", json=bundle) == (200, {"ok": True})
    before = await newest_audit(call)
    assert await call("POST", "import", json=bundle) == (200, {"ok": True})
    assert await call("POST", "import", json={}) == (200, {"ok": True})
    assert await newest_audit(call) == before


@pytest.mark.parametrize(
    ("bundle", "status", "code"),
    [
        ({"skills": [{"name": "../x", "content": SKILL}]}, 400, "invalid_skill_name"),
        ({"skills": [{"name": "report", "content": "no front"}]}, 422, "invalid_description"),
        ({"skills": [{"name": "report", "content": SKILL}] * 2}, 400, "invalid_payload"),
        ({"commands": [{"name": "a b", "template": "x"}]}, 400, "invalid_command"),
        ({"commands": [{"template": "x"}]}, 400, "invalid_command"),
        ({"commands": [{"content": "---\nname: x\n"}]}, 422, "invalid_frontmatter"),
        ({"files": [{"path": "../x", "content": ""}]}, 400, "invalid_portable_file_path"),
        ({"files": [{"path": "opencode.json", "content": ""}]}, 400, "invalid_portable_file_path"),
        ({"files": [{"path": ".opencode/tools/.env", "content": ""}]}, 400,
         "invalid_portable_file_path"),
        ({"files": [{"path": ".opencode/tools/x", "content": "\ud800"}]}, 400,
         "invalid_portable_file"),
        ({"files": [{"path": ".opencode/tools/x", "content": "!", "encoding": "base64"}]}, 400,
         "invalid_portable_file"),
        ({"files": [{"path": ".opencode/agents/x.md", "content": "---\nmodel: null\n---\n"}]}, 422,
         "invalid_agent"),
        ({"opencode": {"model": None}}, 400, "invalid_payload"),
        ({"opencode": {"\ud800": None}}, 400, "invalid_payload"),
        ({"opencode": {"\ud800": "***"}}, 400, "hidden_value"),
        ({"commands": [{"name": "\ud800", "content": "---\n["}]}, 422, "invalid_frontmatter"),
        ({"opencode": {"mcp": {"x": {"type": "remote"}}}}, 400, "invalid_mcp_config"),
        ({"opencode": {"plugin": [5]}}, 400, "invalid_payload"),
        ({"opencode": {"permission": {"edit": "maybe"}}}, 400, "invalid_payload"),
        ({"opencode": {"mcp": {"x": {"type": "remote", "url": "https://x.example",
                                     "headers": {"A": "***"}}}}}, 400, "hidden_value"),
        ({"opencode": []}, 400, "invalid_payload"),
        ({"mode": {"skills": "wipe"}}, 400, "invalid_payload"),
        ({"files": [{"path": ".opencode/tools/x", "content": ""}] * 1001}, 400, "invalid_payload"),
        ({"opencode": {"a": json.loads("[" * 150 + "]" * 150)}}, 400, "invalid_payload"),
        ("{", 400, "invalid_json"),
    ],
)  # fmt: skip
async def test_a_bundle_with_one_bad_part_changes_nothing(call, folder, bundle, status, code):
    data = bundle
    if isinstance(bundle, dict):
        good = {"skills": [], "openwork": {"note": "hi"}, "commands": []}
        data = json.dumps({"mode": {"skills": "replace", "commands": "replace"}, **good, **bundle})
    kept = folder / ".opencode/commands/kept.md"
    kept.parent.mkdir(parents=True)
    kept.write_text("Keep me\n")
    for query in ("?preview=true", ""):
        answer = await call(
            "POST", f"import{query}", data=data, headers={"Content-Type": "application/json"}
        )
        assert (answer[0], answer[1]["code"]) == (status, code), answer
    assert [each for each in folder.rglob("*") if each.is_file()] == [kept]


async def test_a_bundle_over_the_limit_is_refused(call, folder):
    status, body = await call("POST", "import", data=io.BytesIO(b" " * 33_000_000))
    assert (status, body["code"]) == (413, "body_too_large")


async def test_half_a_character_is_stored_and_answered(call, folder):
    odd = {"openwork": {"half": "\ud800", "\udfff": 1}}
    for method, path in (("POST", "import"), ("PATCH", "config")):
        data, headers = json.dumps(odd), {"Content-Type": "application/json"}
        assert (await call(method, path, data=data, headers=headers))[0] == 200
    for path in ("config", "export"):
        status, body = await call("GET", path)
        assert (status, body["openwork"]) == (200, odd["openwork"])


async def test_below_owner_the_configuration_shows_no_secret(call, folder, tokens):
    (folder / "opencode.json").write_text(json.dumps(CONFIG))
    (folder / ".opencode").mkdir()
    (folder / ".opencode/openwork.json").write_text('{"password": "letmein", "note": "hi"}')
    for scope in ("viewer", "collaborator"):
        _, body = await call("GET", "config", token=tokens[scope])
        assert not any(secret in json.dumps(body) for secret in SECRETS)
        assert body["openwork"] == {"password": "***", "note": "hi"}
        assert body["opencode"]["model"] == "a/b"
        assert body["opencode"]["mcp"]["web"]["url"] == "https://mcp.example.com/mcp"
    _, body = await call("GET", "config", token=tokens["owner"])
    assert body["opencode"] == CONFIG


async def test_a_hidden_value_sent_back_keeps_the_secret(call, folder):
    path = folder / "opencode.json"
    path.write_text(json.dumps(CONFIG, indent=2))
    _, body = await call("GET", "config")
    mcp = body["opencode"]["mcp"]
    mcp["web"]["enabled"] = False
    status, _ = await call("PATCH", "config", json={"opencode": {"mcp": mcp}})
    assert status == 200
    wanted = json.loads(json.dumps(CONFIG))
    wanted["mcp"]["web"]["enabled"] = False
    assert json.loads(path.read_text()) == wanted


async def test_a_hidden_value_without_a_secret_or_with_another_receiver_is_refused(
    call, folder, tokens
):
    path = folder / "opencode.json"
    path.write_text(json.dumps(CONFIG))
    _, body = await call("GET", "config")
    provider = body["opencode"]["provider"]
    for change, code in (
        ({"provider": {"q": {"options": {"apiKey": "***"}}}}, "hidden_value"),
        ({"provider": {"p": {"options": {**provider["p"]["options"],
                                         "baseURL": "https://evil.example"}}}},
         "secret_redirected"),
    ):  # fmt: skip
        status, body = await call("PATCH", "config", json={"opencode": change})
        assert (status, body["code"]) == (400, code)
        status, body = await call("POST", "import", json={"opencode": change})
        assert (status, body["code"]) == (400, code)
    merge = {"opencode": {"mcp": {"web": {"url": "https://evil.example"}}}}
    status, body = await call("POST", "import", json=merge)
    assert (status, body["code"]) == (400, "secret_redirected")
    assert json.loads(path.read_text()) == CONFIG
    assert (await call("POST", "import", token=tokens["owner"], json=merge))[0] == 200


async def test_below_owner_nothing_reads_a_file_of_the_machine_into_the_configuration(
    call, folder, tokens
):
    reading = {"username": "{file:./.env}"}
    server = {"name": "m", "config": {"type": "local", "command": ["m", "{env:KEY}"]}}
    for method, path, body in (
        ("PATCH", "config", {"opencode": reading}),
        ("POST", "import", {"opencode": reading}),
        ("POST", "mcp", server),
        ("POST", "plugins", {"spec": "{env:KEY}"}),
    ):
        status, answer = await call(method, path, json=body)
        assert (status, answer["code"]) == (400, "reference_refused"), path
    assert list(folder.iterdir()) == []
    assert (await call("POST", "mcp", token=tokens["owner"], json=server))[0] == 200


async def test_the_host_approves_what_was_planned_and_nothing_else(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    state.mkdir()
    old = folder / ".opencode/skills/old/SKILL.md"
    old.parent.mkdir(parents=True)
    old.write_text(SKILL.replace("report", "old"))
    bundle = {"mode": {"skills": "replace"}, "skills": [{"name": "report", "content": SKILL}]}
    async with running_server(folder, state, env={"OPENWORK_APPROVAL_MODE": "manual"}) as server:
        path = f"/workspace/{server.workspace}/import"

        async def request():
            task = asyncio.create_task(server.call("POST", path, token=CLIENT_TOKEN, json=bundle))
            async with asyncio.timeout(10):
                while True:
                    _, body = await server.call("GET", "/approvals", host=True)
                    if body["items"]:
                        return task, body["items"][0]

        async def allow(item):
            await server.call(
                "POST", f"/approvals/{item['id']}", host=True, json={"reply": "allow"}
            )

        status, _ = await server.call("POST", f"{path}?preview=1", token=CLIENT_TOKEN, json=bundle)
        assert status == 200
        task, item = await request()
        assert item["action"] == "config.import"
        assert "create 1, delete 1" in item["summary"]
        assert str(old) in item["paths"]
        made = folder / ".opencode/skills/made/SKILL.md"
        made.parent.mkdir()
        made.write_text(SKILL.replace("report", "made"))
        await allow(item)
        status, body = await task
        assert (status, body["code"]) == (409, "workspace_import_preview_stale")
        assert old.exists()
        assert made.exists()
        task, item = await request()
        await allow(item)
        assert (await task)[0] == 200
        assert [each.name for each in (folder / ".opencode/skills").iterdir()] == ["report"]


async def test_a_server_with_a_damaged_journal_starts_and_says_so(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    async with running_server(folder, state) as server:
        path = f"/workspace/{server.workspace}/import"
        change = {"opencode": {"model": "a/b"}, "openwork": {"note": 1}}
        status, _ = await server.call("POST", path, token=CLIENT_TOKEN, json=change)
        assert status == 200
    (folders,) = state.rglob("journals")
    journal = folders / f"{workspace_id(folder)}.json"
    journal.write_text("{")
    async with running_server(folder, state) as server:
        assert any(journal.name in line for line in server.lines)
        change["openwork"] = {"note": 2}
        status, body = await server.call("POST", path, token=CLIENT_TOKEN, json=change)
        assert (status, body["code"]) == (500, "file_damaged")
        assert '"note": 1' in (folder / ".opencode/openwork.json").read_text()


async def test_a_server_killed_in_an_import_undoes_it_at_the_next_start(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    state.mkdir()
    tool = folder / ".opencode/tools/t0.txt"
    tool.parent.mkdir(parents=True)
    tool.write_text("old")
    count = 300
    bundle = {
        "files": [{"path": f".opencode/tools/t{n}.txt", "content": "new"} for n in range(count)]
    }

    def files():
        return {each.name: each.read_text() for each in tool.parent.glob("t*.txt")}

    old, new = {"t0.txt": "old"}, {f"t{n}.txt": "new" for n in range(count)}

    def journals():
        return list(state.rglob("journals/*.json"))

    async with running_server(folder, state) as server:
        task = asyncio.create_task(
            server.call("POST", f"/workspace/{server.workspace}/import", token=CLIENT_TOKEN,
                        json=bundle)
        )  # fmt: skip
        await until(lambda: len(files()) > 20, pause_s=0.001)
        assert len(journals()) == 1
        for child in psutil.Process(server.child.pid).children(recursive=True):
            os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Exception, match=r"isconnect|reset|closed"):
            await task
    assert files() not in (old, new)
    async with running_server(folder, state) as server:
        assert files() == old
        assert [each.name for each in tool.parent.iterdir()] == ["t0.txt"]
        assert journals() == []
        _, body = await server.call(
            "GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN
        )
        (entry,) = body["items"]
        assert (entry["action"], entry["outcome"]) == ("change.undo", "done")
        assert (entry["actor"]["type"], entry["reason"]) == ("system", "interrupted")
        assert entry["target"] == str(folder)
        assert entry["summary"].endswith(f" and {count - 3} more")
        path = f"/workspace/{server.workspace}/import"
        assert await server.call("POST", path, token=CLIENT_TOKEN, json=bundle) == (
            200, {"ok": True},
        )  # fmt: skip
        assert files() == new


async def test_a_preview_of_too_much_front_matter_is_refused_unread(call, folder):
    front = "".join(f"k{number}: [a, b]\n" for number in range(2_500))
    skills = [
        {"name": f"s-{number}", "content": f"---\ndescription: d\n{front}---\nx"}
        for number in range(12)
    ]
    status, body = await call("POST", "import?preview=true", json={"skills": skills})
    assert (status, body["code"]) == (413, "bundle_too_large")
    commands = [{"name": "a", "template": "t", "description": "d" * 300_000}]
    status, body = await call("POST", "import?preview=true", json={"commands": commands})
    assert (status, body["code"]) == (413, "bundle_too_large")


async def test_previews_and_exports_of_many_at_once_are_all_answered(call, folder):
    bundle = {"skills": [{"name": "report", "content": SKILL}]}
    answers = await asyncio.gather(
        *(call("POST", "import?preview=true", json=bundle) for _ in range(8)),
        *(call("GET", "export") for _ in range(8)),
    )
    assert {status for status, _ in answers} == {200}
