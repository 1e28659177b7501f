"""What is taken out of the engine's answers and events."""

from __future__ import annotations

import gzip
import json

import pytest

from openwork.server.engine_answers import (
    error_without_secrets,
    without_other_projects,
    without_secrets,
)
from openwork.server.event_filter import LARGEST_EVENT_BYTES, EventFilter
from openwork.server.upstream_connection import UpstreamError
from openwork.workspace.private_files import is_private


def shown(value):
    return json.loads(without_secrets(json.dumps(value).encode()))


def test_parameters_of_addresses_and_arguments_of_commands_are_hidden():
    assert shown({"url": "https://u:p@h.example/x?a=1&b={env:B}#c"}) == {
        "url": "https://***@h.example/x?a=***&b={env:B}#c"
    }
    words = [
        "x",
        "--token",
        "one",
        "--api-key=two",
        "PASSWORD=three",
        "Authorization: four",
        "-v=1",
    ]
    assert shown({"command": words}) == {
        "command": ["x", "--token", "***", "--api-key=***", "PASSWORD=***", "Authorization: ***",
                    "-v=1"]
    }  # fmt: skip
    assert shown({"name": "a=b", "key": "m"})["name"] == "a=b"


def test_hits_and_diffs_of_files_that_hold_keys_are_left_out():
    hits = [{"path": {"text": "sub/.env"}}, {"file": "opencode.jsonc"}, {"path": {"text": "a.md"}}]
    assert shown(hits) == [{"path": {"text": "a.md"}}]


@pytest.mark.parametrize(
    ("path", "private"),
    [(".env", True), ("a/.ENV.local", True), ("opencode.json", True), ("a/OpenCode.jsonc ", True),
     ("a\\.env", True), (".npmrc", True), ("env.py", False), ("environment", False),
     ("opencode.jsonc.md", False), (".environment", False), ("README.md", False)],
)  # fmt: skip
def test_files_that_hold_keys_are_told_by_name(path, private):
    assert is_private(path) is private


def test_projects_of_other_folders_are_left_out():
    projects = [
        {"id": "global", "worktree": "/", "sandboxes": ["/other/box", "/srv/ws/box"]},
        {"id": "mine", "worktree": "/srv/ws"}, {"id": "around", "worktree": "/srv"},
        {"id": "below", "worktree": "/srv/ws/sub"}, {"id": "other", "worktree": "/srv/w"},
        {"id": "odd"}, "odd",
    ]  # fmt: skip
    raw = without_other_projects(
        json.dumps(projects).encode(), lambda path: path.startswith("/srv/ws"), "/srv/ws"
    )
    kept = json.loads(raw)
    assert [each["id"] for each in kept] == ["global", "mine", "around", "below"]
    assert kept[0]["sandboxes"] == ["/srv/ws/box"]
    folders = [{"directory": "/srv/ws/a"}, {"directory": "/other"}]
    raw = without_other_projects(json.dumps(folders).encode(), lambda path: "ws" in path, "/srv/ws")
    assert json.loads(raw) == folders[:1]


def test_an_error_keeps_its_message_and_loses_the_file_it_quotes():
    message = 'Bad JSON\n--- JSONC Input ---\n{"apiKey": "CANARY"}\n--- Errors ---\nline 1'
    raw = json.dumps({"name": "ConfigJsonError", "data": {"path": "/a", "message": message}})
    for body, coding in ((raw.encode(), ""), (gzip.compress(raw.encode()), "gzip")):
        shown_error = json.loads(error_without_secrets(body, coding))
        assert shown_error["data"] == {"path": "/a", "message": "Bad JSON"}
    assert b"CANARY" not in error_without_secrets(b"CANARY")


def test_an_error_of_many_spaces_costs_no_more_than_its_length():
    for text in (
        "x" + " " * 900_000 + "y",
        "x" + " \n" * 300_000 + "--- JSONC Input",
        "-" * 900_000,
    ):
        raw = json.dumps({"message": text}).encode()
        assert json.loads(error_without_secrets(raw)) == {"message": text}


def events(*values):
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in values)


OURS = {"directory": "/ws", "payload": {"type": "a", "properties": {"directory": "/other"}}}
THEIRS = {"directory": "/other", "payload": {"type": "a", "properties": {"directory": "/ws"}}}
NEW = {"type": "a", "location": {"directory": "/ws"}, "data": {}}
NEW_THEIRS = {"type": "a", "location": {"directory": "/other"}, "data": {}}


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_of_other_folders_and_of_none_do_not_pass_however_cut(size):
    hello = {"payload": {"type": "server.connected", "properties": {}}}
    stray = {"directory": "global", "payload": {"type": "project.updated"}}
    stream = events(hello, THEIRS, OURS, stray, NEW_THEIRS, NEW) + b": heartbeat\n\n"
    stream += b"data: no json\n\ndata: [1]\n\nevent: x\rdata: {}\n\n"
    each = EventFilter(lambda path: path == "/ws")
    parts = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert b"".join(each.feed(part) for part in parts) == events(hello, OURS, NEW) + (
        b": heartbeat\n\n"
    )


def test_an_event_without_end_is_cut():
    each = EventFilter(lambda _: True)
    each.feed(b"x" * LARGEST_EVENT_BYTES)
    with pytest.raises(UpstreamError):
        each.feed(b"x")
