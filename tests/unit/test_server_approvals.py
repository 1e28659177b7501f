"""Changes that wait for the host."""

from __future__ import annotations

import asyncio

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import approvals as module
from openwork.server.approvals import (
    MOST_WAITING,
    MOST_WAITING_OF_A_TOKEN,
    ApprovalRequest,
    Approvals,
)
from openwork.server.auth import Actor
from openwork.server.scope import Scope
from tests.until import until

ACTOR = Actor("remote", "hash", Scope.COLLABORATOR)


def request(workspace="ws_a"):
    return ApprovalRequest(workspace, "config.patch", "Change it", ("/f",), ACTOR)


async def waiting(approvals, count=1):
    await until(lambda: len(approvals.list()) >= count)


async def test_auto_allows_at_once():
    approvals = Approvals("auto", 1)
    assert (await approvals.ask(request())).outcome == "allowed"
    assert approvals.list() == []


@pytest.mark.parametrize(("allow", "outcome"), [(True, "allowed"), (False, "denied")])
async def test_the_host_decides_once(allow, outcome):
    approvals = Approvals("manual", 10_000)
    asked = request()
    task = asyncio.create_task(approvals.ask(asked))
    await waiting(approvals)
    approvals.reply(asked.id, allow=allow)
    with pytest.raises(OpenWorkError, match=asked.id):
        approvals.reply(asked.id, allow=not allow)
    assert (await task).outcome == outcome
    assert approvals.list() == []


async def test_without_an_answer_time_runs_out():
    approvals = Approvals("manual", 1)
    asked = request()
    assert (await approvals.ask(asked)).outcome == "timeout"
    with pytest.raises(OpenWorkError) as caught:
        approvals.reply(asked.id, allow=True)
    assert caught.value.status == 404


async def test_a_waiting_change_blocks_no_other_and_lists_by_workspace():
    approvals = Approvals("manual", 10_000)
    first, second = request("ws_a"), request("ws_b")
    one, two = (asyncio.create_task(approvals.ask(each)) for each in (first, second))
    await waiting(approvals, 2)
    assert [each.id for each in approvals.list("ws_b")] == [second.id]
    approvals.reply(second.id, allow=True)
    assert (await two).outcome == "allowed"
    assert not one.done()
    approvals.reply(first.id, allow=True)
    assert (await one).outcome == "allowed"


async def test_a_caller_that_leaves_withdraws_its_own_change_only():
    approvals = Approvals("manual", 10_000)
    one, two = (asyncio.create_task(approvals.ask(request())) for _ in range(2))
    await waiting(approvals, 2)
    approvals.withdraw(one)
    assert (await one).outcome == "withdrawn"
    assert not two.done()
    two.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two
    assert approvals.list() == []


def test_what_the_host_sees():
    body = request().to_json()
    assert body["actor"]["scope"] == "collaborator"
    assert body["paths"] == ["/f"]
    assert set(body) == {
        "id", "workspaceId", "action", "summary", "paths", "createdAt", "actor",
    }  # fmt: skip


async def follow(approvals, events, workspace=None):
    async for event in approvals.follow(workspace):
        events.append((event.event, event.data))


async def test_who_follows_sees_what_comes_and_what_became_of_it():
    approvals = Approvals("manual", 10_000)
    first = request("ws_a")
    waits = asyncio.create_task(approvals.ask(first))
    await waiting(approvals)
    seen, other = [], []
    followers = [asyncio.create_task(follow(approvals, seen)),
                 asyncio.create_task(follow(approvals, other, "ws_b"))]  # fmt: skip
    await until(lambda: seen and other)
    assert [each["id"] for each in seen[0][1]["items"]] == [first.id]
    second = request("ws_b")
    more = asyncio.create_task(approvals.ask(second))
    await waiting(approvals, 2)
    approvals.reply(first.id, allow=False)
    more.cancel()
    await until(lambda: len(seen) == 4 and len(other) == 3)
    assert [name for name, _ in seen] == ["list", "added", "resolved", "resolved"]
    assert {each["outcome"] for name, each in seen if name == "resolved"} == {"denied", "withdrawn"}
    assert [name for name, _ in other] == ["list", "added", "resolved"]
    assert (await waits).outcome == "denied"
    for each in followers:
        each.cancel()
    await asyncio.wait([*followers, more])
    assert not approvals._followers


