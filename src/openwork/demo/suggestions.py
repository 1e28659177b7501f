"""The demo tasks a user can try, for the browser app, the command line and the model's own help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suggestion:
    """One task to try.

    Attributes:
        scenario: The script that plays it, as in ``openwork.demo.scripts.SCENARIOS``.
        title: A few words for a button or a list.
        prompt: What to send to the session.
    """

    scenario: str
    title: str
    prompt: str


SUGGESTIONS = (
    Suggestion("answer", "A plain answer", "Explain what net 30 payment terms mean"),
    Suggestion("plan", "A plan", "Plan the follow-up from the meeting notes"),
    Suggestion(
        "expenses", "A file, with permission", "Summarise the expenses of the quarter in summary.md"
    ),
    Suggestion("invoices", "A command, with permission", "List the open invoices and what is due"),
    Suggestion("long", "A long answer to stop", "Count to 500"),
    Suggestion("provider-error", "A provider that refuses", "Show me a provider error"),
    Suggestion("provider-busy", "A provider that recovers", "Show me a busy provider"),
)
