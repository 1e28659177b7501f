"""What ``***`` means when it comes back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.hidden_values import restore_hidden
from openwork.workspace.secrets import HIDDEN, redact

SHAPED = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9"
STORED: dict[str, Any] = {
    "model": "a/b",
    "mcp": {
        "web": {
            "type": "remote",
            "url": "https://me:pw@mcp.example.com/x",
            "headers": {"Authorization": "Bearer {env:T}", "X": "hunter2"},
        },
        "run": {"command": ["npx", "-y", "server", "--password", "hunter2", f"--x={SHAPED}"]},
    },
    "permission": {"bash": {f"curl -H {SHAPED} *": "allow", "rm *": "deny"}},
    "agent": {"a": {"prompt": f"Use {SHAPED} *** please", "note": "**bold** and *** stars"}},
    "list": [{"token": "one"}, {"token": "two"}],
}

keys = st.sampled_from(["password", "headers", "token", "url", "a", "env", f"use {SHAPED}", "***"])
texts = st.sampled_from(["hunter2", "x", "https://me:pw@h/x", SHAPED, "--token", "***", "a *** b"])
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)


def refusal(sent, stored=STORED):
    with pytest.raises(OpenWorkError) as caught:
        restore_hidden(sent, stored, name="opencode")
    assert caught.value.status == 400
    return caught.value


def test_what_was_shown_comes_back_as_it_is_stored():
    shown: Any = redact(STORED)
    assert SHAPED not in json.dumps(shown)
    assert restore_hidden(shown, STORED, name="opencode") == STORED


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_whatever_is_stored_what_was_shown_never_overwrites_it(stored: dict[str, Any]):
    before = copy.deepcopy(stored)
    try:
        shown: Any = redact(stored)
        restored = restore_hidden(shown, stored, name="opencode")
    except OpenWorkError as error:  # two keys or nothing to tell apart by: refused, not guessed
        assert error.code == "hidden_value"  # noqa: PT017
    else:
        assert restored == stored
    assert stored == before


def test_the_rest_may_change_around_it():
    shown: Any = redact(STORED)
    shown["mcp"]["web"]["enabled"] = True
    shown["mcp"]["web"]["headers"]["X"] = "new"
    shown["list"].reverse()
    del shown["mcp"]["run"]
    shown["agent"]["a"]["note"] = "*** other stars"
    restored: Any = restore_hidden({"mcp": shown["mcp"], "agent": shown["agent"]}, STORED, name="o")
    web = restored["mcp"]["web"]
    assert web["url"] == STORED["mcp"]["web"]["url"]
    assert web["headers"] == {"Authorization": "Bearer {env:T}", "X": "new"}
    assert restored["agent"]["a"]["note"] == "*** other stars"


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"mcp": {"new": {"headers": {"A": HIDDEN}}}}, "opencode.mcp.new.headers.A"),
        ({"model": HIDDEN}, "opencode.model"),
        ({"mcp": {"web": {"url": "https://***@elsewhere.example"}}}, "opencode.mcp.web.url"),
        ({"list": ["x", "y", {"token": HIDDEN}]}, "opencode.list.2.token"),  # which of the two?
        ({"agent": {"a": {"prompt": "Use *** politely"}}}, "opencode.agent.a.prompt"),
        ({"extra": [HIDDEN]}, "opencode.extra.0"),
    ],
)
def test_a_hidden_value_that_stands_for_nothing_is_refused_and_named(sent, place):
    error = refusal(sent)
    assert error.code == "hidden_value"
    assert place in error.message
    assert "hunter2" not in error.message


def test_an_item_that_moved_is_found_when_only_one_looks_like_it():
    stored: dict[str, Any] = {"plugin": ["plain", f"https://x.example/?key={SHAPED}"]}
    shown: Any = redact(stored)
    assert restore_hidden({"plugin": shown["plugin"][::-1]}, stored, name="o") == {
        "plugin": stored["plugin"][::-1]
    }
