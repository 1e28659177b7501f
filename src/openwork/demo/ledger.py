"""Honest arithmetic over the files of the demo: a table of expenses, the amounts of invoices."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_AMOUNT_NAMES = ("amount", "total", "cost", "price", "sum")
_GROUP_NAMES = ("department", "team", "category", "supplier")
_TOTAL_DUE = re.compile(r"^(?P<file>[^:\n]+):Total due: *(?P<amount>[\d,.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Summary:
    """The totals of a table.

    Attributes:
        grouped_by: The column the totals are for.
        totals: (group, total), the largest first.
        rows: How many rows were added up.
        skipped: How many rows held no amount.
    """

    grouped_by: str
    totals: tuple[tuple[str, Decimal], ...]
    rows: int
    skipped: int

    @property
    def total(self) -> Decimal:
        """The sum of all groups."""
        return sum((amount for _, amount in self.totals), Decimal(0))


def summarise(lines: Iterable[str]) -> Summary | None:
    """Add up the amounts of a CSV table by department, or by its next best column.

    Returns:
        The totals, or None when the table has no column of amounts or none to group by.
    """
    reader = csv.DictReader(lines)
    names = [name for name in reader.fieldnames or [] if name]
    amount_column = _column(names, _AMOUNT_NAMES)
    group_column = _column(names, _GROUP_NAMES)
    if amount_column is None or group_column is None:
        return None
    totals: dict[str, Decimal] = {}
    rows = skipped = 0
    for row in reader:
        amount = parse_amount(row.get(amount_column) or "")
        if amount is None:
            skipped += 1
            continue
        group = (row.get(group_column) or "").strip() or "(none)"
        totals[group] = totals.get(group, Decimal(0)) + amount
        rows += 1
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return Summary(group_column, tuple(ordered), rows, skipped)


def _column(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    for word in wanted:
        for name in names:
            if word in name.lower():
                return name
    return None


def parse_amount(text: str) -> Decimal | None:
    """An amount written with ``,`` between thousands and ``.`` before cents, or None."""
    try:
        amount = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def money(amount: Decimal) -> str:
    """``1,234.50``."""
    return f"{amount:,.2f}"


def summary_markdown(summary: Summary, source: str, *, complete: bool) -> str:
    """The summary as a Markdown page.

    Args:
        summary: The totals.
        source: The name of the file they come from.
        complete: Whether the whole file was read.
    """
    lines = [
        f"# Summary of {source}",
        "",
        f"| {summary.grouped_by.capitalize()} | Total | Share |",
        "|---|---:|---:|",
    ]
    for group, amount in summary.totals:
        share = amount / summary.total * 100 if summary.total else Decimal(0)
        lines.append(f"| {group} | {money(amount)} | {share:.1f} % |")
    lines += [f"| **Total** | **{money(summary.total)}** | |", "", f"{summary.rows} rows added up."]
    if summary.skipped:
        lines.append(f"{summary.skipped} rows held no amount and were left out.")
    if not complete:
        lines.append("Only the beginning of the file was read: these totals are not complete.")
    return "\n".join(lines) + "\n"


def amounts_due(output: str) -> list[tuple[str, Decimal]]:
    """(file, amount) of every ``FILE:Total due: AMOUNT`` line that ``grep -H`` printed."""
    found = (
        (match["file"], parse_amount(match["amount"])) for match in _TOTAL_DUE.finditer(output)
    )
    return [(name, amount) for name, amount in found if amount is not None]
