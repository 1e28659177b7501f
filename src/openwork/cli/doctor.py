"""``openwork doctor``: each prerequisite, the exact failing check, the next step."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import click

from openwork.cli.options import settings_options
from openwork.cli.terminal import say
from openwork.orchestrator.settings import TABLE, load

_MARKS = {"ok": "ok     ", "warning": "note   ", "failed": "FAILED "}


@click.command()
@settings_options(TABLE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool, **flags: Any) -> int:  # noqa: ANN401  # the table's values
    """Check every prerequisite of ``openwork start`` with the same options; changes nothing.

    Exit status 1 when a check failed.
    """
    from dataclasses import asdict

    from openwork.orchestrator.doctor import examine

    findings = asyncio.run(examine(load(flags, os.environ)))
    ok = all(finding.level != "failed" for finding in findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"ok": ok, "checks": checks}, indent=2))
        return 0 if ok else 1
    for finding in findings:
        say(f"{_MARKS[finding.level]} {finding.title}: {finding.detail}")
        if finding.next_step:
            say(f"        Next: {finding.next_step}")
    warned = any(finding.level == "warning" for finding in findings)
    good = "Ready to start; what is marked above still needs you." if warned else "All good."
    say(good if ok else "Something must be mended first.")
    return 0 if ok else 1
