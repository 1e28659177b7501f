"""What the engine answers, as far as we use it. Unknown fields are kept and ignored.

Source: the OpenAPI document of OpenCode 1.18 (``GET /doc``).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PermissionReply = Literal["once", "always", "reject"]


class EngineModel(BaseModel):
    """Base: wire names through aliases, unknown fields tolerated."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, frozen=True)


class Health(EngineModel):
    """``GET /global/health``."""

    healthy: bool
    version: str


class Session(EngineModel):
    """A conversation."""

    id: str
    title: str = ""
    directory: str = ""
    parent_id: str | None = Field(default=None, alias="parentID")


class Part(EngineModel):
    """A part of a message; ``type`` is text, reasoning, tool, step-start, step-finish, file, …."""

    id: str
    session_id: str = Field(alias="sessionID")
    type: str
    text: str | None = None
    tool: str | None = None
    state: dict[str, Any] | None = None


class MessageInfo(EngineModel):
    """A message without its parts."""

    id: str
    session_id: str = Field(alias="sessionID")
    role: Literal["user", "assistant"]
    error: dict[str, Any] | None = None


class Message(EngineModel):
    """A message with its parts."""

    info: MessageInfo
    parts: list[Part]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text or "" for part in self.parts if part.type == "text")

    @property
    def is_whole_answer(self) -> bool:
        """Whether the engine has come to the end of its answer."""
        times: object = (self.info.model_extra or {}).get("time")
        return self.info.role == "assistant" and isinstance(times, dict) and "completed" in times


class PermissionRequest(EngineModel):
    """A tool call that waits for a person."""

    id: str
    session_id: str = Field(alias="sessionID")
    permission: str
    patterns: list[str] = []
    metadata: dict[str, Any] = {}


class Todo(EngineModel):
    """One step of a plan; ``status`` is pending, in_progress, completed or cancelled."""

    content: str
    status: str


class Provider(EngineModel):
    """A model provider; ``models`` has the ids of its models as keys."""

    id: str
    name: str = ""
    models: dict[str, Any] = {}


class Providers(EngineModel):
    """``GET /config/providers``."""

    providers: list[Provider]


class Event(EngineModel):
    """One event of the engine's stream.

    ``openwork.reconnected`` is ours: the stream was interrupted, events may have been missed, and
    the reader must read state again.
    """

    type: str
    properties: dict[str, Any] = {}


RECONNECTED = Event(type="openwork.reconnected")
