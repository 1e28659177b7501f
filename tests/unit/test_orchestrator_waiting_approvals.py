"""What a stream of approvals tells: each change once, also through lists that repeat it."""

from __future__ import annotations

import json

import pytest

from openwork.common.errors import OpenWorkError
from openwork.engine.sse import ServerSentEvent
from openwork.orchestrator.waiting_approvals import Added, Settled, Waiting


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def item(name, waiting_ms=0):
    return {"id": name, "workspaceId": "ws", "waitingMs": waiting_ms}


def event(name, data):
    return ServerSentEvent(json.dumps(data), name)


def listed(*items):
    return event("list", {"items": items})


def test_a_change_is_told_once_with_how_long_it_waited():
    clock = Clock()
    waiting = Waiting(clock)
    assert waiting.take(listed(item("a", 4_000))) == [Added(item("a", 4_000))]
    assert waiting.take(event("added", item("a"))) == []
    clock.now += 3
    resolved = event("resolved", {"id": "a", "workspaceId": "ws", "outcome": "timeout"})
    assert waiting.take(resolved) == [Settled(item("a", 4_000), "timeout", 7.0)]
    assert waiting.take(resolved) == []
    assert waiting.count == 0


def test_a_new_list_tells_what_was_settled_and_what_came_meanwhile():
    waiting = Waiting(Clock())
    waiting.take(listed(item("a"), item("b")))
    news = waiting.take(listed(item("b"), item("c")))
    assert news == [Settled(item("a"), "unknown", 0.0), Added(item("c"))]
    assert waiting.count == 2


@pytest.mark.parametrize(
    "strange",
    [
        ServerSentEvent("{", "list"),
        ServerSentEvent("[]", "added"),
        listed("text"),
        event("added", {"id": "a"}),
        event("resolved", {}),
        event("added", {"id": [], "waitingMs": 1}),
    ],
)
def test_what_no_server_of_ours_says_is_told(strange):
    with pytest.raises(OpenWorkError) as caught:
        Waiting().take(strange)
    assert caught.value.code == "server_unknown"


def test_an_event_of_tomorrow_is_passed_over():
    assert Waiting().take(event("more", {})) == []
