"""``openwork approvals``: changes that wait for the host."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.approval_words import NewsPrinter, say_waiting
from openwork.cli.target import find_target
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.orchestrator.server_api import ServerApi


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine."),
        click.option("--host-token", help="Prefer the variable OPENWORK_HOST_TOKEN."),
        click.option("--openwork-url", metavar="URL", help="The server (default: the one here)."),
    ):
        command = add(command)
    return command


@click.group(no_args_is_help=True)
def approvals() -> None:
    """Answer changes that wait for the host.

    \b
    Examples:
      openwork approvals list
      openwork approvals list --follow
      openwork approvals reply 6f1c… --allow
    """


@approvals.command("list")
@click.option("--follow", is_flag=True, help="Go on: show what comes and how it ends. Ctrl+C ends.")
@_target_options
def list_approvals(
    openwork_url: str | None,
    host_token: str | None,
    data_dir: str | None,
    *,
    follow: bool,
    as_json: bool,
) -> int:
    """Show what waits, oldest first.

    With --follow, --json prints one line of JSON for each event: {"event": "added", "item": {…}} or
    {"event": "resolved", "id", "workspaceId", "outcome"}. An outcome is allowed, denied, timeout,
    withdrawn, revoked, restart, or unknown when the connection was lost meanwhile.
    """
    if follow:
        from openwork.cli.stopping import until_stopped

        async def work_on(api: ServerApi) -> int:
            return await _follow(api, as_json=as_json)

        following = _with_api(work_on, openwork_url, host_token, data_dir)
        return asyncio.run(until_stopped(following, stopped_status=None, tell=_end_the_line))

    async def work(api: ServerApi) -> list[dict[str, Any]]:
        return await api.approvals()

    items = asyncio.run(_with_api(work, openwork_url, host_token, data_dir))
    if as_json:
        click.echo(json.dumps({"items": items}, indent=2))
        return 0
    if not items:
        say("Nothing waits.")
        say("What an agent asks permission for is answered in openwork run, or in the browser.")
    for item in items:
        say_waiting(item)
    return 0


async def _follow(api: ServerApi, *, as_json: bool) -> int:
    from openwork.orchestrator.waiting_approvals import follow

    printer = NewsPrinter(as_json=as_json)
    async with aclosing(follow(api)) as news:
        async for each in news:
            printer.say(each)
    return 0


def _end_the_line() -> None:
    """On a terminal the cursor stands behind ``^C``."""
    if sys.stderr.isatty():
        say(err=True)


@approvals.command("reply")
@click.argument("approval_id")
@click.option("--allow/--deny", "allow", default=None, help="What to answer.")
@_target_options
def reply_approval(
    approval_id: str,
    openwork_url: str | None,
    host_token: str | None,
    data_dir: str | None,
    *,
    allow: bool | None,
    as_json: bool,
) -> int:
    """Allow or deny a waiting change."""
    if allow is None:
        raise UsageError("Say what to answer.", hint="Add --allow or --deny.")

    async def work(api: ServerApi) -> None:
        await api.reply_approval(approval_id, allow=allow)

    asyncio.run(_with_api(work, openwork_url, host_token, data_dir))
    if as_json:
        click.echo(json.dumps({"ok": True, "allowed": allow}))
    else:
        say("Allowed." if allow else "Denied.")
    return 0


async def _with_api(
    work: Callable[[ServerApi], Any],
    url: str | None,
    host_token: str | None,
    data_dir: str | None,
) -> Any:  # noqa: ANN401  # what work returns
    from openwork.orchestrator.server_api import Access, ServerApi

    target = find_target(url=url, host_token=host_token, data_dir=data_dir)
    if not target.host_token:
        raise OpenWorkError(
            "no_host_token",
            "Approvals need the host token.",
            hint="Give it with OPENWORK_HOST_TOKEN or --host-token.",
        )
    async with ServerApi(target.url, Access(host_token=target.host_token)) as api:
        return await work(api)
