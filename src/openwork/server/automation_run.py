"""One run in the engine: a session, a prompt, and its events until it is over.

Loads aiohttp (15 MB): imported when the first run begins.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.engine.client import EngineClient
from openwork.engine.describe import describe_error, describe_permission
from openwork.engine.events import events
from openwork.engine.family import SessionFamily
from openwork.engine.models import RECONNECTED, PermissionRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openwork.engine.models import Event
    from openwork.server.workspace_settings import EngineAddress

# The engine may be starting together with the server, or again after a crash.
ENGINE_WAIT_S = 20.0
ENGINE_PROBE_S = 4.0  # one that is busy starting answers late
ENGINE_PAUSE_S = 0.5
CONNECT_TIMEOUT_S = 15.0
ABORT_TIMEOUT_S = 1.5  # a server that is told to stop has 3 s for all of it
ABORT_PAUSE_S = 0.1
_ASKS = frozenset({"permission.asked", "question.asked"})
_ANSWERS = frozenset({"permission.replied", "question.replied", "question.rejected"})
SETTLE_LOOKS = 10
SETTLE_PAUSE_S = 0.5
UNFINISHED = "It ended without an answer: it was stopped, or the engine was restarted."

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told what happens."""

    async def session(self, session_id: str) -> None:
        """The run has a session; the prompt is sent when this returns."""
        ...

    async def prompted(self) -> None:
        """The engine has taken the prompt."""
        ...

    async def waits(self, what: str) -> None:
        """It waits for a person."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended: ``message`` says why, None when it is done."""

    outcome: Literal["done", "failed", "timeout"]
    message: str | None = None


async def perform(
    engine: EngineAddress,
    title: str,
    prompt: str,
    listener: Listener,
    *,
    timeout_s: float,
    patient: bool,
) -> Result:
    """Run ``prompt`` in a new session, under the engine's own permission rules.

    Nothing is allowed on anybody's behalf: a tool call that asks waits for a person until the time
    is up. A session whose time is up is stopped.

    Args:
        engine: The workspace's engine.
        title: Of the session.
        prompt: What the agent is told.
        listener: Told of session and waits.
        timeout_s: The longest a run may take.
        patient: Wait for an engine that does not answer yet.

    Raises:
        OpenWorkError: ``engine_unreachable`` or the engine's refusal, before or while it runs.
    """
    async with open_engine(engine) as client:
        if patient:
            await _wait_for(client)
        run = EngineRun(client, (await client.create_session(title)).id, prompt, listener, engine)
        await listener.session(run.session_id)
        try:
            async with asyncio.timeout(timeout_s):
                return await run.follow()
        except TimeoutError:
            await abort(client, run.session_id)
            told = f"It was stopped after {timeout_s:g} s, the longest a run may take."
            if run.waiting:
                told += f" Nobody had answered: {', '.join(run.waiting.values())}."
            return Result("timeout", told)
        except (OpenWorkError, asyncio.CancelledError):
            await abort(client, run.session_id)  # nobody follows it any more
            raise


def open_engine(engine: EngineAddress) -> EngineClient:
    """A client to be opened with ``async with``."""
    headers = {"Authorization": basic_auth(engine.username, engine.password)}
    return EngineClient(engine.base_url, headers=headers, directory=engine.directory)


async def abort(client: EngineClient, session_id: str) -> None:
    """Stop a session for good, as far as the engine can be reached.

    A prompt that was taken a moment ago begins late, and would outlive one request to stop: it is
    asked until the session was found idle twice.
    """
    found_idle = 0
    try:
        async with asyncio.timeout(ABORT_TIMEOUT_S):
            while found_idle < 2:
                await client.abort(session_id)
                await asyncio.sleep(ABORT_PAUSE_S)
                busy = session_id in await client.session_statuses()
                found_idle = 0 if busy else found_idle + 1
    except (OpenWorkError, TimeoutError) as error:
        logger.warning("cannot stop session %s: %s", session_id, error or "it goes on")


async def _wait_for(client: EngineClient) -> None:
    with suppress(TimeoutError):  # the request that follows tells what is wrong
        async with asyncio.timeout(ENGINE_WAIT_S):
            while True:
                try:
                    await client.health(timeout_s=ENGINE_PROBE_S)
                    return
                except OpenWorkError as error:
                    if error.code != "engine_unreachable":
                        return
                await asyncio.sleep(ENGINE_PAUSE_S)


