"""``openwork``: the command line. Commands are imported when they are run."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from openwork.version import __version__

if TYPE_CHECKING:
    import click

# name → (module, attribute, one line for the list of commands)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "start": ("openwork.cli.start", "start", "Bring OpenWork up on a folder."),
    "serve": ("openwork.cli.start", "serve", "Like start, for machines nobody looks at."),
    "run": ("openwork.cli.run", "run", "Give one task and watch it."),
    "connect": ("openwork.cli.connect", "connect", "Print the link and QR code to connect."),
    "status": ("openwork.cli.status", "status", "Does the host run, and each part of it?"),
    "approvals": ("openwork.cli.approvals", "approvals", "Answer changes that wait for the host."),
    "automations": (
        "openwork.cli.automations",
        "automations",
        "Let the host run prompts on a schedule.",
    ),
    "audit": ("openwork.cli.audit", "audit", "Show, check and export the log of changes."),
    "engine": ("openwork.cli.engine", "engine", "The engine's own commands, such as auth login."),
    "doctor": ("openwork.cli.doctor", "doctor", "Check every prerequisite."),
    "config": ("openwork.cli.config", "config", "Show the settings and where each came from."),
}


def build() -> click.Group:
    """The command group; a command's module is loaded when it is asked for."""
    import click

    class Lazy(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's shape
            return list(COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
            found = COMMANDS.get(cmd_name)
            if found is None:
                return None
            module, attribute, _ = found
            command: Any = getattr(importlib.import_module(module), attribute)
            return command

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
            with formatter.section("Commands"):
                formatter.write_dl([(name, found[2]) for name, found in COMMANDS.items()])

    return Lazy(
        "openwork",
        help="Run agentic work on your own files, safely, and share it with a team.\n\n"
        "First time: openwork start --demo",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        params=[click.Option(["-V", "--version"], is_flag=True, help="Show the version.")],
        no_args_is_help=True,
    )


def main() -> None:
    """Entry point of ``openwork``."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"openwork {__version__}\n")
        return
    try:
        from openwork.cli.run_command import run_command

        status = run_command(build(), arguments, name="openwork")
    except KeyboardInterrupt:  # while modules were loaded
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
