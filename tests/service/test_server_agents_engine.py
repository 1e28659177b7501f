"""What the API writes, the real engine loads; what it refuses, the engine would have refused."""

from __future__ import annotations

import aiohttp
import pytest

from tests.stack import CLIENT_TOKEN, running_stack
from tests.unit.test_workspace_agents import ACCEPTED

# One of each kind: a null, a wrong type, a wrong word, a date that wants to be text.
REFUSED = ["model: null", "tools: [a]", "mode: weird", "description: 2024-01-31"]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory):
    async with running_stack(tmp_path_factory.mktemp("agents")) as stack:
        yield stack


async def engine(stack, path, folder):
    login = aiohttp.encode_basic_auth(stack.engine.username, stack.engine.password)
    headers = {"Authorization": login}
    async with stack.server.http.get(
        stack.engine.base_url + path, params={"directory": str(folder)}, headers=headers
    ) as response:
        return response.status, await response.json()


async def test_the_engine_loads_every_agent_command_and_skill_that_is_written(stack):
    server = stack.server

    async def write(kind, **body):
        status, answer = await server.call(
            "POST", f"/workspace/{server.workspace}/{kind}", token=CLIENT_TOKEN, json=body
        )
        assert status == 200, answer

    expected = set()
    for number, content in enumerate(ACCEPTED):
        name = "x" if "name: x" in content else f"agent-{number}"
        expected |= {name} - ({name} if "disable: true" in content else set())
        await write("agents", name=name, content=content)
    await write("commands", name="bare", template="Just text")
    await write("commands", name="dashes", template="---\nmodel: null\n---\nT")
    await write("commands", name="full", template="T", description="2024-01-31", agent="build",
                model="a/b", subtask=False)  # fmt: skip
    await write("skills", name="2024-01-31", content="Text", description='yes: it\'s # "quoted"')
    status, found = await engine(stack, "/agent", server.folder)
    assert (status, expected - {each["name"] for each in found}) == (200, set())
    status, found = await engine(stack, "/command", server.folder)
    assert status == 200
    commands = {each["name"]: each for each in found}
    assert commands["bare"]["template"] == "Just text"
    assert commands["dashes"]["template"] == "---\nmodel: null\n---\nT"
    assert commands["full"]["description"] == "2024-01-31"
    status, found = await engine(stack, "/skill", server.folder)
    assert status == 200
    (skill,) = [each for each in found if each["name"] == "2024-01-31"]
    assert skill["description"] == 'yes: it\'s # "quoted"'


@pytest.mark.parametrize("line", REFUSED)
async def test_the_engine_refuses_the_workspace_for_an_agent_that_is_refused(stack, tmp_path, line):
    path = tmp_path / ".opencode/agents/x.md"
    path.parent.mkdir(parents=True)
    path.write_text(f"---\n{line}\n---\nB")
    status, body = await engine(stack, "/agent", tmp_path)
    assert (status, body["name"]) == (400, "ConfigInvalidError")
