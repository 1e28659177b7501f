"""Give the engine one task and follow it to its end, through an OpenWork server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from openwork.common.errors import OpenWorkError
from openwork.engine.describe import describe_error
from openwork.engine.events import events
from openwork.engine.family import SessionFamily
from openwork.engine.models import RECONNECTED, PermissionReply, PermissionRequest
from openwork.orchestrator.retrying import UNREACHABLE_HINT, Patience, Retry

if TYPE_CHECKING:
    from openwork.engine.client import EngineClient
    from openwork.engine.models import Event, Message, Todo

CONNECT_TIMEOUT_S = 15.0
INTERRUPTED = "the engine was restarted in the middle of the task"
# A tool call only moves forward; an older state can arrive late after a reconnection.
_STEP_ORDER = {"pending": 0, "running": 1, "completed": 2, "error": 2}


@dataclass(frozen=True)
class Answer:
    """What a person answers to a permission prompt; ``message`` tells the model why."""

    reply: PermissionReply
    message: str | None = None


@dataclass(frozen=True)
class TextDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True)
class Step:
    """A tool call changed its state: pending, running, completed or error."""

    call_id: str
    tool: str
    summary: str
    state: str


@dataclass(frozen=True)
class Plan:
    """The plan changed."""

    todos: list[Todo]


@dataclass(frozen=True)
class Permission:
    """A tool call asked, and this was answered."""

    request: PermissionRequest
    answer: Answer


@dataclass(frozen=True)
class Finished:
    """The task is over; ``error`` says why it failed (None when it did not), ``hint`` what next."""

    error: str | None
    hint: str | None = None


TaskEvent = TextDelta | Step | Plan | Permission | Retry | Finished
Ask = Callable[[PermissionRequest], Awaitable[Answer]]


def describe_tool(tool: str, state: dict[str, Any]) -> str:
    """What a tool call is about, in a few words: its title, file, command or pattern."""
    given: dict[str, Any] = state.get("input") or {}
    for key in ("filePath", "path", "command", "pattern", "url", "description", "prompt"):
        value = given.get(key)
        if isinstance(value, str) and value:
            return value.splitlines()[0][:200]
    return str(state.get("title") or tool)


@dataclass
class TaskRun:
    """One task in one session.

    Args:
        client: An open client of the engine.
        session_id: The session to work in.
        ask: Asks a person about a permission.
        patience: How long a model may be out of reach before the task is stopped.
    """

    client: EngineClient
    session_id: str
    ask: Ask
    patience: Patience = field(default_factory=Patience)
    _printed: dict[str, int] = field(default_factory=dict[str, int])
    _roles: dict[str, str] = field(default_factory=dict[str, str])
    _states: dict[str, str] = field(default_factory=dict[str, str])
    _family: SessionFamily = field(init=False)
    _answered: set[str] = field(default_factory=set[str])
    # Text parts with a gap: the engine keeps a part's text only once it is whole, so pieces that
    # come after an interruption cannot be put in their place; its end brings all of it.
    _with_gap: set[str] = field(default_factory=set[str])
    _earlier: frozenset[str] = frozenset()
    _busy: bool = False
    _model: str = ""
    _error: str | None = None

    def __post_init__(self) -> None:
        self._family = SessionFamily(self.client, self.session_id)

    async def run(self, text: str) -> AsyncGenerator[TaskEvent]:
        """Send ``text`` and yield what happens, ``Finished`` last.

        Raises:
            OpenWorkError: The host cannot be reached or refuses.
        """
        self._earlier = frozenset(
            each.info.id for each in await self.client.messages(self.session_id)
        )
        async with aclosing(self._with_timeout(events(self.client))) as stream:
            async for event in stream:
                if event.type == "server.connected" and not self._busy:
                    await self.client.prompt(self.session_id, text)
                    self._busy = True
                    continue
                if event.type == RECONNECTED.type:
                    async for found in self._catch_up():
                        yield found
                        if isinstance(found, Finished):
                            return
                    continue
                async for found in self._handle(event):
                    yield found
                    if isinstance(found, Finished):
                        return
                if self.patience.exhausted:
                    await self.client.abort(self.session_id)
                    why = self.patience.explain(self._model or "of this session")
                    yield Finished(why, UNREACHABLE_HINT)
                    return

    async def _with_timeout(self, stream: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """Fail when the first event does not come: the host is not there."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                first = await anext(stream)
        except TimeoutError:
            raise OpenWorkError(
                "engine_unreachable",
                f"{self.client.base_url} sends no events.",
                hint="Check the host with: openwork status",
            ) from None
        yield first
        async for event in stream:  # a heartbeat comes every ten seconds
            yield event

    async def _handle(self, event: Event) -> AsyncGenerator[TaskEvent]:
        properties = event.properties
        if event.type == "permission.asked":
            async for found in self._permission(PermissionRequest.model_validate(properties)):
                yield found
        elif self._session_of(properties) != self.session_id:
            return
        elif event.type == "session.status":
            if retry := self.patience.note(properties.get("status") or {}):
                yield retry
        elif event.type == "todo.updated":
            yield Plan(await self.client.todos(self.session_id))
        elif event.type == "session.idle":
            yield Finished(self._error)
        else:
            for found in self._of_message(event.type, properties):
                yield found

    def _of_message(self, kind: str, properties: dict[str, Any]) -> list[TaskEvent]:
        if kind == "message.part.delta":
            return self._delta(properties)
        if kind == "message.part.updated":
            return self._part(properties.get("part") or {})
        if kind == "message.updated":
            self._note_message(properties.get("info") or {})
        elif kind == "session.error":
            self._error = _error_text(properties.get("error"))
        return []

    @staticmethod
    def _session_of(properties: dict[str, Any]) -> str | None:
        for holder in (properties, properties.get("info") or {}, properties.get("part") or {}):
            if isinstance(holder.get("sessionID"), str):
                return holder["sessionID"]
        return None

    def _note_message(self, info: dict[str, Any]) -> None:
        if info.get("id") in self._earlier:
            return
        self._roles[str(info.get("id"))] = str(info.get("role"))
        if info.get("providerID") and info.get("modelID"):
            self._model = f"{info['providerID']}/{info['modelID']}"
        if info.get("error"):
            self._error = _error_text(info["error"])

    def _delta(self, properties: dict[str, Any]) -> list[TaskEvent]:
        part_id, delta = str(properties.get("partID")), str(properties.get("delta") or "")
        known = part_id in self._printed and part_id not in self._with_gap
        wanted = properties.get("field") == "text" and known
        if not wanted or not delta:
            return []
        self._printed[part_id] += len(delta)
        self.patience.answered()
        return [TextDelta(delta)]

    def _part(self, part: dict[str, Any]) -> list[TaskEvent]:
        if part.get("messageID") in self._earlier:
            return []
        part_id = str(part.get("id"))
        if part.get("type") == "text" and self._is_answer(part):
            text = str(part.get("text") or "")
            shown = self._printed.setdefault(part_id, 0)
            self._printed[part_id] = max(shown, len(text))
            return [TextDelta(text[shown:])] if len(text) > shown else []
        if part.get("type") != "tool":
            return []
        state: dict[str, Any] = part.get("state") or {}
        status = str(state.get("status"))
        earlier = self._states.get(part_id)
        if earlier and _STEP_ORDER.get(status, 0) <= _STEP_ORDER.get(earlier, 0):
            return []
        self._states[part_id] = status
        self.patience.answered()
        tool = str(part.get("tool"))
        return [Step(part_id, tool, describe_tool(tool, state), status)]

    def _is_answer(self, part: dict[str, Any]) -> bool:
        return self._roles.get(str(part.get("messageID"))) == "assistant"

    async def _permission(self, request: PermissionRequest) -> AsyncGenerator[TaskEvent]:
        if request.id in self._answered or not await self._family.holds(request.session_id):
            return
        self._answered.add(request.id)
        answer = await self.ask(request)
        try:
            await self.client.reply_permission(request.id, answer.reply, answer.message)
        except OpenWorkError as error:
            if not _is_gone(error):
                raise
            return  # another client was faster
        yield Permission(request, answer)

    async def _catch_up(self) -> AsyncGenerator[TaskEvent]:
        """After an interruption: what was missed, from the engine's state."""
        messages = await self.client.messages(self.session_id)
        ours = [each for each in messages if each.info.id not in self._earlier]
        for message in ours:
            for found in self._replay(message):
                yield found
        self._with_gap.update(self._printed)
        for request in await self.client.permissions():
            async for found in self._permission(request):
                yield found
        status = (await self.client.session_statuses()).get(self.session_id, {"type": "idle"})
        if retry := self.patience.note(status):
            yield retry
        if status.get("type") == "idle":
            whole = bool(ours) and ours[-1].is_whole_answer
            yield Finished(self._error or (None if whole else INTERRUPTED))

    def _replay(self, message: Message) -> list[TaskEvent]:
        self._note_message(message.info.model_dump(by_alias=True))
        found: list[TaskEvent] = []
        for part in message.parts:
            found += self._part(part.model_dump(by_alias=True))
        return found


def _is_gone(error: OpenWorkError) -> bool:
    details: object = error.details
    return isinstance(details, dict) and cast("dict[str, Any]", details).get("status") == 404


def _error_text(error: object) -> str:
    return describe_error(error, stopped="the task was stopped", unknown="the task failed")


def state_word(state: str) -> Literal["…", "✓", "✗"]:
    """A tool call's state as one sign."""
    return "✓" if state == "completed" else "✗" if state == "error" else "…"
