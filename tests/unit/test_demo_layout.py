"""The sample files: laid out once, never over the user's own."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from openwork.common.errors import OpenWorkError
from openwork.demo.layout import lay_out
from openwork.demo.ledger import parse_amount
from openwork.demo.scripts import EXPENSES_FILE, NOTES_FILE
from openwork.demo.suggestions import SUGGESTIONS

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_the_scripts_ask_for_are_laid_out(tmp_path: Path):
    folder = tmp_path / "new" / "office"
    created = lay_out(folder)
    assert folder / EXPENSES_FILE in created
    assert folder / NOTES_FILE in created
    assert len(list(folder.glob("invoices/*.txt"))) == 4
    assert all(path.is_file() for path in created)


def test_existing_files_stay_as_they_are(tmp_path: Path):
    mine = tmp_path / EXPENSES_FILE
    mine.write_text("mine")
    created = lay_out(tmp_path)
    assert mine not in created
    assert mine.read_text() == "mine"
    assert lay_out(tmp_path) == []


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path):
    (tmp_path / NOTES_FILE).symlink_to(tmp_path / "elsewhere.md")
    lay_out(tmp_path)
    assert not (tmp_path / "elsewhere.md").exists()


@pytest.mark.parametrize("blocked", ["office", "office/invoices"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path, blocked: str):
    in_the_way = tmp_path / blocked
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("a file")
    with pytest.raises(OpenWorkError) as raised:
        lay_out(tmp_path / "office")
    assert raised.value.code == "demo_folder_unusable"
    assert str(in_the_way) in raised.value.message


def test_the_readme_lists_every_suggestion(tmp_path: Path):
    lay_out(tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert all(f"- {each.prompt}\n" in readme for each in SUGGESTIONS)


def test_each_invoices_total_is_the_sum_of_its_lines(tmp_path: Path):
    lay_out(tmp_path)
    for invoice in sorted(tmp_path.glob("invoices/*.txt")):
        text = invoice.read_text()
        items = [
            parse_amount(found) for found in re.findall(r" {2,}([\d,]+\.\d\d)$", text, re.MULTILINE)
        ]
        total = re.search(r"^Total due: ([\d,.]+) EUR$", text, re.MULTILINE)
        assert total is not None, invoice.name
        assert sum(filter(None, items), Decimal(0)) == parse_amount(total[1]), invoice.name


def test_every_expense_lies_in_the_quarter_and_has_an_amount(tmp_path: Path):
    lay_out(tmp_path)
    with (tmp_path / EXPENSES_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 20
    for row in rows:
        assert "2025-07-01" <= row["date"] <= "2025-09-30"
        assert parse_amount(row["amount"]) is not None