@dataclass
class EngineRun:
    """Follows one session from its prompt to its end.

    Attributes:
        waiting: What nobody has answered yet, by the engine's request id.
    """

    client: EngineClient
    session_id: str
    prompt: str
    listener: Listener
    engine: EngineAddress
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    _family: SessionFamily = field(init=False)
    _error: str | None = None
    _prompted: bool = False

    def __post_init__(self) -> None:
        self._family = SessionFamily(self.client, self.session_id)

    async def follow(self) -> Result:
        """Send the prompt and read events until the session is idle.

        Raises:
            OpenWorkError: As the engine's client.
        """
        async with aclosing(events(self.client)) as stream:
            event = await self._first(stream)
            while (result := await self._handle(event)) is None:
                event = await anext(stream)
            return result

    async def _first(self, stream: AsyncGenerator[Event]) -> Event:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await anext(stream)
        except TimeoutError:
            raise OpenWorkError(
                "engine_unreachable",
                f"{self.client.base_url} sends no events.",
                hint="Check the host with: openwork status",
                status=502,
            ) from None

    async def _handle(self, event: Event) -> Result | None:
        properties = event.properties
        if event.type == "server.connected" and not self._prompted:
            await self.client.prompt(self.session_id, self.prompt)
            self._prompted = True
            await self.listener.prompted()
        elif event.type == RECONNECTED.type:
            return await self._catch_up()
        elif event.type in _ASKS:
            await self._asked(event.type, properties)
        elif event.type in _ANSWERS:
            self.waiting.pop(str(properties.get("requestID") or properties.get("permissionID")), "")
        elif _session_of(properties) == self.session_id:
            self._note_error(event.type, properties)
            if event.type == "session.idle":
                return await self._ended()
        return None

    async def _ended(self) -> Result | None:
        """What became of it; None when it goes on.

        A session is idle before its prompt begins, too, and one that is stopped early goes idle
        without a word: idle without an answer has to last.
        """
        for _ in range(SETTLE_LOOKS):
            messages = await self.client.messages(self.session_id)
            for message in messages:
                if message.info.error:
                    self._error = _error_text(message.info.error)
            if self._error is not None:
                return Result("failed", self._error)
            if messages and messages[-1].is_whole_answer:
                return Result("done")
            await asyncio.sleep(SETTLE_PAUSE_S)
            if await self._is_busy():
                return None
        return Result("failed", UNFINISHED)

    def _note_error(self, kind: str, properties: dict[str, Any]) -> None:
        if kind == "session.error":
            self._error = _error_text(properties.get("error"))
        elif kind == "message.updated":
            info = cast("dict[str, Any]", properties.get("info") or {})
            if info.get("error"):
                self._error = _error_text(info["error"])

    async def _asked(self, kind: str, properties: dict[str, Any]) -> None:
        request_id, session_id = str(properties.get("id")), str(properties.get("sessionID"))
        if request_id in self.waiting or not await self._family.holds(session_id):
            return
        what = "a question of the agent"
        if kind == "permission.asked":
            asked = PermissionRequest.model_validate(properties)
            what = describe_permission(asked.permission, asked.patterns, self.engine.directory)
        self.waiting[request_id] = what
        await self.listener.waits(what)

    async def _is_busy(self) -> bool:
        status = (await self.client.session_statuses()).get(self.session_id, {})
        return status.get("type", "idle") != "idle"

    async def _catch_up(self) -> Result | None:
        """Events were lost: read the state."""
        if await self._is_busy():
            for each in await self.client.permissions():
                await self._asked("permission.asked", each.model_dump(by_alias=True))
            return None
        return await self._ended()


def _session_of(properties: dict[str, Any]) -> str | None:
    info = cast("dict[str, Any]", properties.get("info") or {})
    found = properties.get("sessionID") or info.get("sessionID")
    return found if isinstance(found, str) else None


def _error_text(error: object) -> str:
    return describe_error(error, stopped="It was stopped.", unknown="The engine told no reason.")
