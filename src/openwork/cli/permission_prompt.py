"""Ask the person at the terminal whether the agent may do something."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from openwork.cli.diff_view import readable_diff
from openwork.cli.terminal import say
from openwork.engine.describe import describe_permission
from openwork.orchestrator.task import Answer

if TYPE_CHECKING:
    from openwork.engine.models import PermissionReply, PermissionRequest

LINE_LIMIT_BYTES = 4096
QUESTION = "Allow? [y]es once, [a]lways, [n]o: "
_REPLIES: dict[str, PermissionReply] = {
    **dict.fromkeys(("y", "yes", "o", "once"), "once"),
    **dict.fromkeys(("a", "always"), "always"),
    **dict.fromkeys(("n", "no", "r", "reject"), "reject"),
}


def parse_reply(typed: str) -> PermissionReply | None:
    """What a person's answer means, None when it is none of those offered."""
    return _REPLIES.get(typed.strip().lower())


async def ask_in_terminal(workspace: str, request: PermissionRequest) -> Answer:
    """Show what is asked and wait for an answer; a refusal may carry a reason for the agent.

    Raises:
        click.Abort: The terminal is at its end (Ctrl+D).
    """
    what = describe_permission(request.permission, request.patterns, workspace)
    say(f"\nThe agent asks: {what}", err=True)
    detail = _detail(request, workspace)
    if detail:
        say(detail, err=True, dim=True)
    while (reply := parse_reply(await _prompt(QUESTION))) is None:
        say("Type y, a or n.", err=True)
    reason = await _prompt("Why? (for the agent; Enter for none): ") if reply == "reject" else ""
    return Answer(reply, reason or None)


def _detail(request: PermissionRequest, workspace: str) -> str:
    diff, command = request.metadata.get("diff"), request.metadata.get("command")
    if isinstance(diff, str):
        return readable_diff(diff, workspace).rstrip()
    return command.rstrip() if isinstance(command, str) else ""


async def _prompt(question: str) -> str:
    """A line from the terminal. No thread waits for it, so that Ctrl+C ends the program at once."""
    say(question, nl=False, err=True)
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    typed = asyncio.Event()
    loop.add_reader(descriptor, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(descriptor)
    try:
        line = os.read(descriptor, LINE_LIMIT_BYTES)  # a terminal gives one line at a time
    except OSError:  # EIO: it is gone
        line = b""
    if not line:
        say(err=True)
        raise click.Abort
    return line.decode("utf-8", "replace").strip()