async def test_a_slow_follower_is_told_the_whole_list_instead(monkeypatch):
    monkeypatch.setattr(module, "MOST_UNSENT", 3)
    approvals = Approvals("manual", 10_000)
    stream = approvals.follow()
    assert (await anext(stream)).event == "list"
    following = asyncio.create_task(anext(stream))
    tasks = [asyncio.create_task(approvals.ask(request())) for _ in range(6)]
    await waiting(approvals, 6)
    events = [await following]
    while events[-1].event != "list":
        events.append(await anext(stream))
    assert isinstance(events[-1].data, dict)
    assert len(events[-1].data["items"]) == 6
    await stream.aclose()
    approvals.close()
    assert [each.outcome for each in await asyncio.gather(*tasks)] == ["restart"] * 6


async def test_a_stop_denies_what_waits_and_what_comes_later():
    approvals = Approvals("manual", 10_000)
    task = asyncio.create_task(approvals.ask(request()))
    await waiting(approvals)
    approvals.close()
    assert (await task).outcome == "restart"
    assert (await approvals.ask(request())).outcome == "restart"


def test_the_host_sees_how_long_it_waits():
    approvals = Approvals("manual", 5_000)
    asked = request()
    body = approvals.describe(asked)
    assert body["expiresAt"] == asked.created_at_ms + 5_000
    assert body["waitingMs"] >= 0


async def test_a_revoked_token_withdraws_what_was_asked_for_with_it_only():
    approvals = Approvals("manual", 10_000)
    other = Actor("remote", "other", Scope.COLLABORATOR)
    asked = [request(), request(), ApprovalRequest("ws_a", "config.patch", "x", (), other)]
    one, two, kept = (asyncio.create_task(approvals.ask(each)) for each in asked)
    await waiting(approvals, 3)
    approvals.revoke(ACTOR.token_hash)
    assert [(await each).outcome for each in (one, two)] == ["revoked"] * 2
    assert [each.id for each in approvals.list()] == [asked[2].id]
    approvals.revoke("nobody")
    approvals.reply(asked[2].id, allow=True)
    assert (await kept).outcome == "allowed"


def asking(approvals, tokens):
    return [
        asyncio.create_task(
            approvals.ask(
                ApprovalRequest("ws_a", "a", "s", (), Actor("remote", each, Scope.COLLABORATOR))
            )
        )
        for each in tokens
    ]


async def refusal(approvals, token):
    with pytest.raises(OpenWorkError) as caught:
        await asking(approvals, [token])[0]
    assert (caught.value.code, caught.value.status) == ("too_many_waiting", 429)
    assert caught.value.details["retryAfterSeconds"] > 0
    return caught.value.message


async def test_so_many_wait_of_a_token_and_so_many_in_all():
    approvals = Approvals("manual", 10_000)
    tasks = asking(approvals, ["greedy"] * MOST_WAITING_OF_A_TOKEN)
    await waiting(approvals, MOST_WAITING_OF_A_TOKEN)
    assert "of this token" in await refusal(approvals, "greedy")
    tasks += asking(approvals, (f"t{n}" for n in range(MOST_WAITING - MOST_WAITING_OF_A_TOKEN)))
    await waiting(approvals, MOST_WAITING)
    assert "of this token" not in await refusal(approvals, "new")
    approvals.reply(approvals.list()[0].id, allow=True)
    await tasks[0]
    tasks += asking(approvals, ["greedy"])
    await waiting(approvals, MOST_WAITING)
    approvals.close()
    await asyncio.gather(*tasks)
