"""What a service says as it ends is told once, as its own error."""

from __future__ import annotations

from openwork.orchestrator.services import told_error


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
