"""Figures as a table for people, as JSON for programs, and in the README between its markers."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.bars import bar_for
from openwork.engine.pin import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Comparison

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"
HEADINGS = ("What", "Ours", "Baseline", "Beside", "Ratio (min-max)", "Bar", "")


def failed(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those that miss their bar."""
    return [each for each in comparisons if (bar := bar_for(each)) and not bar.holds(each)]


def table(comparisons: Sequence[Comparison]) -> str:
    """A Markdown table, a row a figure."""
    rows = [HEADINGS, ("---", "---:", "---:", "---", "---:", "---", "---")]
    rows += [_row(each) for each in comparisons]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(comparison: Comparison) -> tuple[str, ...]:
    bar, unit = bar_for(comparison), comparison.unit
    ratios = comparison.ratios
    spread = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else ""
    return (
        comparison.title,
        _number(median(comparison.ours), unit),
        _number(median(comparison.baseline), unit),
        comparison.baseline_name,
        spread,
        bar.text(unit) if bar else "",
        "" if bar is None else "pass" if bar.holds(comparison) else "**FAIL**",
    )


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def conditions(load_before: float) -> dict[str, Any]:
    """Where and when this was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memoryGb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "engine": ENGINE_VERSION,
        "loadBefore": round(load_before, 2),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def to_json(comparisons: Sequence[Comparison], measured: dict[str, Any]) -> str:
    """Every round of every figure, with its bar."""
    figures: list[dict[str, Any]] = []
    for each in comparisons:
        bar = bar_for(each)
        judged = {**asdict(bar), "holds": bar.holds(each)} if bar else None
        figures.append({**asdict(each), "bar": judged})
    return json.dumps({"conditions": measured, "figures": figures}, indent=2)


def section(comparisons: Sequence[Comparison], measured: dict[str, Any]) -> str:
    """The README's figures."""
    where = (
        f"Measured {measured['date']} on {measured['cores']} cores ({measured['cpu']}), "
        f"{measured['memoryGb']} GB, {measured['system']}, Python {measured['python']}, "
        f"OpenCode {measured['engine']}; load of the machine before the run: "
        f"{measured['loadBefore']}."
    )
    return f"{where}\n\n{table(comparisons)}"


def update_readme(text: str) -> None:
    """Replace what stands between the README's markers.

    Raises:
        ValueError: A marker is missing.
    """
    content = README.read_text()
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README} lacks {BEGIN} or {END}")
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
