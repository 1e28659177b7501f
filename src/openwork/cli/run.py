"""``openwork run``: one task, followed to its end in the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.demo_folder import demo_folder
from openwork.cli.target import HostTarget, find_target, local_run, named_url
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from openwork.orchestrator.host import Host
    from openwork.orchestrator.task import Ask

ABORT_TIMEOUT_S = 5.0


@click.command()
@click.argument("task")
@click.option("--workspace", metavar="DIR", help="The folder to work in (default: this one).")
@click.option("--demo", is_flag=True, help="Scripted answers on sample files; no key needed.")
@click.option("--openwork-url", metavar="URL", help="A host elsewhere; /w/ID picks a workspace.")
@click.option("--token", help="A token of that host. Prefer the variable OPENWORK_TOKEN.")
@click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine.")
@click.option("--session", "session_id", metavar="ID", help="Go on in this session.")
@click.option(
    "--permissions",
    type=click.Choice(["ask", "once", "always", "reject"]),
    default="ask",
    show_default=True,
    help="What to answer when the agent asks for permission.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what happens as JSON lines.")
def run(**options: Any) -> int:  # noqa: ANN401
    """Give one task to a running host, or to a temporary one, and watch it.

    Exit status 0 when the task finished, 1 when it failed.

    \b
    Examples:
      openwork run "Summarise the expenses in expenses.csv"
      openwork run --demo "Summarise the expenses of the quarter in summary.md"
      OPENWORK_TOKEN=… openwork run --openwork-url http://reports:8787 "What changed?"
    """
    from openwork.cli.stopping import until_stopped
    from openwork.common import log

    log.configure("openwork-run", level="warning")
    return asyncio.run(until_stopped(_run(options), stopped_status=1))


async def _run(options: dict[str, Any]) -> int:
    """Work on the named host, the one running on the folder, or a temporary one on it."""
    workspace: str = options["workspace"] or os.getcwd()  # noqa: PTH109  # no await between
    url = named_url(options["openwork_url"])
    if not options["demo"] and (url or local_run(options["data_dir"], workspace)):
        target = find_target(
            url=url, token=options["token"], data_dir=options["data_dir"], workspace=workspace
        )
        return await _task(target, options)
    async with AsyncExitStack() as stack:
        demo_dir = stack.enter_context(demo_folder(wanted=options["demo"]))
        host, target = await _temporary_host(options, demo_dir, stack)
        return await _while_up(host, _task(target, options))


async def _while_up(host: Host, work: Coroutine[Any, Any, int]) -> int:
    """Do ``work`` while ``host`` is kept up; a host that does not stay up ends it."""
    task, watcher = asyncio.create_task(work), asyncio.create_task(host.watch())
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            watcher.result()
        return await task
    finally:
        for each in (task, watcher):
            each.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


async def _temporary_host(
    options: dict[str, Any], demo_dir: Path | None, stack: AsyncExitStack
) -> tuple[Host, HostTarget]:
    from openwork.cli.progress_bar import report_progress
    from openwork.orchestrator.host import Host
    from openwork.orchestrator.settings import load

    flags = {"openwork_port": "0", "data_dir": options["data_dir"]}
    if demo_dir is None:
        flags["workspace"] = options["workspace"]
    settings = load(flags, os.environ, demo_dir=demo_dir, quiet=True)
    logging.getLogger().setLevel(settings.log_level.upper())
    where = "sample files (scripted answers)" if demo_dir else settings.workspace
    say(f"Starting a temporary host on {where} …", err=True)
    host = await stack.enter_async_context(Host(settings, report_progress()))
    ready = await host.start()
    token = ready.credentials.owner or ready.credentials.collaborator
    return host, HostTarget(
        ready.server_url,
        token,
        ready.credentials.host,
        ready.workspace_id,
        str(settings.workspace),
    )


async def _task(target: HostTarget, options: dict[str, Any]) -> int:
    from openwork.cli.task_printer import JsonPrinter, TextPrinter
    from openwork.engine.client import EngineClient
    from openwork.orchestrator.server_api import Access, ServerApi
    from openwork.orchestrator.task import Finished, TaskRun

    if not target.token:
        raise OpenWorkError(
            "no_token",
            f"{target.url} needs a token.",
            hint="Give it with OPENWORK_TOKEN or --token.",
        )
    async with ServerApi(target.url, Access(token=target.token)) as api:
        await api.whoami()  # a wrong address or token is told as such
    mount = f"/w/{target.workspace_id}" if target.workspace_id else ""
    headers = Access(token=target.token).headers
    printer = JsonPrinter() if options["as_json"] else TextPrinter(target.workspace)
    async with EngineClient(f"{target.url}{mount}/opencode", headers=headers) as client:
        text: str = options["task"]
        session_id: str = options["session_id"] or (await client.create_session()).id
        task = TaskRun(client, session_id, _asker(options["permissions"], target.workspace))
        printer.begin(session_id)
        try:
            async for event in task.run(text):
                printer.show(event)
                if isinstance(event, Finished):
                    return 0 if event.error is None else 1
        except (asyncio.CancelledError, click.Abort):
            async with asyncio.timeout(ABORT_TIMEOUT_S):
                await client.abort(session_id)
            raise
    return 1


def _asker(policy: str, workspace: str) -> Ask:
    from openwork.cli.task_printer import ask_in_terminal
    from openwork.orchestrator.task import Answer

    async def answer_by_policy(_request: object) -> Answer:
        if policy == "once":
            return Answer("once")
        if policy == "always":
            return Answer("always")
        message = None if policy == "reject" else "Nobody is there to answer."
        return Answer("reject", message)

    if policy == "ask" and sys.stdin.isatty():
        return partial(ask_in_terminal, workspace)
    if policy == "ask":
        say(
            "No terminal to ask on: permissions will be refused "
            "(--permissions once|always allows them).",
            err=True,
        )
    return answer_by_policy
