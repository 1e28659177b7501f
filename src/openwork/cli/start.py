"""``openwork start`` and ``openwork serve``: bring a host up and keep it up."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.demo_folder import demo_folder
from openwork.cli.options import settings_options
from openwork.cli.stopping import until_stopped
from openwork.cli.terminal import say
from openwork.orchestrator.settings import TABLE, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.orchestrator.ready import ReadyHost
    from openwork.orchestrator.settings import HostSettings


def _host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Print the ready payload as JSON."),
        click.option(
            "--check-events", is_flag=True, help="Like --check, and wait for an event to arrive."
        ),
        click.option("--check", is_flag=True, help="Start, check that all of it works, and stop."),
        click.option(
            "--demo",
            is_flag=True,
            help="Scripted answers on sample files in a folder of its own: no key, no network.",
        ),
        settings_options(TABLE),
    ):
        command = add(command)
    return command


@click.command()
@_host_options
def start(**options: Any) -> int:  # noqa: ANN401  # the table's values
    """Bring OpenWork up on a folder: engine, server, connect link.

    Prints how to connect, then only warnings and errors (--verbose: everything).

    \b
    Examples:
      openwork start --demo
      openwork start --workspace ~/reports
      openwork start --workspace ~/reports --remote-access --approval auto
      openwork start --check --check-events
    """
    return _run_host(options, for_a_person=True)


@click.command()
@_host_options
def serve(**options: Any) -> int:  # noqa: ANN401
    """Like start, for machines nobody looks at: log lines and connect details, nothing else.

    \b
    Example:
      openwork serve --workspace /srv/reports --log-format json
    """
    return _run_host(options, for_a_person=False)


def _run_host(options: dict[str, Any], *, for_a_person: bool) -> int:
    return asyncio.run(until_stopped(_settle_and_host(options, for_a_person=for_a_person)))


async def _settle_and_host(options: dict[str, Any], *, for_a_person: bool) -> int:
    from openwork.common import log

    demo: bool = options.pop("demo")
    as_json: bool = options.pop("as_json")
    with_events: bool = options.pop("check_events")
    check: bool = options.pop("check") or with_events
    with demo_folder(wanted=demo) as demo_dir:
        settings = load(options, os.environ, demo_dir=demo_dir, quiet=for_a_person)
        color = settings.color
        if color is None:
            color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        log.configure(
            "openwork-orchestrator",
            log_format=settings.log_format,
            run_id=settings.run_id,
            level=settings.log_level,
            color=color,
        )
        qr = for_a_person and sys.stdout.isatty()
        return await _host(settings, as_json=as_json, qr=qr, check=check, with_events=with_events)


async def _host(
    settings: HostSettings, *, as_json: bool, qr: bool, check: bool, with_events: bool
) -> int:
    from openwork.cli.progress_bar import report_progress
    from openwork.orchestrator.host import Host

    async with Host(settings, report_progress()) as host:
        ready = await host.start()
        if check:
            return await _check(ready, as_json=as_json, with_events=with_events)
        text = json.dumps(ready.payload(), indent=2) if as_json else ready.text(qr=qr)
        click.echo(text)
        sys.stdout.flush()
        await host.watch()
    return 0


async def _check(ready: ReadyHost, *, as_json: bool, with_events: bool) -> int:
    from dataclasses import asdict

    from openwork.orchestrator.checks import check_host

    results = await check_host(ready, with_events=with_events)
    ok = all(result.error is None for result in results)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(each) for each in results]}, indent=2))
        return 0 if ok else 1
    for result in results:
        say(f"{'ok    ' if result.error is None else 'FAILED'}  {result.name}")
        if result.error is not None:
            say(f"        {result.error}")
            if result.hint:
                say(f"        Next: {result.hint}")
    say("Checks: ok" if ok else "Checks failed")
    return 0 if ok else 1
