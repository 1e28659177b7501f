"""The log: its shape, and what never stands in it."""

from __future__ import annotations

import io
import json
import logging

import pytest

from openwork.common import log


@pytest.fixture
def restored():
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    root.handlers, root.level = before, level


@pytest.fixture
def lines(restored):
    stream = io.StringIO()
    log.configure("svc", log_format="json", run_id="run-1", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer CANARY-abc.def_123",
        "authorization: basic Q0FOQVJZLWFiYzpkZWY=",
        "token owt_CANARY".replace("CANARY", "0123456789abcdef"),
        "GET /x?token=CANARY&y=1",
        "GET /x?a=1&api_key=CANARY",
        "GET /x#secret=CANARY",
        '{"apiKey": "CANARY-value"}',
        "OPENCODE_SERVER_PASSWORD=CANARY-value",
        "clientSecret: CANARY-value",
    ],
)
def test_what_is_shaped_like_a_secret_is_blotted_out(text):
    scrubbed = log.scrub(text)
    assert "***" in scrubbed
    for canary in ("CANARY", "Q0FOQVJZ", "0123456789abcdef"):
        assert canary not in scrubbed


def test_what_libraries_tell_of_their_everyday_work_is_left_out(lines):
    for name in ("watchfiles.main", "uvicorn.access", "asyncio"):
        logging.getLogger(name).info("2 changes detected")
        logging.getLogger(name).warning("trouble in %s", name)
    assert [each["severityText"] for each in lines()] == ["WARN"] * 3


def test_a_known_secret_is_blotted_out_wherever_it_stands(lines):
    log.hide("hunter2-known")
    logger = logging.getLogger("t")
    extra = {"attributes": {"a": "hunter2-known", "b": ["hunter2-known"], "c": {"d": "x"}, "n": 1}}
    logger.info("it is %s", "hunter2-known", extra=extra)
    try:
        raise ValueError("hunter2-known")  # noqa: TRY301  # to be logged with its trace
    except ValueError:
        logger.exception("failed")
    assert "hunter2" not in json.dumps(lines())
    assert lines()[0]["attributes"]["n"] == 1


def test_a_short_word_is_not_taken_for_a_secret():
    log.hide("abc")
    assert log.scrub("abc") == "abc"


def test_the_json_shape(lines):
    logging.getLogger("t").warning("hello %s", "you", extra={"attributes": {"k": "v"}})
    (line,) = lines()
    assert set(line) == {
        "timeUnixNano", "severityText", "severityNumber", "body", "attributes", "resource",
    }  # fmt: skip
    assert (line["severityText"], line["severityNumber"], line["body"]) == ("WARN", 13, "hello you")
    assert line["resource"]["service.name"] == "svc"
    assert line["resource"]["service.instance.id"] == "run-1"
    assert line["attributes"]["k"] == "v"
    assert line["attributes"]["run.id"] == "run-1"
    assert int(line["timeUnixNano"]) > 0


def test_a_childs_lines_are_relayed_with_their_own_time_and_severity(lines):
    inner = {
        "timeUnixNano": "5",
        "severityText": "ERROR",
        "body": "Bearer CANARY-123456",
        "attributes": {"x": "?token=CANARY"},
        "resource": {"service.name": "child"},
    }
    log.relay(json.dumps(inner), component="c", stream="stdout", pid=7)
    log.relay("plain Bearer CANARY-123456", component="c", stream="stderr", pid=7)
    log.relay('{"not": "ours"}', component="c", stream="stdout", pid=7)
    first, second, third = lines()
    assert (first["timeUnixNano"], first["severityText"]) == ("5", "ERROR")
    assert first["resource"] == {"service.name": "child"}
    assert second["attributes"]["child.pid"] == 7
    assert second["severityText"] == "INFO"
    assert third["body"] == '{"not": "ours"}'
    assert "CANARY" not in json.dumps([first, second])


@pytest.mark.parametrize(
    "line", ["{", "{}", '{"timeUnixNano": "x"}', "[1]", '{"timeUnixNano": 1, "severityText": []}',
             '{"timeUnixNano": 1, "severityText": "INFO", "body": 1, "attributes": 5}'],
)  # fmt: skip
def test_a_line_that_only_looks_like_ours_is_text(line):
    assert log.parse_json_line(line) is None


def test_lines_for_people(restored):
    stream = io.StringIO()
    log.configure("svc", stream=stream)
    logging.getLogger("t").info("hello")
    logging.getLogger("t").error("bad")
    logging.getLogger("t").debug("hidden")
    assert stream.getvalue() == "[svc] hello\n[svc] ERROR bad\n"


@pytest.mark.parametrize("unit", ["a.", "token", "token ", "bearer ", "?key", '"secret": ', "xyz"])
def test_looking_for_secrets_takes_time_in_proportion_to_the_text(unit):
    """Quadratic time would be minutes: the test's own time limit tells."""
    for pattern in log._SECRET_PATTERNS:
        pattern.sub("***", unit * 100_000)


def test_a_forged_line_or_an_escape_sequence_cannot_be_printed(restored):
    stream = io.StringIO()
    log.configure("svc", stream=stream)
    logging.getLogger("x").warning("GET /%s", "\x1b[2J\n[svc] all is well")
    assert stream.getvalue() == "[svc] WARN GET /\\x1b[2J\\n[svc] all is well\n"


def test_a_huge_message_is_cut(restored):
    stream = io.StringIO()
    log.configure("svc", stream=stream)
    logging.getLogger("x").warning("%s", "x" * 100_000)
    assert len(stream.getvalue()) < 17_000
    assert "more characters" in stream.getvalue()
