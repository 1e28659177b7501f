"""``openwork start`` and ``openwork serve``: bring a host up and keep it up."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.demo_folder import demo_folder
from openwork.cli.lasting_output import outlast_readers
from openwork.cli.options import settings_options
from openwork.cli.stopping import say_stopping, until_stopped
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError
from openwork.orchestrator.settings import TABLE, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.orchestrator.host import Host
    from openwork.orchestrator.ready import ReadyHost

logger = logging.getLogger("openwork.orchestrator")


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
    """Like start, for machines nobody looks at: log lines only, none with a secret.

    One of them says that it is ready and where; openwork connect prints the links.

    \b
    Examples:
      openwork serve --workspace /srv/reports --log-format json
      openwork connect --workspace /srv/reports
    """
    return _run_host(options, for_a_person=False)


def _run_host(options: dict[str, Any], *, for_a_person: bool) -> int:
    outlast_readers()
    tell = say_stopping if for_a_person else _log_stopping
    work = _settle_and_host(options, for_a_person=for_a_person)
    return asyncio.run(until_stopped(work, tell=tell))


def _log_stopping() -> None:
    logger.info("stopping")


async def _settle_and_host(options: dict[str, Any], *, for_a_person: bool) -> int:
    from openwork.cli.progress_bar import log_progress, report_progress
    from openwork.common import log
    from openwork.orchestrator.host import Host

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
        for warning in settings.warnings:
            logger.warning("%s", warning)
        report = report_progress() if for_a_person else log_progress()
        host = Host(settings, report)
        try:
            if check:
                return await _check(host, as_json=as_json, with_events=with_events)
            return await _keep_up(host, as_json=as_json, for_a_person=for_a_person)
        except OpenWorkError as error:
            if for_a_person or settings.log_format != "json":
                raise
            next_step = f" Next: {error.hint}" if error.hint else ""
            logger.error("%s%s", error.message, next_step)  # noqa: TRY400  # it has no traceback
            return error.exit_code


async def _keep_up(host: Host, *, as_json: bool, for_a_person: bool) -> int:
    """Start it, tell how to connect, and watch it."""
    async with host:
        ready = await host.start()
        if as_json:
            click.echo(json.dumps(ready.payload(), indent=2))
        elif for_a_person:
            click.echo(ready.text(qr=sys.stdout.isatty()))
        else:
            logger.info("%s", ready.line())
        sys.stdout.flush()
        told = asyncio.create_task(_tell_of_no_model(ready))
        try:
            await host.watch()
        finally:
            told.cancel()
            await asyncio.gather(told, return_exceptions=True)
    return 0


async def _tell_of_no_model(ready: ReadyHost) -> None:
    """Say so when no model can be used: the host is useful for much else, so it runs."""
    from openwork.orchestrator.usable_models import require_model

    try:
        async with ready.client() as client:
            await require_model(client)
    except OpenWorkError as error:
        if error.code == "no_model":
            logger.warning("%s Next: %s", error.message, error.hint)
        else:  # such as a damaged configuration, which was told already
            logger.debug("the models could not be listed: %s", error.message)


async def _check(host: Host, *, as_json: bool, with_events: bool) -> int:
    from dataclasses import asdict

    from openwork.orchestrator.checks import check_host

    async with host:
        results = await check_host(await host.start(), with_events=with_events)
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
