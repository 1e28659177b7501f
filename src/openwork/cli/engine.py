"""``openwork engine``: the command line of the engine that ``openwork start`` runs."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.options import settings_options
from openwork.orchestrator.settings import (
    ALLOW_EXTERNAL,
    DATA_DIR,
    OPENCODE_BIN,
    OPENCODE_SOURCE,
    SIDECAR_DIR,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.engine.locate import EngineBinary, EngineRequest

_TABLE = (DATA_DIR, OPENCODE_BIN, ALLOW_EXTERNAL, OPENCODE_SOURCE, SIDECAR_DIR)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    no_args_is_help=True,
)
@settings_options(_TABLE)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def engine(arguments: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401  # the table's values
    """Run the engine's own command line, OpenCode's, with your own OpenCode's sign-ins.

    It is the engine that start uses, found the same way and installed when it is missing. What
    stands after "engine" goes to it as it is.

    \b
    Examples:
      openwork engine auth login
      openwork engine models
      openwork engine run --attach http://HOST:8787/w/WORKSPACE_ID/opencode -p TOKEN "…"
    """
    settings = load(flags, os.environ)
    binary = asyncio.run(_locate(settings.engine_request))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(binary.path, ["opencode", *arguments], _environment(os.environ))  # noqa: S606


async def _locate(request: EngineRequest) -> EngineBinary:
    from openwork.cli.progress_bar import report_progress
    from openwork.engine.locate import locate_engine

    return await locate_engine(request, report_progress())


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's own, without OpenWork's tokens; what the engine's commands read stays.

    It is pinned and verified, so it does not update itself unless the user says so.
    """
    from openwork.engine.outside import outside_environment

    theirs = {key: value for key, value in environ.items() if key.startswith("OPENCODE_")}
    return {"OPENCODE_DISABLE_AUTOUPDATE": "1"} | outside_environment(environ) | theirs
