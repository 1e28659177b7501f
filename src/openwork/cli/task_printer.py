"""Show a task in the terminal: for people, or as JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

import click

from openwork.cli.terminal import say
from openwork.engine.describe import describe_permission
from openwork.orchestrator.task import (
    Answer,
    Finished,
    Permission,
    Plan,
    Step,
    TaskEvent,
    TextDelta,
    state_word,
)

if TYPE_CHECKING:
    from openwork.engine.models import PermissionReply, PermissionRequest

LINE_LIMIT_BYTES = 4096
_WORDS: dict[str, PermissionReply] = {"o": "once", "a": "always", "r": "reject"}
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
        elif event.error is not None:
            say(f"Failed: {event.error}", err=True)

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
        """``{type: text|step|plan|permission|finished, …}``."""
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
    if isinstance(event, Finished):  # pyright: ignore[reportUnnecessaryIsInstance]
        return {"type": "finished", "ok": event.error is None, "error": event.error}
    raise TypeError(event)


async def ask_in_terminal(workspace: str, request: PermissionRequest) -> Answer:
    """Show what is asked and wait for one of: once, always, reject (with an optional reason)."""
    what = describe_permission(request.permission, request.patterns, workspace)
    say(f"\nThe agent asks: {what}", err=True)
    detail = request.metadata.get("diff") or request.metadata.get("command")
    if isinstance(detail, str):
        say(detail.rstrip(), err=True, dim=True)
    word = ""
    while word not in _WORDS:
        word = (await _prompt("Allow? [o]nce, [a]lways (lasting), [r]eject: ")).lower()
    reason = await _prompt("Why? (for the agent): ") if word == "r" else ""
    return Answer(_WORDS[word], reason or None)


async def _prompt(question: str) -> str:
    """A line from the terminal. No thread waits for it, so that Ctrl+C ends the program at once.

    Raises:
        click.Abort: The terminal is at its end (Ctrl+D).
    """
    say(question, nl=False, err=True)
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    typed = asyncio.Event()
    loop.add_reader(descriptor, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(descriptor)
    line = os.read(descriptor, LINE_LIMIT_BYTES)  # a terminal gives one line at a time
    if not line:
        raise click.Abort
    return line.decode("utf-8", "replace").strip()
