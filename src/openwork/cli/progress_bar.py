"""Show how far an installation of the engine is: a bar on a terminal, lines elsewhere, or logs."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from openwork.engine.progress import Progress, Report

BAR_CELLS = 30
MEGABYTE = 1_000_000


def report_progress() -> Report:
    """A function that shows each :class:`Progress` it is given, on standard error."""
    on_terminal = sys.stderr.isatty()
    last_step = ""

    def show(progress: Progress) -> None:
        nonlocal last_step
        line = progress.step in {"waiting", "note", "warning"}
        if line or not on_terminal:
            if line or progress.step != last_step:
                click.echo(progress.message, err=True)
        else:
            end = "\n" if 0 < progress.total_bytes <= progress.done_bytes else ""
            click.echo(f"\r\x1b[2K{_bar(progress)}{end}", err=True, nl=False)
        last_step = progress.step

    return show


def log_progress() -> Report:
    """The same as log lines: one for each step."""
    logger = logging.getLogger("openwork.orchestrator")
    last_step = ""

    def show(progress: Progress) -> None:
        nonlocal last_step
        if progress.step == "warning":
            logger.warning("%s", progress.message)
        elif progress.step == "note" or progress.step != last_step:
            logger.info("%s", progress.message)
        last_step = progress.step

    return show


def _bar(progress: Progress) -> str:
    done, total = progress.done_bytes, progress.total_bytes
    if total <= 0:
        return f"{progress.message} {done / MEGABYTE:.0f} MB"
    filled = min(BAR_CELLS, BAR_CELLS * done // total)
    bar = "█" * filled + "░" * (BAR_CELLS - filled)
    return f"{progress.message} {bar} {done / MEGABYTE:.0f} of {total / MEGABYTE:.0f} MB"
