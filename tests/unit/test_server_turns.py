"""Turns at work that takes long: one at a time, in order, and none for who has left."""

from __future__ import annotations

import asyncio

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server.approvals import Approvals
from openwork.server.departure import Departure
from openwork.server.turns import MOST_WAITING, RETRY_AFTER_S, Turns
from tests.until import until


class Caller:
    """A connection whose request has been read; it ends when ``leaves`` is set."""

    def __init__(self):
        self.leaves = asyncio.Event()
        self.departure = Departure(Approvals("auto", 1), self.receive)

    async def receive(self):
        await self.leaves.wait()
        return {"type": "http.disconnect"}


class Work:
    def __init__(self):
        self.turns = Turns()
        self.may_end = asyncio.Event()
        self.begun = []

    async def do(self, name, caller):
        try:
            async with self.turns.take(caller.departure):
                self.begun.append(name)
                await self.may_end.wait()
        finally:
            caller.departure.close()


async def test_one_at_a_time_and_in_order():
    work = Work()
    tasks = [asyncio.create_task(work.do(name, Caller())) for name in range(4)]
    await until(lambda: work.begun)
    await asyncio.sleep(0)
    assert work.begun == [0]
    work.may_end.set()
    await asyncio.gather(*tasks)
    assert work.begun == [0, 1, 2, 3]


async def test_who_left_while_waiting_gets_no_turn():
    work, gone = Work(), Caller()
    first = asyncio.create_task(work.do("first", Caller()))
    left = asyncio.create_task(work.do("left", gone))
    last = asyncio.create_task(work.do("last", Caller()))
    await until(lambda: work.begun)
    gone.leaves.set()
    await until(lambda: gone.departure.left)
    work.may_end.set()
    with pytest.raises(OpenWorkError) as caught:
        await left
    assert caught.value.code == "caller_left"
    await asyncio.gather(first, last)
    assert work.begun == ["first", "last"]


async def test_the_line_is_not_without_end_and_moves_on():
    work = Work()
    tasks = [asyncio.create_task(work.do(name, Caller())) for name in range(MOST_WAITING + 1)]
    await until(lambda: work.begun)
    await asyncio.sleep(0)
    with pytest.raises(OpenWorkError) as caught:
        await work.do("too many", Caller())
    assert caught.value.status == 429
    assert caught.value.details == {"retryAfterSeconds": RETRY_AFTER_S}
    work.may_end.set()
    await asyncio.gather(*tasks)
    await work.do("later", Caller())
    assert work.begun[-1] == "later"
