"""Show a task in the terminal: for people, or as JSON lines."""

from __future__ import annotations

import json
from typing import Any, Protocol

import click

from openwork.cli.terminal import say
from openwork.engine.describe import describe_permission
from openwork.orchestrator.retrying import Retry
from openwork.orchestrator.task import (
    Finished,
    Permission,
    Plan,
    Step,
    TaskEvent,
    TextDelta,
    state_word,
)

_TODO_MARKS = {"completed": "[x]", "in_progress": "[>]", "cancelled": "[-]"}
_REPLIES = {"once": "allowed once", "always": "allowed from now on", "reject": "refused"}


class Printer(Protocol):
    """Shows a task's events."""

    def begin(self, session_id: str) -> None:
        """The task is about to be sent."""
        ...

    def show(self, event: TaskEvent) -> None:
        """One event."""
        ...


class TextPrinter:
    """The answer on standard output; steps, plan and outcome on standard error."""

    def __init__(self, workspace: str) -> None:
        """Name files from ``workspace``, "" when it is not known."""
        self._workspace = workspace
        self._in_line = False

    def begin(self, session_id: str) -> None:
        """Nothing to say yet."""

    def show(self, event: TaskEvent) -> None:
        """Print one event."""
        if isinstance(event, TextDelta):
            say(event.text, nl=False)
            self._in_line = not event.text.endswith("\n")
            return
        self._end_line()
        if isinstance(event, Step):
            if event.state != "pending":  # its input is not there yet
                summary = event.summary.removeprefix(f"{self._workspace}/")
                say(f"  {state_word(event.state)} {event.tool}: {summary}", err=True)
        elif isinstance(event, Plan):
            for todo in event.todos:
                say(f"  {_TODO_MARKS.get(todo.status, '[ ]')} {todo.content}", err=True)
        elif isinstance(event, Permission):
            request = event.request
            what = describe_permission(request.permission, request.patterns, self._workspace)
            say(f"  permission {_REPLIES[event.answer.reply]}: {what}", err=True)
        elif isinstance(event, Retry):
            tried = f"(attempt {event.attempt})"
            say(f"The model cannot be reached {tried}: {event.reason}", err=True)
        elif event.error is not None:
            say(f"Failed: {event.error}", err=True)
            if event.hint:
                say(f"  Next: {event.hint}", err=True)

    def _end_line(self) -> None:
        if self._in_line:
            say()
            self._in_line = False


class JsonPrinter:
    """One JSON object a line on standard output."""

    def begin(self, session_id: str) -> None:
        """``{type: started, sessionId}``."""
        self._print({"type": "started", "sessionId": session_id})

    def show(self, event: TaskEvent) -> None:
        """``{type: text|step|plan|permission|retry|finished, …}``."""
        self._print(_as_json(event))

    @staticmethod
    def _print(value: dict[str, Any]) -> None:
        click.echo(json.dumps(value, ensure_ascii=False))


def _as_json(event: TaskEvent) -> dict[str, Any]:
    if isinstance(event, TextDelta):
        return {"type": "text", "text": event.text}
    if isinstance(event, Step):
        return {
            "type": "step",
            "id": event.call_id,
            "tool": event.tool,
            "summary": event.summary,
            "state": event.state,
        }
    if isinstance(event, Plan):
        todos = [{"content": each.content, "status": each.status} for each in event.todos]
        return {"type": "plan", "todos": todos}
    if isinstance(event, Permission):
        return {
            "type": "permission",
            "id": event.request.id,
            "permission": event.request.permission,
            "patterns": event.request.patterns,
            "reply": event.answer.reply,
        }
    if isinstance(event, Retry):
        return {"type": "retry", "attempt": event.attempt, "reason": event.reason}
    if isinstance(event, Finished):  # pyright: ignore[reportUnnecessaryIsInstance]
        hint = {"hint": event.hint} if event.hint else {}
        return {"type": "finished", "ok": event.error is None, "error": event.error, **hint}
    raise TypeError(event)
