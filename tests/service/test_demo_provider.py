"""The scripted provider: over plain HTTP, as its own process, and played by the real engine."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from openwork.common import process
from openwork.common.net import listen
from openwork.demo.layout import lay_out
from openwork.demo.ledger import money
from openwork.demo.provider import ScriptedProvider
from openwork.demo.scripts import EXPENSES_FILE, SUMMARY_FILE
from tests.stack import PROVIDER_KEY, running_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


WAIT_S = 30
KEY = "a-key-for-the-demo"
ASK = {"model": "scripted", "messages": [{"role": "user", "content": "Explain payment terms"}]}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


# --- the provider by itself ---------------------------------------------------------------------


async def test_an_answer_streams_word_by_word_and_ends_with_usage():
    options = {"include_usage": True}
    body = {**ASK, "stream": True, "stream_options": options}
    async with ScriptedProvider(words_per_second=0) as provider, aiohttp.ClientSession() as http:
        async with http.post(f"{provider.base_url}/chat/completions", json=body) as answer:
            assert answer.content_type == "text/event-stream"
            lines = (await answer.text()).split("\n\n")
        async with http.post(f"{provider.base_url}/chat/completions", json=ASK) as answer:
            whole = await answer.json()
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == whole["choices"][0]["message"]["content"]
    assert len(deltas) > 20
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert [record.outcome for record in provider.requests] == ["finished", "finished"]


async def test_only_the_key_opens_the_provider():
    async with ScriptedProvider(api_key=KEY) as provider, aiohttp.ClientSession() as http:
        url = f"{provider.base_url}/chat/completions"
        for wrong in ({}, {"Authorization": f"Basic {KEY}"}, {"Authorization": "Bearer other"}):
            async with http.post(url, json=ASK, headers=wrong) as answer:
                assert answer.status == 401
                assert (await answer.json())["error"]["code"] == "invalid_api_key"
        right = {"Authorization": f"Bearer {KEY}"}
        async with http.get(f"{provider.base_url}/models", headers=right) as answer:
            assert [each["id"] for each in (await answer.json())["data"]] == ["scripted"]
        async with http.get(provider.base_url.removesuffix("/v1") + "/health") as answer:
            assert answer.status == 200
    assert not provider.requests


@pytest.mark.parametrize("body", [b"not json", b'{"model": "m"}', b"[]"])
async def test_a_request_that_is_none_is_refused_in_the_providers_error_shape(body: bytes):
    async with (
        ScriptedProvider() as provider,
        aiohttp.ClientSession() as http,
        http.post(f"{provider.base_url}/chat/completions", data=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_a_client_that_goes_away_stops_its_stream():
    body = {**ASK, "stream": True, "messages": [{"role": "user", "content": "count to 9999"}]}
    async with ScriptedProvider(words_per_second=100) as provider:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{provider.base_url}/chat/completions", json=body) as answer,
        ):
            await answer.content.readline()
        async with asyncio.timeout(WAIT_S):
            assert await provider.requests[0].ended() == "aborted"
    assert provider.requests[0].aborted
    assert provider.requests[0].words_sent < 9999


async def test_closing_does_not_wait_for_a_long_answer():
    body = {**ASK, "stream": True, "messages": [{"role": "user", "content": "count to 9999"}]}
    async with aiohttp.ClientSession() as http, asyncio.timeout(WAIT_S):
        async with ScriptedProvider(words_per_second=1) as provider:
            answer = await http.post(f"{provider.base_url}/chat/completions", json=body)
            await answer.content.readline()
        assert await provider.requests[0].ended() == "aborted"
        answer.close()


async def test_the_process_serves_an_inherited_socket_until_it_is_told_to_end():
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        child = await process.start(
            "demo",
            [sys.executable, "-m", "openwork.demo", "--fd", str(listener.fileno())],
            env={**os.environ, "OPENWORK_DEMO_API_KEY": KEY},
            pass_fds=[listener.fileno()],
        )
        try:
            async with aiohttp.ClientSession() as http, asyncio.timeout(WAIT_S):
                async with http.get(f"{url}/v1/models") as answer:
                    assert answer.status == 401
                async with http.get(f"{url}/health") as answer:
                    assert answer.status == 200
        finally:
            status = await child.stop()
    assert status == 0, child.tail
    assert any(url in line for line in child.tail)
    assert not any(KEY in line for line in child.tail)


async def test_a_descriptor_that_does_not_listen_is_named():
    read_end, write_end = os.pipe()
    try:
        child = await process.start(
            "demo",
            [sys.executable, "-m", "openwork.demo", "--fd", str(read_end)],
            env=dict(os.environ),
            pass_fds=[read_end],
        )
        async with asyncio.timeout(WAIT_S):
            assert await child.wait() == 2
    finally:
        os.close(read_end)
        os.close(write_end)
    assert any(f"--fd {read_end} is not a listening socket" in line for line in child.tail)


# --- played by the engine -----------------------------------------------------------------------


@dataclass
class Office:
    """A running engine with the scripted provider, on a folder with the sample files."""

    folder: Path
    provider: ScriptedProvider
    http: aiohttp.ClientSession
    events: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def get(self, path: str) -> Any:
        async with self.http.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.http.post(path, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.status == 200 else None

    async def new_session(self) -> str:
        return (await self.post("/session", {}))["id"]

    async def say(self, session: str, text: str) -> dict[str, Any]:
        """The assistant's last message in answer to ``text``."""
        parts = [{"type": "text", "text": text}]
        async with asyncio.timeout(WAIT_S):
            return await self.post(f"/session/{session}/message", {"parts": parts})

    async def say_and_reply(self, session: str, text: str, **reply: str) -> dict[str, Any]:
        """As ``say``, answering the one permission that is asked for on the way."""
        answer = asyncio.create_task(self.say(session, text))
        try:
            asked = await self.event("permission.asked", session)
            await self.post(f"/permission/{asked['id']}/reply", dict(reply))
            return await answer
        finally:
            answer.cancel()

    async def event(
        self,
        kind: str,
        session: str,
        having: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> dict[str, Any]:
        """The properties of the latest event of a session of this kind, once there is one."""

        def matches(event: dict[str, Any]) -> bool:
            found = event["properties"]
            return event["type"] == kind and found.get("sessionID") == session and having(found)

        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(lambda: any(map(matches, self.events)))
            return [event for event in self.events if matches(event)][-1]["properties"]

    async def listen(self) -> None:
        """Collect the engine's events until cancelled."""
        no_end = aiohttp.ClientTimeout(total=None)
        async with self.http.get("/event", timeout=no_end) as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    async with self.news:
                        self.events.append(json.loads(line[5:]))
                        self.news.notify_all()

    def scenarios(self, session: str) -> list[tuple[str, str]]:
        return [
            (record.scenario, record.outcome)
            for record in self.provider.requests
            if record.session_id == session and record.scenario != "title"
        ]


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    base = tmp_path_factory.mktemp("office").resolve()
    folder = base / "workspace"
    lay_out(folder)
    async with (
        ScriptedProvider(words_per_second=0, api_key=PROVIDER_KEY) as provider,
        running_engine(folder, base / "state", provider.base_url) as engine,
        aiohttp.ClientSession(
            engine.base_url,
            headers=engine.auth_headers,
            timeout=aiohttp.ClientTimeout(total=WAIT_S),
        ) as http,
    ):
        office = Office(folder, provider, http)
        listening = asyncio.create_task(office.listen())
        try:
            yield office
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening


async def test_a_plain_answer_streams_and_names_the_session(office: Office):
    session = await office.new_session()
    message = await office.say(session, "Please explain what net 30 payment terms mean")
    assert "30 days after the invoice date" in text_of(message)
    await office.event("session.idle", session)
    deltas = [
        event["properties"]["delta"]
        for event in office.events
        if event["type"] == "message.part.delta" and event["properties"]["sessionID"] == session
    ]
    assert len(deltas) > 20
    assert "".join(deltas) == text_of(message)
    title = "Explain what net 30 payment terms mean"
    await office.event("session.updated", session, lambda found: found["info"]["title"] == title)
    assert (await office.get(f"/session/{session}"))["title"] == title


async def test_a_plan_becomes_the_sessions_todo_list(office: Office):
    session = await office.new_session()
    message = await office.say(session, "Plan the follow-up from the meeting notes")
    todos = await office.get(f"/session/{session}/todo")
    assert len(todos) == 6
    assert [todo["status"] for todo in todos].count("completed") == 1
    assert todos[0] == {
        "content": "Finance: pay the open invoices that are due before 15 October",
        "status": "in_progress",
        "priority": "high",
    }
    assert todos[5]["content"] in text_of(message)
    assert (await office.event("todo.updated", session))["todos"] == todos


async def test_a_file_is_written_once_it_is_allowed_with_the_real_totals(office: Office):
    with (office.folder / EXPENSES_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    total = sum((Decimal(row["amount"]) for row in rows), Decimal(0))
    sales = sum(
        (Decimal(row["amount"]) for row in rows if row["department"] == "Sales"), Decimal(0)
    )
    session = await office.new_session()
    prompt = "Summarise the expenses of the quarter in summary.md"
    message = await office.say_and_reply(session, prompt, reply="once")
    asked = await office.event("permission.asked", session)
    assert asked["permission"] == "edit"
    assert asked["metadata"]["filepath"] == str(office.folder / SUMMARY_FILE)
    written = (office.folder / SUMMARY_FILE).read_text()
    assert f"| **Total** | **{money(total)}** | |" in written
    assert f"| Sales | {money(sales)} |" in written
    assert f"add up to {money(total)} in {len(rows)} rows" in text_of(message)


async def test_a_second_summary_replaces_the_first(office: Office):
    folder = office.folder / "again"
    folder.mkdir()
    (folder / "e.csv").write_text("department,amount\nSales,10\n")
    (folder / SUMMARY_FILE).write_text("old\n")
    session = await office.new_session()
    message = await office.say_and_reply(session, "Summarise again/e.csv", reply="once")
    assert "is written" in text_of(message)
    assert "| Sales | 10.00 |" in (folder / SUMMARY_FILE).read_text()


@pytest.mark.parametrize(("feedback", "repeated"), [("", ""), ("not today", "“not today”")])
async def test_a_refused_write_leaves_no_file_and_is_admitted(
    office: Office, feedback: str, repeated: str
):
    folder = office.folder / f"refused{len(feedback)}"
    folder.mkdir()
    (folder / "e.csv").write_text("department,amount\nSales,10\n")
    session = await office.new_session()
    prompt = f"Summarise the expenses in {folder.name}/e.csv"
    reply = {"reply": "reject", "message": feedback} if feedback else {"reply": "reject"}
    message = await office.say_and_reply(session, prompt, **reply)
    assert "I was not allowed to do that, so I stopped" in text_of(message)
    assert repeated in text_of(message)
    assert not (folder / SUMMARY_FILE).exists()


async def test_a_command_runs_once_it_is_allowed(office: Office):
    session = await office.new_session()
    prompt = "List the open invoices and what is due"
    message = await office.say_and_reply(session, prompt, reply="once")
    assert (await office.event("permission.asked", session))["permission"] == "bash"
    assert "4 invoices are open, 3,151.25 EUR in all" in text_of(message)
    assert "| invoices/invoice-1042.txt | 1,485.00 |" in text_of(message)


async def test_a_refusing_provider_is_asked_once_and_its_message_reaches_the_user(office: Office):
    session = await office.new_session()
    message = await office.say(session, "Show me a provider error")
    error = message["info"]["error"]
    assert error["name"] == "APIError"
    assert error["data"]["statusCode"] == 400
    assert error["data"]["isRetryable"] is False
    assert "refused this request, as you asked" in error["data"]["message"]
    assert (await office.event("session.error", session))["error"] == error
    assert office.scenarios(session) == [("provider-error", "failed")]


async def test_a_busy_provider_is_asked_again_and_then_answers(office: Office):
    session = await office.new_session()
    message = await office.say(session, "Show me a busy provider")
    assert "The engine tried again" in text_of(message)
    states = [
        event["properties"]["status"]
        for event in office.events
        if event["type"] == "session.status" and event["properties"]["sessionID"] == session
    ]
    retry = next(state for state in states if state["type"] == "retry")
    assert retry["attempt"] == 1
    assert "The demo provider is busy" in retry["message"]
    assert office.scenarios(session) == [("provider-busy", "failed"), ("provider-busy", "finished")]


async def test_aborting_a_session_stops_the_provider_mid_stream(office: Office):
    session = await office.new_session()
    parts = [{"type": "text", "text": "Count to 5000"}]
    office.provider.words_per_second = 50
    try:
        await office.post(f"/session/{session}/prompt_async", {"parts": parts})
        await office.event("message.part.delta", session)
        await office.post(f"/session/{session}/abort", {})
        asked = [each for each in office.provider.requests if each.session_id == session]
        counting = next(each for each in asked if each.scenario == "long")
        async with asyncio.timeout(WAIT_S):
            assert await counting.ended() == "aborted"
    finally:
        office.provider.words_per_second = 0
    await office.event("session.idle", session)
    last = (await office.get(f"/session/{session}/message"))[-1]
    assert last["info"]["error"]["name"] == "MessageAbortedError"


async def test_a_long_conversation_can_be_summarised(office: Office):
    session = await office.new_session()
    await office.say(session, "Explain net 30")
    model = {"providerID": "openwork-demo", "modelID": "scripted"}
    async with asyncio.timeout(WAIT_S):
        await office.post(f"/session/{session}/summarize", model)
    await office.event("session.compacted", session)
    messages = await office.get(f"/session/{session}/message")
    assert "The user asked: Explain net 30" in text_of(messages[-1])
    answer = await office.say(session, "Compose a symphony")
    assert "the answers in this demo are scripted" in text_of(answer)
