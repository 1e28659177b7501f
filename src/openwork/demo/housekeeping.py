"""The engine's own requests to its model: a session's title, a summary of a long conversation.

Source: the system prompts of the ``title`` and ``compaction`` agents of OpenCode 1.18.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openwork.demo.steps import Reply, Say
from openwork.demo.turn import last_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openwork.demo.wire import Message

TITLE_LIMIT_CHARACTERS = 50
_TITLE_AGENT = "You are a title generator"
_COMPACTION_AGENT = "You are a context summarization agent"
_COURTESY = re.compile(
    r"^(?:(?:please|hello|hi|hey|can you|could you|would you|i want you to|show me)\b[\s,!.]*)+",
    re.IGNORECASE,
)
_SPOKEN = re.compile(r"^\[User\]: (.+)$", re.MULTILINE)


def reply_to(messages: Sequence[Message]) -> Reply | None:
    """The answer to a request the engine makes for itself, or None when a user asked."""
    system = " ".join(text for each in messages if each.role == "system" for text in each.texts)
    if system.startswith(_TITLE_AGENT):
        return Reply("title", (Say(title(last_turn(messages, ()).prompt)),))
    if system.startswith(_COMPACTION_AGENT):
        return Reply("compaction", (Say(_summary(last_turn(messages, ()).prompt)),))
    return None


def title(prompt: str) -> str:
    """A short title from the user's own words, cut at a word."""
    words = _COURTESY.sub("", " ".join(prompt.split())).split() or prompt.split()
    kept = ""
    for word in words:
        longer = f"{kept} {word}".strip()
        if len(longer) > TITLE_LIMIT_CHARACTERS:
            break
        kept = longer
    kept = (kept or "".join(words)[:TITLE_LIMIT_CHARACTERS]).rstrip(" .,;:!?")
    return kept[:1].upper() + kept[1:] or "New conversation"


def _summary(transcript: str) -> str:
    asked = _SPOKEN.findall(transcript)
    done = "\n".join(f"- The user asked: {each}" for each in asked) or "- (none)"
    return (
        f"## Objective\n- {asked[-1] if asked else '(none)'}\n\n"
        "## Important Details\n- The answers are scripted.\n\n"
        f"## Work State\n### Completed\n{done}\n\n### Active\n- (none)\n\n### Blocked\n- (none)\n\n"
        "## Next Move\n1. (none)\n\n## Relevant Files\n- (none)"
    )
