"""What a script can do: say something, call a tool, fail as a provider does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Say:
    """Text, streamed word by word."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool call; the last step of a reply, since the next one depends on its result.

    Attributes:
        tool: The tool's name.
        arguments: Its arguments.
    """

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Fail:
    """An HTTP error instead of an answer; the first step of a reply.

    Attributes:
        status: The HTTP status.
        code: Machine-readable name.
        message: What the user is to read.
        times: How often the same request fails before the steps after this one are played; None
            is every time.
    """

    status: int
    code: str
    message: str
    times: int | None = None


Step = Say | Call | Fail


@dataclass(frozen=True)
class Reply:
    """What to answer a request with.

    Attributes:
        scenario: The script that decided it.
        steps: What to do, in order.
    """

    scenario: str
    steps: tuple[Step, ...]
