"""A reply as the deltas of a stream, or as one message."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from openwork.common.ids import new_id
from openwork.demo.steps import Call, Reply, Say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openwork.demo.wire import FinishReason

ARGUMENT_PIECE_CHARACTERS = 200


def words(text: str) -> list[str]:
    """The words of ``text``, each with the white space before it; joined they are ``text``."""
    return re.findall(r"\s*\S+|\s+$", text)


def deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    """The deltas of a reply's texts, a word each, and of its tool call; errors add nothing."""
    for step in reply.steps:
        if isinstance(step, Say):
            for word in words(step.text):
                yield {"content": word}
        elif isinstance(step, Call):
            yield from _call_deltas(step)


def _call_deltas(call: Call) -> Iterator[dict[str, Any]]:
    function = {"name": call.tool, "arguments": ""}
    head = {"index": 0, "id": _call_id(), "type": "function", "function": function}
    yield {"tool_calls": [head]}
    text = json.dumps(call.arguments, ensure_ascii=False)
    for start in range(0, len(text), ARGUMENT_PIECE_CHARACTERS):
        piece = text[start : start + ARGUMENT_PIECE_CHARACTERS]
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def whole_message(reply: Reply) -> dict[str, Any]:
    """The reply as one assistant message, for clients that do not stream."""
    text = "".join(step.text for step in reply.steps if isinstance(step, Say))
    message: dict[str, Any] = {"role": "assistant", "content": text}
    calls = [
        {
            "id": _call_id(),
            "type": "function",
            "function": {"name": step.tool, "arguments": json.dumps(step.arguments)},
        }
        for step in reply.steps
        if isinstance(step, Call)
    ]
    if calls:
        message["tool_calls"] = calls
    return message


def finish_reason(reply: Reply) -> FinishReason:
    """Why the answer ends: a tool is called, or all is said."""
    return "tool_calls" if any(isinstance(step, Call) for step in reply.steps) else "stop"


def _call_id() -> str:
    return f"call_{new_id()}"
