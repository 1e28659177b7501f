"""What the person who approves a change is shown of it."""

from __future__ import annotations

from openwork.server.shown import MAX_SHOWN_CHARACTERS, shown


def test_texts_as_they_are_and_json_as_text():
    assert shown("# Steps\n") == "# Steps\n"
    assert shown({"model": "a/b"}) == '{\n  "model": "a/b"\n}'


def test_no_secret():
    told = shown({"mcp": {"m": {"headers": {"Authorization": "Bearer canary-123456789"}}}})
    assert "canary" not in told
    assert "Authorization" in told


def test_not_without_end():
    told = shown("x" * 10_000)
    assert len(told) < MAX_SHOWN_CHARACTERS + 100
    assert "6,000 more characters" in told
