"""What the person who approves a change is shown of it."""

from __future__ import annotations

import json

from openwork.workspace.secrets import redact

MAX_SHOWN_CHARACTERS = 4_000


def shown(value: object) -> str:
    """A text, or JSON as text: without secrets, and not without end."""
    safe = redact(value)
    text = safe if isinstance(safe, str) else json.dumps(safe, indent=2, ensure_ascii=False)
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    more = len(text) - MAX_SHOWN_CHARACTERS
    return f"{text[:MAX_SHOWN_CHARACTERS]}…\n({more:,} more characters)"
