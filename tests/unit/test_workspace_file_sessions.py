"""File sessions end in time, belong to their token, and nobody pushes out all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.file_events import MAX_EVENTS, FileEvents
from openwork.workspace.file_sessions import (
    DEFAULT_TTL_S,
    MAX_SESSIONS,
    MAX_TTL_S,
    MIN_TTL_S,
    FileSessions,
)


class Clock:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def refusal(use) -> tuple[str, int]:
    with pytest.raises(OpenWorkError) as caught:
        use()
    return caught.value.code, caught.value.status


@pytest.mark.parametrize(
    ("asked", "given_s"),
    [(None, DEFAULT_TTL_S), (1, MIN_TTL_S), (-1e300, MIN_TTL_S), (600, 600), (1e300, MAX_TTL_S)],
)
def test_the_time_asked_for_is_brought_into_range(asked, given_s):
    sessions = FileSessions(clock_ms=Clock())
    body = sessions.wire(sessions.create("ws", "me", can_write=True, ttl_s=asked))["session"]
    assert body["ttlMs"] == given_s * 1000
    assert body["expiresAt"] - body["createdAt"] == given_s * 1000


def test_a_session_ends_unless_it_is_renewed():
    clock = Clock()
    sessions = FileSessions(clock_ms=clock)
    one = sessions.create("ws", "me", can_write=True, ttl_s=30)
    clock.now += 29_999
    sessions.renew(one.id, "me", ttl_s=60)
    clock.now += 59_999
    assert sessions.get(one.id, "me").can_write
    clock.now += 1
    assert refusal(lambda: sessions.get(one.id, "me")) == ("file_session_not_found", 404)
    assert refusal(lambda: sessions.renew(one.id, "me")) == ("file_session_not_found", 404)


def test_it_belongs_to_the_token_that_made_it():
    sessions = FileSessions()
    one = sessions.create("ws", "me", can_write=False)
    for use in (sessions.get, sessions.renew, sessions.close):
        assert refusal(lambda use=use: use(one.id, "you")) == ("forbidden", 403)
    assert refusal(one.require_can_write) == ("forbidden", 403)
    sessions.close(one.id, "me")
    assert refusal(lambda: sessions.get(one.id, "me")) == ("file_session_not_found", 404)


def test_it_ends_with_its_token_and_with_its_workspace():
    sessions = FileSessions()
    mine, yours = (sessions.create("ws", who, can_write=True) for who in ("me", "you"))
    elsewhere = sessions.create("other", "you", can_write=True)
    sessions.end_of_token("me")
    assert refusal(lambda: sessions.get(mine.id, "me"))[0] == "file_session_not_found"
    sessions.end_of_workspace("ws")
    assert refusal(lambda: sessions.get(yours.id, "you"))[0] == "file_session_not_found"
    assert sessions.get(elsewhere.id, "you") == elsewhere
    assert sessions.workspaces() == {"other"}


def test_whoever_makes_too_many_loses_their_own():
    sessions = FileSessions(clock_ms=Clock())
    kept = sessions.create("ws", "quiet", can_write=True, ttl_s=MIN_TTL_S)
    greedy = [
        sessions.create("ws", "greedy", can_write=True, ttl_s=100 + number)
        for number in range(MAX_SESSIONS + 3)
    ]
    assert sessions.get(kept.id, "quiet") == kept
    gone = [each for each in greedy if each.id not in sessions._sessions]
    assert gone == greedy[:4]


@given(st.lists(st.integers(0, 700), max_size=4))
def test_events_after_a_cursor_are_told_once_and_gaps_are_admitted(bursts):
    events = FileEvents("ws")
    seen, cursor = [], 0
    for burst in bursts:
        for _ in range(burst):
            events.record("write", "p")
        told = events.since(cursor)
        assert told.missed is (burst > MAX_EVENTS)
        seen += [event.seq for event in told.items]
        cursor = told.cursor
    assert cursor == sum(bursts)
    assert len(seen) == sum(min(burst, MAX_EVENTS) for burst in bursts)
    assert seen == sorted(set(seen))
    assert events.since(cursor).to_json() == {"items": [], "cursor": cursor}
    assert events.since(10**18).to_json() == {"items": [], "cursor": cursor}


def test_an_events_wire_form():
    events = FileEvents("ws", clock_ms=Clock())
    events.record("rename", "a", to_path="b")
    events.record("write", "c", revision="1:2")
    rename, write = events.since().to_json()["items"]
    del rename["id"], write["id"]
    same = {"workspaceId": "ws", "timestamp": Clock.now}
    assert rename == {"seq": 1, "type": "rename", "path": "a", "toPath": "b", **same}
    assert write == {"seq": 2, "type": "write", "path": "c", "revision": "1:2", **same}
