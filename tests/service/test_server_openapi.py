"""The OpenAPI document, fuzzed: whatever fits it, or just not, is answered as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from openwork.server.app import build_api
from tests import documented
from tests.stack import HOST_TOKEN, running_server

EXAMPLES = 12
DEAD_URL = "http://127.0.0.1:9"
# What never ends.
LEFT_OUT = {
    "GET /approvals/stream",
    "GET /workspace/{workspace_id}/events/stream",
}
# Of what the server depends on: nothing answers there in these tests.
FAILURES_OF_OTHERS = {501, 502, 503}

# What the document's examples name.
EXAMPLES_OF_FILES = {
    "docs/report.md": "# Report",
    ".opencode/skills/weekly-report/SKILL.md": (
        "---\nname: weekly-report\ndescription: Summarise a week\n---\nRead it."
    ),
    ".opencode/agents/reviewer.md": "---\ndescription: Reviews\nmode: subagent\n---\nReview it.",
    ".opencode/openwork/inbox/notes.txt": "notes",
    ".opencode/openwork/outbox/reports/q1.csv": "a,b",
    ".opencode/openwork/agentlab/logs/nightly.jsonl": "{}\n",
}


def no_failure_of_ours(_context, response, _case):
    """A 5xx that is not somebody else's fault is a bug."""
    assert response.status_code < 500 or response.status_code in FAILURES_OF_OTHERS, response.text


# What this server alone can answer, read by what the document gives as examples.
READABLE = [
    path
    for path, item in documented.document()["paths"].items()
    if "get" in item
    and f"GET {path}" not in LEFT_OUT
    and not path.startswith(("/opencode-router", "/hub", "/runtime"))
    and "/opencode-router/" not in path
]

CHECKS = [
    no_failure_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def operations():
    no_context: Any = None  # the document needs none
    schema = schemathesis.openapi.from_dict(build_api(no_context).openapi())
    found: Any = list(schema.get_all_operations())
    return [result.ok() for result in found]


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("openapi")
    folder, state, home = base / "workspace", base / "state", base / "home"
    for each in (folder, state, home):
        each.mkdir()
    for name, text in EXAMPLES_OF_FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    env = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "OPENWORK_HUB_API_URL": DEAD_URL,
        "OPENWORK_HUB_RAW_URL": DEAD_URL,
    }
    async with running_server(folder, state, engine_url=DEAD_URL, env=env) as server:
        yield server


async def prepared(server, path):
    """The headers of a caller who may do everything, and the path parameters that exist."""
    headers = {
        "X-OpenWork-Host-Token": HOST_TOKEN,
        "Authorization": f"Bearer {await server.token('owner')}",
    }
    known = {"workspace_id": server.workspace}
    if path.startswith("/files/sessions/"):
        sessions = f"/workspace/{server.workspace}/files/sessions"
        _, body = await server.call("POST", sessions, headers=headers, json={})
        known["session_id"] = body["session"]["id"]
    return headers, known


@pytest.mark.parametrize("label", READABLE)
async def test_the_examples_are_answered_as_documented(server, label):
    """Before anything was changed or deleted: what is read by an example is there."""
    path, operation = label, documented.document()["paths"][label]["get"]
    headers, known = await prepared(server, path)
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        value = known.get(parameter["name"], parameter.get("example"))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif value is not None:
            query[parameter["name"]] = value
    status, body = await server.call("GET", path, headers=headers, params=query)
    assert status == 200, body


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
async def test_every_answer_is_documented_and_none_is_a_failure(server, operation):
    if operation.label in LEFT_OUT:
        return
    headers, known = await prepared(server, operation.path)

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def fuzz(case):
        case.path_parameters |= {key: known[key] for key in case.path_parameters if key in known}
        response = case.call(base_url=server.base, headers=headers, timeout=20)
        case.validate_response(response, checks=CHECKS)

    assert await asyncio.to_thread(fails, fuzz) is None


def fails(fuzz):
    """The failures as text: a group of exceptions would break off the other tests."""
    try:
        fuzz()
    except BaseExceptionGroup as failures:
        return str(failures)
    return None


def test_what_is_left_out_exists():
    assert {operation.label for operation in operations()} >= LEFT_OUT
