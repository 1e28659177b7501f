"""``openwork audit`` against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from tests.stack import CLIENT_TOKEN, running_server


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("audit")
    folder, state = base / "workspace", base / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state) as server:
        for n in range(3):
            await server.call(
                "PATCH", f"/workspace/{server.workspace}/config", token=CLIENT_TOKEN,
                json={"opencode": {"model": f"a/{n}"}},
            )  # fmt: skip
        yield server


async def audit(server, *arguments):
    env = {key: each for key, each in os.environ.items() if not key.startswith("OPENWORK_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "openwork.cli.main", "audit", *arguments,
        "--openwork-url", server.base, env=env | {"OPENWORK_TOKEN": CLIENT_TOKEN},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_a_log_without_an_entry_is_not_blamed_on_a_filter(tmp_path):
    folder, state = tmp_path / "workspace", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    async with running_server(folder, state) as server:
        assert (await audit(server, "list"))[1] == "No changes yet.\n"


async def test_changes_are_listed_checked_and_exported(server, tmp_path):
    status, output, errors = await audit(server, "list", "--limit", "2", "--action", "config.*")
    assert status == 0, errors
    assert output.count("config.patch") == 2
    assert "More: --before @" in output
    assert "No changes match" in (await audit(server, "list", "--actor", "nobody"))[1]
    status, output, _ = await audit(server, "verify", "--json")
    assert (status, json.loads(output)["entries"]) == (0, 3)
    table = tmp_path / "table.csv"
    status, _, errors = await audit(server, "export", "--format", "csv", "--output", str(table))
    assert status == 0, errors
    assert len(table.read_text().splitlines()) == 4
    _, output, _ = await audit(server, "export")
    log = server.folder.parent / "state" / "audit" / f"{server.workspace}.jsonl"
    assert output == log.read_text()
    log.write_text(output.replace("a/1", "b/1").replace("config.patch", "config.watch", 1))
    status, output, _ = await audit(server, "verify")
    assert status == 1
    assert "Line 1" in output
