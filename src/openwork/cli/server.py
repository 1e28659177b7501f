"""``openwork-server``: the server alone."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from openwork.cli.lasting_output import outlast_readers
from openwork.cli.options import settings_options
from openwork.cli.run_command import run_command
from openwork.server.settings_table import TABLE
from openwork.version import __version__


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@settings_options(TABLE)
@click.option("--listen-fd", type=int, hidden=True)
@click.version_option(__version__, "-V", "--version", message="%(version)s")
def serve(listen_fd: int | None, **flags: Any) -> None:  # noqa: ANN401  # the table's values
    """Serve workspaces to OpenWork clients: tokens, approvals, audit, files, the way to the engine.

    \b
    Example:
      OPENWORK_TOKEN=… openwork-server --workspace ~/reports \\
          --opencode-base-url http://127.0.0.1:4096
    """
    from openwork.server.serve import run
    from openwork.server.settings import load

    outlast_readers()
    settings = load(flags, os.environ)

    def tell_new_tokens() -> None:
        for label, token, source in (
            ("Client token", settings.token, settings.token_source),
            ("Host token", settings.host_token, settings.host_token_source),
        ):
            if source == "generated":
                click.echo(f"{label}: {token}")
        sys.stdout.flush()

    run(settings, listen_fd=listen_fd, on_listening=tell_new_tokens)


def main() -> None:
    """Entry point of ``openwork-server``."""
    sys.exit(run_command(serve, sys.argv[1:], name="openwork-server"))


if __name__ == "__main__":
    main()
