"""What the person who approves a change is shown of it."""

from __future__ import annotations

import json

import pytest

from openwork.server import shown as module
from openwork.server.shown import MARGIN_CHARACTERS, MAX_SHOWN_CHARACTERS, shown
from openwork.workspace.secrets import redact, redact_text
from tests.unit.test_workspace_secrets import EXAMPLES


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


LONG = 5_000_000


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("filler", ["x\n", "y"])
def test_no_secret_is_shown_by_half_wherever_the_cut_is_made(kind, filler):
    for example in EXAMPLES[kind]:
        hidden = redact_text(f" {example} ")
        for end in (MAX_SHOWN_CHARACTERS, MAX_SHOWN_CHARACTERS + MARGIN_CHARACTERS):
            for before in range(end - len(example) - 2, end + 2, 19):
                text = (filler * end)[:before] + f" {example} " + "more " * 1_000
                told = shown(text)
                whole = (filler * end)[:before] + hidden
                assert told.startswith(whole[:MAX_SHOWN_CHARACTERS])


def test_what_was_hidden_before_lets_no_half_of_a_secret_in():
    keys = f"{EXAMPLES['jwt'][0]} " * 2_000
    for end in range(MARGIN_CHARACTERS, MARGIN_CHARACTERS + 200, 3):
        told = shown(keys[-(end + MAX_SHOWN_CHARACTERS) :])
        assert set(told.partition("…")[0].split()[1:]) <= {"***"}


def test_a_text_without_white_space_is_shown_and_half_a_secret_at_its_cut_is_not():
    assert shown("x" * LONG).startswith("x" * MAX_SHOWN_CHARACTERS)
    login = "https://user:" + "p" * 1_000 + "@host,"
    told = shown(login * 10_000)
    assert "ppp" not in told
    assert "***@host" in told


@pytest.mark.parametrize(
    "value",
    ["token " * (LONG // 6), {"a": "token " * (LONG // 6)}, {"k" * LONG: 1},
     {f"k{number}": [number, "token"] for number in range(LONG // 20)},
     ["token"] * (LONG // 8), [[0, 1, 2]] * (LONG // 9)],
)  # fmt: skip
def test_of_a_long_value_only_the_beginning_is_looked_at(value, monkeypatch):
    looked_at = []

    def noted(kept):
        looked_at.append(len(json.dumps(kept)))
        return redact(kept)

    monkeypatch.setattr(module, "redact", noted)
    assert "more characters" in shown(value)
    assert max(looked_at) < 10 * MARGIN_CHARACTERS
