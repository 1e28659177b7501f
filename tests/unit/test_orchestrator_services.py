"""What the server of a host is told; what a service says as it ends is told once, as its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from openwork.engine.home import EngineHome
from openwork.engine.outside import outside_environment
from openwork.engine.process import Engine, EngineOptions
from openwork.orchestrator.credentials import Credentials
from openwork.orchestrator.services import server_environment, told_error
from openwork.orchestrator.settings import TABLE as HOST_TABLE
from openwork.orchestrator.settings import load
from openwork.server.settings_table import TABLE as SERVER_TABLE

# Named in the README as what the host settles itself.
SETTLED = {
    "OPENWORK_HOST", "OPENWORK_PORT", "OPENWORK_TOKEN", "OPENWORK_HOST_TOKEN", "OPENWORK_RUN_ID",
    "OPENWORK_SERVER_CONFIG", "OPENWORK_TOKEN_STORE", "OPENWORK_DATA_DIR", "OPENWORK_WORKSPACES",
    "OPENWORK_OPENCODE_BASE_URL", "OPENWORK_OPENCODE_USERNAME", "OPENWORK_OPENCODE_PASSWORD",
    "OPENWORK_OPENCODE_DIRECTORY", "OPENWORK_LOG_FORMAT", "OPENWORK_LOG_LEVEL", "OPENWORK_VERBOSE",
}  # fmt: skip
# A meaning of their own in the host, which hands on what it made of them.
SHARED = {
    "OPENWORK_APPROVAL_MODE": "auto",
    "OPENWORK_APPROVAL_TIMEOUT_MS": "77",
    "OPENWORK_CORS_ORIGINS": '["https://pages.example.com"]',
    "OPENWORK_READONLY": "true",
    "OPENWORK_ALLOWED_HOSTS": '["files.example.com"]',
}
SERVERS_OWN = sorted(
    {name for setting in SERVER_TABLE for name in setting.env} - SETTLED - SHARED.keys()
)


def told(environ, *, read=None, **settings):
    """What a host with ``environ`` tells its server, beside what any service inherits.

    ``read`` is what the host reads of it, where that makes a difference.
    """
    host = load({"workspace": "/work"}, {"OPENWORK_DATA_DIR": "/data"} | (read or {}))
    options = EngineOptions(Path("/engine"), EngineHome(Path("/data")), Path("/work"), "run")
    tokens, engine = Credentials("collaborator", "host", "owner"), Engine(options)
    return outside_environment(environ) | server_environment(
        replace(host, **settings), tokens, engine, environ
    )


@pytest.mark.parametrize("name", SERVERS_OWN)
def test_each_setting_of_the_server_reaches_it_through_the_host(name):
    assert told({name: "as it was set"})[name] == "as it was set"


def test_what_the_host_takes_too_reaches_the_server():
    assert told(SHARED, read=SHARED).items() >= SHARED.items()


def test_what_the_host_settles_or_only_it_reads_is_not_passed_on():
    read_by_host = {name for setting in HOST_TABLE for name in setting.env}
    names = (read_by_host | SETTLED) - {"OPENWORK_ALLOWED_HOSTS"}
    assert "theirs" not in told(dict.fromkeys(names, "theirs")).values()


def test_names_in_links_are_allowed_beside_those_that_were_given():
    given = {"OPENWORK_ALLOWED_HOSTS": "a.example.com; b.example.com"}
    names = told(given, connect_url="https://c.example.com/x")["OPENWORK_ALLOWED_HOSTS"]
    assert json.loads(names) == ["a.example.com", "b.example.com", "c.example.com"]
    assert told({"OPENWORK_ALLOWED_HOSTS": "[broken"})["OPENWORK_ALLOWED_HOSTS"] == "[broken"


def test_requests_are_logged_where_nobody_reads_along_or_when_asked_for():
    assert told({}, log_level="warning")["OPENWORK_LOG_REQUESTS"] == "false"
    assert told({}, log_level="info")["OPENWORK_LOG_REQUESTS"] == "true"
    asked = told({"OPENWORK_LOG_REQUESTS": "true"}, log_level="warning")
    assert asked["OPENWORK_LOG_REQUESTS"] == "true"


def test_its_own_error_and_next_step_are_taken():
    lines = [
        "a log line",
        "Error: /data/tokens.json is damaged:",
        "line 1",
        "  Next: Move it away.",
    ]
    error = told_error(lines)
    assert error is not None
    assert error.message == "/data/tokens.json is damaged:\nline 1"
    assert error.hint == "Move it away."


def test_an_error_without_a_next_step_gets_one():
    error = told_error(["Error: no"])
    assert error is not None
    assert (error.message, error.hint) == ("no", "Find the cause with: openwork doctor")


def test_a_program_that_told_no_error():
    assert told_error(["Traceback", "KeyError: 'x'"]) is None
    assert told_error([]) is None
