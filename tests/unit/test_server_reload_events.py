"""Reload events, kept and followed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from openwork.server import reload_events
from openwork.server.reload_events import (
    KEPT,
    ReloadEvents,
    ReloadTrigger,
    event_number,
    folded,
)
from tests.until import until


async def take(stream, count):
    async with asyncio.timeout(10):
        return [await anext(stream) for _ in range(count)]


def test_numbers_grow_and_go_on_growing_after_a_restart():
    events = ReloadEvents()
    start = events.cursor
    events.emit("ws_a", "config")
    events.emit("ws_b", "skills", ReloadTrigger("skill", "notes", "added"))
    assert [each["seq"] for each in events.since("ws_a", 0)] == [start + 1]
    (event,) = events.since("ws_b", 0)
    assert event["trigger"] == {"type": "skill", "name": "notes", "action": "added"}
    assert events.since("ws_b", event["seq"]) == []
    assert events.since("ws_b", event["seq"] + 100) == [event]
    assert start > 1_700_000_000


def test_each_workspace_keeps_its_own_and_is_forgotten():
    events = ReloadEvents()
    events.emit("ws_a", "config")
    for _ in range(KEPT + 1):
        events.emit("ws_b", "config")
    assert len(events.since("ws_a", 0)) == 1
    kept = events.since("ws_b", 0)
    assert len(kept) == KEPT
    assert not events.missed("ws_b", kept[0]["seq"] - 1)
    assert events.missed("ws_b", kept[0]["seq"] - 2)
    assert events.missed("ws_a", events.cursor + 1)
    assert not events.missed("ws_a", 0)
    events.forget("ws_b")
    assert events.since("ws_b", 0) == []


async def test_following_goes_on_behind_a_number_and_sees_what_comes():
    events = ReloadEvents()
    events.emit("ws_a", "config")
    first = events.cursor
    events.emit("ws_a", "skills")
    async with aclosing(events.follow("ws_a", first)) as stream:
        start, second = await take(stream, 2)
        assert (start.id, start.data) == (first, None)
        assert (second.id, second.data["reason"], second.event) == (first + 1, "skills", "")
        coming = asyncio.create_task(take(stream, 2))
        await asyncio.sleep(0)
        events.emit("ws_b", "plugins")
        events.emit("ws_a", "plugins")
        events.engine_reloaded("ws_a", 5)
        third, reloaded = await coming
        assert (third.id, third.data["reason"]) == (first + 3, "plugins")
        assert (reloaded.event, reloaded.id) == ("engine.reloaded", None)
        assert reloaded.data == {"workspaceId": "ws_a", "reloadedAt": 5}


async def test_a_follower_that_missed_events_is_told_and_one_from_before_a_restart_too():
    events = ReloadEvents()
    events.engine_reloaded("ws_a", 7)
    for _ in range(KEPT + 5):
        events.emit("ws_a", "config")
    for number in (events.cursor - KEPT - 3, 5, events.cursor + 50):
        async with aclosing(events.follow("ws_a", number)) as stream:
            _, missed, *kept = await take(stream, 2 + KEPT)
            assert missed.event == "missed"
            assert [each.id for each in kept][-1] == events.cursor
            (reloaded,) = await take(stream, 1)
            assert reloaded.data["reloadedAt"] == 7


async def test_an_own_change_gives_one_event_and_a_failed_one_none():
    events = ReloadEvents()
    reload = ("config", ReloadTrigger("config"))
    async with events.own_change("ws_a", [Path("/x")], reload):
        assert events.since("ws_a", 0) == []
    with pytest.raises(ValueError, match="no"):
        async with events.own_change("ws_a", [Path("/x")], reload):
            raise ValueError("no")
    async with events.own_change("ws_a", [Path("/x")], None):
        pass
    assert len(events.since("ws_a", 0)) == 1


async def test_what_follows_at_once_is_one_event_more_and_the_last_word(monkeypatch):
    monkeypatch.setattr(reload_events, "DEBOUNCE_S", 0.05)
    events = ReloadEvents()
    for name in ("a", "b"):
        events.tell("ws_a", "skills", ReloadTrigger("skill", name, "added", name))
    events.tell("ws_a", "config", ReloadTrigger("config"))
    events.tell("ws_b", "skills", ReloadTrigger("skill", "c", "added"))
    assert [each["reason"] for each in events.since("ws_a", 0)] == ["skills", "config"]
    events.tell("ws_a", "skills", ReloadTrigger("skill", "b", "removed", "b"))
    await until(lambda: len(events.since("ws_a", 0)) == 3, pause_s=0.01)
    last = events.since("ws_a", 0)[-1]["trigger"]
    assert last == {"type": "skill", "name": "b", "action": "removed", "path": "b"}
    assert not events.settled
    await until(lambda: events.settled, pause_s=0.01)
    assert len(events.since("ws_b", 0)) == 1


async def test_a_window_of_a_workspace_that_is_gone_tells_nothing(monkeypatch):
    monkeypatch.setattr(reload_events, "DEBOUNCE_S", 0.01)
    events = ReloadEvents()
    for workspace in ("ws_a", "ws_a", "ws_b", "ws_b"):
        events.tell(workspace, "config", ReloadTrigger("config"))
    events.forget("ws_a")
    await until(lambda: events.settled, pause_s=0.01)
    assert events.since("ws_a", 0) == []
    assert len(events.since("ws_b", 0)) == 2
    events.tell("ws_b", "config", ReloadTrigger("config"))
    events.close()
    assert events.settled


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        ([("a", "added", "a"), ("a", "updated", "a2")], ("a", "updated", "a2")),
        ([("a", "added", "a"), ("b", "added", "b")], (None, "added", None)),
        ([("a", "added", "a"), ("b", "removed", "b")], (None, None, None)),
        ([(None, "updated", "x"), (None, "updated", "y")], (None, "updated", None)),
    ],
)
def test_an_event_of_several_things_names_none(triggers, expected):
    assert folded([ReloadTrigger("t", *each) for each in triggers]) == ReloadTrigger("t", *expected)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²", "1" * 5000, "1_0"])
def test_what_is_no_number(text):
    assert event_number(text) is None
    assert event_number("17") == 17
