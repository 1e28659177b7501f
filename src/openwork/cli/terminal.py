"""The one way to show text that others had a hand in."""

from __future__ import annotations

import click

from openwork.common.printable import printable


def say(text: str = "", *, err: bool = False, nl: bool = True, dim: bool = False) -> None:
    """Print ``text`` with everything that could move the cursor or hide words made visible."""
    safe = printable(text)
    click.echo(click.style(safe, dim=True) if dim else safe, err=err, nl=nl)
