"""``python -m benchmarks``: measure, print, judge."""

from __future__ import annotations

import argparse
import compileall
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    asgi_servers,
    audit,
    catalog,
    command,
    files,
    host_start,
    instructions,
    proxy,
    report,
    server_start,
    streams,
    watcher,
)
from benchmarks.figures import FULL, QUICK
from benchmarks.processes import allow_many_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Comparison, Effort

SOURCE = Path(__file__).parents[1] / "src"

BENCHMARKS: dict[str, Callable[[Effort], list[Comparison]]] = {
    "command": command.measure,
    "host": host_start.measure,
    "server": server_start.measure,
    "proxy": proxy.measure,
    "streams": streams.measure,
    "catalog": catalog.measure,
    "files": files.measure,
    "audit": audit.measure,
    "watcher": watcher.measure,
    "asgi": asgi_servers.measure,
    "instructions": instructions.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="short runs, to try the scripts")
    parser.add_argument("--rounds", type=int, help="how often baseline and ours take turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bar is missed")
    parser.add_argument(
        "--update-readme", action="store_true", help="put the figures into benchmarks/README.md"
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if options.update_readme and (options.quick or options.names):
        parser.error("--update-readme needs a full run: without --quick and names")
    return options


def main() -> int:
    """Exit status: 0, or 1 with ``--strict`` when a bar is missed."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that children are ended
    allow_many_descriptors()
    compileall.compile_dir(SOURCE, quiet=2)  # as an installed package is
    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    load_before = os.getloadavg()[0]
    found: list[Comparison] = []
    for name in options.names or BENCHMARKS:
        started = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        found += BENCHMARKS[name](effort)
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    measured = report.conditions(load_before)
    text = report.section(found, measured)
    print(text)
    if options.json:
        options.json.write_text(report.to_json(found, measured) + "\n")
    if options.update_readme:
        report.update_readme(text)
    missed = report.failed(found)
    print(f"\n{len(missed)} bars missed" if missed else "\nAll bars kept")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
