"""The automations' file and their logs: what is kept, what is refused, what is bounded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import automation_log, config
from openwork.workspace.automation_log import LogEntry, append, list_logs, parse_lines, read_log
from openwork.workspace.automations import (
    MAX_ITEMS,
    AutomationWrite,
    automations_path,
    plan_delete,
    plan_save,
    read_automations,
)
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.schedules import Daily, Interval

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path):
    return WorkspaceRoot(tmp_path)


def write(root, automation_id="nightly", now_ms=1000, **changes):
    fields: dict[str, Any] = {"name": "Nightly", "prompt": "hello", "enabled": True}
    wanted = AutomationWrite(automation_id, schedule=Daily(3, 15), **{**fields, **changes})
    config.apply([plan_save(root, wanted, now_ms)])


def stored(root):
    return json.loads(automations_path(root).read_bytes())


def put(root, text):
    path = automations_path(root)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(call, *arguments):
    with pytest.raises(OpenWorkError) as caught:
        call(*arguments)
    return caught.value


def test_no_file_is_no_automations(root):
    found = read_automations(root)
    assert (found.items, found.updated_at_ms) == ((), None)


def test_an_automation_is_stored_as_other_programs_read_it(root):
    write(root)
    assert stored(root) == {
        "schemaVersion": 1,
        "updatedAt": 1000,
        "items": [
            {
                "id": "nightly",
                "createdAt": 1000,
                "name": "Nightly",
                "enabled": True,
                "schedule": {"kind": "daily", "hour": 3, "minute": 15},
                "prompt": "hello",
                "updatedAt": 1000,
            }
        ],
    }


def test_saving_again_replaces_what_is_named_and_keeps_the_rest_and_the_order(root):
    item = {"id": "a", "name": "A", "prompt": "p", "schedule": {"kind": "interval", "seconds": 60},
            "createdAt": 5, "lastRunAt": 7, "colour": {"of": "mine"}}  # fmt: skip
    put(root, json.dumps({"schemaVersion": 1, "note": "kept", "items": [item, item | {"id": "b"}]}))
    write(root, "a", 2000, name=" New ", enabled=False)
    saved = stored(root)
    assert saved["note"] == "kept"
    assert [each["id"] for each in saved["items"]] == ["a", "b"]
    assert saved["items"][0] == {
        **item, "name": "New", "prompt": "hello", "enabled": False, "updatedAt": 2000,
        "schedule": {"kind": "daily", "hour": 3, "minute": 15},
    }  # fmt: skip
    assert saved["items"][1] == item | {"id": "b"}


def test_deleting_takes_one_and_a_missing_one_is_404(root):
    write(root, "a")
    write(root, "b")
    config.apply([plan_delete(root, "a", 3000)])
    assert [each["id"] for each in stored(root)["items"]] == ["b"]
    error = refused(plan_delete, root, "a", 3000)
    assert (error.code, error.status) == ("automation_not_found", 404)


GOOD = {"id": "a", "name": "A", "prompt": "p", "schedule": {"kind": "interval", "seconds": 60}}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"items": NaN}', b'{"items": {}}', b"{}",
        b"[" * 100_000, b'{"items": [1]}', b'{"items": [{}]}',
        *(json.dumps({"items": [{**GOOD, **bad}]}).encode() for bad in (
            {"id": "../x"}, {"id": ""}, {"id": 5}, {"name": ""}, {"prompt": None},
            {"schedule": {"kind": "monthly"}}, {"schedule": None}, {"enabled": "yes"},
            {"name": "\ud800"}, {"name": "a\nb"})),
        json.dumps({"items": [GOOD, GOOD]}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_and_never_rewritten(root, content):
    path = put(root, content)
    for call in (
        lambda: read_automations(root),
        lambda: write(root),
        lambda: plan_delete(root, "a", 1),
    ):
        error = refused(call)
        assert (error.code, error.status) == ("invalid_json", 422)
        assert str(path) in error.message
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "bad",
    [
        {"automation_id": ""}, {"automation_id": "a/b"}, {"automation_id": "x" * 81},
        {"automation_id": "a\n"}, {"name": "  "}, {"name": "x" * 201}, {"name": "a\0b"},
        {"prompt": ""}, {"prompt": "\0"}, {"prompt": "\ud83d"}, {"prompt": "x" * 30_001},
    ],
)  # fmt: skip
def test_what_cannot_be_an_automation_is_refused(root, bad):
    error = refused(lambda: write(root, **bad))
    assert (error.code, error.status) == ("invalid_payload", 400)
    assert automations_path(root).stat() is None


def test_there_is_an_end_to_how_many_a_workspace_holds(root):
    put(root, json.dumps({"items": [GOOD | {"id": f"a{n}"} for n in range(MAX_ITEMS)]}))
    assert refused(lambda: write(root, "one-more")).code == "invalid_payload"
    write(root, "a0")


def entry(run="r1", outcome: automation_log.Outcome = "done", **more):
    return LogEntry(run=run, outcome=outcome, time=NOW, **more)


def lines(root, automation_id="nightly"):
    return list(parse_lines(read_log(root, automation_id)))


def test_a_log_holds_one_line_for_the_end_of_a_run(root):
    append(root, "nightly", entry(outcome="permission_needed", message="edit a.md"))
    append(root, "nightly", entry(session_id="ses_1", duration_ms=1500))
    append(root, "nightly", entry(outcome="interrupted"))
    append(root, "nightly", entry("r2", "failed", message="no"))
    assert [(each["run"], each["outcome"]) for each in lines(root)] == [
        ("r1", "permission_needed"), ("r1", "done"), ("r2", "failed"),
    ]  # fmt: skip
    assert lines(root)[1] == {
        "time": "2026-11-21T09:00:00+00:00", "outcome": "done", "trigger": "schedule", "run": "r1",
        "sessionId": "ses_1", "durationMs": 1500,
    }  # fmt: skip


def test_a_log_takes_any_text_keeps_secrets_out_and_survives_being_edited(root):
    append(root, "nightly", entry(message="half \ud800 and line\u2028end, password=hunter2222"))
    path = automation_log.log_path(root, "nightly")
    path.write_bytes(path.read_bytes() + b"not json \xff")
    append(root, "nightly", entry("r2"))
    assert [each["run"] for each in lines(root)] == ["r1", "r2"]
    assert "hunter" not in read_log(root, "nightly")
    assert "line\u2028end" in lines(root)[0]["message"]


def test_a_log_keeps_its_newest_lines(root):
    for number in range(300):
        append(root, "nightly", entry(f"run-{number}", message="x" * 1000))
    found = lines(root)
    (listed,) = list_logs(root)
    assert listed["size"] <= automation_log.MAX_LOG_BYTES
    assert found[-1]["run"] == "run-299"
    assert found[0]["run"] == f"run-{300 - len(found)}"
    assert len(found) > 100


def test_logs_are_listed_and_read_by_the_id_of_their_automation(root):
    assert list_logs(root) == []
    append(root, "a", entry())
    (listed,) = list_logs(root)
    assert listed["id"] == "a"
    assert (root.path / listed["path"]).stat().st_size == listed["size"]
    for unknown in ("b", "../automations", "a.jsonl", "", "a\0"):
        assert refused(read_log, root, unknown).code == "log_not_found"


def test_old_logs_of_many_automations_make_room(root, monkeypatch):
    monkeypatch.setattr(automation_log, "MAX_LOGS", 3)
    for name in ("a", "b", "c", "d"):
        append(root, name, entry())
    assert {each["id"] for each in list_logs(root)} == {"b", "c", "d"}


def test_a_log_folder_that_leads_outside_is_not_followed(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    folder = automation_log.log_path(root, "a").parent
    folder.parent.make_dir()
    folder.absolute.symlink_to(outside)
    assert refused(append, root, "a", entry()).code == "invalid_path"
    assert list(outside.iterdir()) == []


def test_an_interval_is_kept_as_it_is_written(root):
    config.apply([plan_save(root, AutomationWrite("i", "I", "p", True, Interval(61)), 1)])  # noqa: FBT003
    assert read_automations(root).get("i").schedule == Interval(61)
