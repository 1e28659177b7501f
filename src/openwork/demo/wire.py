"""OpenAI chat completions: the request fields we read, the shapes of the answer.

Source: OpenAI's chat completions API (``POST /v1/chat/completions``), and what the engine's
``@ai-sdk/openai-compatible`` client sends and accepts.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, Field

CHARACTERS_PER_TOKEN = 4  # an estimate, good enough for a meter


class Function(BaseModel):
    """A tool's function: in a request's tool list, or called by the model."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    arguments: str = "{}"


class Tool(BaseModel):
    """A tool the model may call."""

    function: Function

    @property
    def properties(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(self.function.parameters.get("properties", {}))


class ToolCall(BaseModel):
    """A call the model made earlier in the conversation."""

    id: str
    function: Function


class ContentPart(BaseModel):
    """One part of a message; only text parts carry ``text``."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One message of the conversation."""

    role: str
    content: str | list[ContentPart] | None = None
    tool_calls: list[ToolCall] = Field(default_factory=list[ToolCall])
    tool_call_id: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts of its parts, in order."""
        if self.content is None:
            return []
        if isinstance(self.content, str):
            return [self.content]
        return [part.text for part in self.content if part.type == "text"]


class StreamOptions(BaseModel):
    """What a streamed answer should hold besides the text."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The body of ``POST /v1/chat/completions``; fields we do not use are ignored."""

    model: str
    messages: list[Message]
    tools: list[Tool] = Field(default_factory=list[Tool])
    stream: bool = False
    stream_options: StreamOptions = Field(default_factory=StreamOptions)

    @property
    def characters(self) -> int:
        """The length of all texts of the conversation."""
        return sum(len(text) for message in self.messages for text in message.texts)


FinishReason = Literal["stop", "tool_calls"]


class Envelope(BaseModel):
    """What every chunk of one answer repeats.

    Attributes:
        id: The answer's id.
        created: Seconds since the epoch.
        model: The model as the request named it.
    """

    id: str
    created: int
    model: str

    def chunk(self, delta: dict[str, Any], finish: FinishReason | None = None) -> bytes:
        """One server-sent event with a delta of the only choice."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._event({"choices": [choice]})

    def usage_chunk(self, usage: dict[str, int]) -> bytes:
        """The event after the last delta that carries the token counts."""
        return self._event({"choices": [], "usage": usage})

    def completion(
        self, message: dict[str, Any], finish: FinishReason, usage: dict[str, int]
    ) -> dict[str, Any]:
        """The whole answer in one piece, for ``stream: false``."""
        choice = {"index": 0, "message": message, "finish_reason": finish}
        head = {**self.model_dump(), "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": usage}

    def _event(self, body: dict[str, Any]) -> bytes:
        whole = {**self.model_dump(), "object": "chat.completion.chunk", **body}
        return b"data: " + json.dumps(whole, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def usage(prompt_characters: int, answer_characters: int) -> dict[str, int]:
    """Estimated token counts."""
    prompt = prompt_characters // CHARACTERS_PER_TOKEN
    answer = answer_characters // CHARACTERS_PER_TOKEN
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def error_body(message: str, code: str, kind: str) -> dict[str, Any]:
    """An error as OpenAI words it: ``{"error": {message, type, param, code}}``."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
