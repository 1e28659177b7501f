"""Run a click command so that every failure is two plain lines and the right exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def run_command(command: click.Command, argv: Sequence[str], *, name: str) -> int:
    """The exit code of ``command``: 0, 1 failed, 2 usage, 130 interrupted."""
    try:
        result = command.main(list(argv), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted.", err=True)
        return INTERRUPTED
    except OpenWorkError as error:
        print_error(error)
        return error.exit_code
    except BrokenPipeError:
        _let_go_of_output()
        return 1
    except OSError as error:
        named = f": {error.filename}" if error.filename else ""
        print_error(OpenWorkError("system", f"{error.strerror or error}{named}"))
        return 1
    return result if isinstance(result, int) else 0


def _let_go_of_output() -> None:
    """Nobody reads standard output any more: what is left in its buffer has nowhere to go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def print_error(error: OpenWorkError) -> None:
    """What happened, and what to do next."""
    say(f"Error: {error.message}", err=True)
    if error.hint:
        say(f"  Next: {error.hint}", err=True)
