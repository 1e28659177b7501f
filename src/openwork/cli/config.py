"""``openwork config show``: every setting, its value, and where it came from."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from openwork.cli.options import settings_options
from openwork.cli.terminal import say
from openwork.orchestrator.settings import TABLE, load


@click.group(no_args_is_help=True)
def config() -> None:
    """Show the settings and where each came from."""


@config.command("show")
@settings_options(TABLE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool, **flags: Any) -> int:  # noqa: ANN401  # the table's values
    """Show what ``openwork start`` with the same options would use."""
    resolved = load(flags, os.environ).resolved
    rows: list[dict[str, Any]] = []
    for setting in TABLE:
        value = resolved.get(setting)
        if setting.secret:
            value = "***" if value else ""
        rows.append(
            {
                "name": setting.name,
                "value": value,
                "source": resolved.source(setting),
                "from": resolved.origins[setting.name],
                "flag": setting.flag,
                "env": list(setting.env),
            }
        )
    if as_json:
        click.echo(json.dumps({"settings": rows}, indent=2))
        return 0
    width = max(len(row["flag"]) for row in rows)
    for row in rows:
        value = row["value"] if row["value"] not in ("", None, ()) else "-"
        say(f"{row['flag']:{width}}  {value!s:28}  {row['from']}")
    return 0
