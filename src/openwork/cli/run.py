"""``openwork run``: one task, followed to its end in the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.demo_folder import demo_folder
from openwork.cli.target import HostTarget, find_target, local_run, named_url
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from openwork.engine.client import EngineClient
    from openwork.engine.models import PermissionRequest
    from openwork.orchestrator.host import Host
    from openwork.orchestrator.settings import HostSettings
    from openwork.orchestrator.task import Answer, Ask, Finished

ABORT_TIMEOUT_S = 5.0
logger = logging.getLogger(__name__)


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

    Exit status 0 when the task finished, 1 when it failed, 130 when Ctrl+C stopped it.

    \b
    Examples:
      openwork run "Summarise the expenses in expenses.csv"
      openwork run --demo "Summarise the expenses of the quarter in summary.md"
      OPENWORK_TOKEN=… openwork run --openwork-url http://reports:8787 "What changed?"
    """
    from openwork.cli.stopping import until_stopped
    from openwork.common import log

    if not options["task"].strip():
        raise UsageError("The task is empty.", hint='Say what to do: openwork run "TASK"')
    log.configure("openwork-run", level="warning")
    return asyncio.run(until_stopped(_run(options), stopped_status=None))


async def _run(options: dict[str, Any]) -> int:
    """Work on the named host, the one running on the folder, or a temporary one on it."""
    workspace: str = (
        options["workspace"] or os.environ.get("OPENWORK_WORKSPACE") or os.getcwd()  # noqa: PTH109  # no await between
    )
    url = named_url(options["openwork_url"])
    if not options["demo"] and (url or local_run(options["data_dir"], workspace)):
        target = find_target(
            url=url, token=options["token"], data_dir=options["data_dir"], workspace=workspace
        )
        return await _task(target, options)
    if not options["demo"]:
        _require_folder(workspace)
    async with AsyncExitStack() as stack:
        demo_dir = stack.enter_context(demo_folder(wanted=options["demo"]))
        host, target = await _temporary_host(options, demo_dir, stack)
        return await _while_up(host, _task(target, options))


def _require_folder(workspace: str) -> None:
    """A task needs a folder that is there: a slip in its name must not make one."""
    if not Path(workspace).expanduser().is_dir():
        raise OpenWorkError(
            "workspace_missing",
            f"There is no folder {workspace}.",
            hint="Correct --workspace, or make the folder first.",
        )


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
    _quieten(settings)
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


def _quieten(settings: HostSettings) -> None:
    """The services' own lines are for who asked for them: what a task needs is told in words."""
    logging.getLogger().setLevel(settings.log_level.upper())
    if settings.log_level in {"warning", "error"}:
        logging.getLogger("openwork.relay").setLevel(logging.CRITICAL)
    for warning in settings.warnings:
        logger.warning("%s", warning)


async def _task(target: HostTarget, options: dict[str, Any]) -> int:
    from openwork.engine.client import EngineClient
    from openwork.orchestrator.server_api import Access, ServerApi
    from openwork.orchestrator.usable_models import require_model

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
    async with EngineClient(f"{target.url}{mount}/opencode", headers=headers) as client:
        await require_model(client)
        session_id: str = options["session_id"] or (await client.create_session()).id
        try:
            return await _follow(client, session_id, target.workspace, options)
        except BaseException:  # Ctrl+C, Ctrl+D, nobody reads any more: whatever it was
            await _abort(client, session_id)
            raise


async def _follow(
    client: EngineClient, session_id: str, workspace: str, options: dict[str, Any]
) -> int:
    """Send the task and show what happens to its end; the exit status."""
    from openwork.cli.task_printer import JsonPrinter, TextPrinter
    from openwork.orchestrator.task import Finished, TaskRun

    printer = JsonPrinter() if options["as_json"] else TextPrinter(workspace)
    unasked = _Unasked()
    ask = _asker(options["permissions"], workspace, unasked)
    printer.begin(session_id)
    async with aclosing(TaskRun(client, session_id, ask).run(options["task"])) as events:
        async for event in events:
            told = unasked.judge(event) if isinstance(event, Finished) else event
            printer.show(told)
            if isinstance(told, Finished):
                return 0 if told.error is None else 1
    return 1


async def _abort(client: EngineClient, session_id: str) -> None:
    """Stop the engine's work on the task, as far as it can still be reached."""
    try:
        async with asyncio.timeout(ABORT_TIMEOUT_S):
            await client.abort(session_id)
    except (OpenWorkError, TimeoutError) as error:
        logger.debug("the session %s could not be stopped: %s", session_id, error)


@dataclass
class _Unasked:
    """Permissions that were refused because nobody could be asked."""

    refused: list[PermissionRequest] = field(default_factory=list["PermissionRequest"])

    async def answer(self, request: PermissionRequest) -> Answer:
        from openwork.orchestrator.task import Answer

        self.refused.append(request)
        return Answer("reject", "Nobody is there to answer.")

    def judge(self, finished: Finished) -> Finished:
        """A task that was refused what it asked for has not been done."""
        if not self.refused or finished.error is not None:
            return finished
        kinds = sorted({each.permission for each in self.refused})
        return replace(
            finished,
            error=f"nobody could be asked, so this was refused: {', '.join(kinds)}",
            hint="Run it in a terminal, or with --permissions once, or allow it in the folder's "
            f'opencode.jsonc: "permission": {{"{kinds[0]}": "allow"}}',
        )


def _asker(policy: str, workspace: str, unasked: _Unasked) -> Ask:
    from openwork.orchestrator.task import Answer

    async def once(_request: PermissionRequest) -> Answer:
        return Answer("once")

    async def always(_request: PermissionRequest) -> Answer:
        return Answer("always")

    async def reject(_request: PermissionRequest) -> Answer:
        return Answer("reject")

    fixed: dict[str, Ask] = {"once": once, "always": always, "reject": reject}
    if policy in fixed:
        return fixed[policy]
    if sys.stdin.isatty():
        from openwork.cli.permission_prompt import ask_in_terminal

        return partial(ask_in_terminal, workspace)
    say(
        "No terminal to ask on: permissions will be refused "
        "(--permissions once|always allows them).",
        err=True,
    )
    return unasked.answer
