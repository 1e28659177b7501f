"""Where a conversation stands: the user's last words, and the tool calls answered since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openwork.demo.wire import Message, Tool

_REMINDER = "<system-reminder>"  # the engine's own words inside a user message


@dataclass(frozen=True)
class Exchange:
    """A tool call and what came back.

    Attributes:
        tool: The tool's name.
        arguments: What it was called with.
        result: What the engine answered, success or not.
    """

    tool: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True)
class Turn:
    """What there is to answer.

    Attributes:
        prompt: What the user asked last.
        exchanges: The tool calls answered since, in order.
        tools: The parameters of each tool on offer, by the tool's name.
    """

    prompt: str
    exchanges: tuple[Exchange, ...]
    tools: dict[str, frozenset[str]]


def last_turn(messages: Sequence[Message], tools: Iterable[Tool]) -> Turn:
    """The turn that the last user message of a conversation began."""
    start = max((n for n, each in enumerate(messages) if each.role == "user"), default=-1)
    prompt = _prompt(messages[start]) if start >= 0 else ""
    offered = {tool.function.name: tool.properties for tool in tools}
    return Turn(prompt, tuple(_exchanges(messages[start + 1 :])), offered)


def _prompt(message: Message) -> str:
    spoken = [text for text in message.texts if not text.startswith(_REMINDER)]
    return spoken[0].strip() if spoken else ""  # later parts hold attached files, not a request


def _exchanges(messages: Sequence[Message]) -> list[Exchange]:
    results = {each.tool_call_id: "".join(each.texts) for each in messages if each.role == "tool"}
    calls = [call for each in messages if each.role == "assistant" for call in each.tool_calls]
    return [
        Exchange(call.function.name, _arguments(call.function.arguments), results[call.id])
        for call in calls
        if call.id in results
    ]


def _arguments(text: str) -> dict[str, Any]:
    try:
        value: object = json.loads(text)
    except ValueError:  # a call that was cut off: it ran with nothing
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
