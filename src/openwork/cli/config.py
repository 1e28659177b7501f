"""``openwork config show``: every setting, its value, and where it came from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

import click

from openwork.cli.options import settings_options
from openwork.cli.terminal import say
from openwork.orchestrator.settings import TABLE, load

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(no_args_is_help=True)
def config() -> None:
    """Show the settings and where each came from."""


@config.command("show")
@settings_options(TABLE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool, **flags: Any) -> int:  # noqa: ANN401  # the table's values
    """Show what ``openwork start`` with the same options would use."""
    settings = load(flags, os.environ, quiet=True)
    resolved = settings.resolved
    effective = {
        "workspace": str(settings.workspace),
        "data_dir": str(settings.data_dir),
        "sidecar_dir": str(settings.sidecar_dir),
        "openwork_host": settings.openwork_host,
        "log_level": settings.log_level,
    }
    rows: list[dict[str, Any]] = []
    for setting in TABLE:
        value = effective.get(setting.name, resolved.get(setting))
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
        say(f"{row['flag']:{width}}  {_shown(row['value']):28}  {row['from']}")
    return 0


def _shown(value: object) -> str:
    if value in ("", None, ()):
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ", ".join(str(each) for each in cast("Sequence[object]", value))
    return str(value)
