"""Foreign text can neither move the cursor nor hide what is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.printable import printable, printable_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 你好 👋\n\tindented", "Grüße, 你好 👋\n\tindented"),
        ("a\r\nb", "a\nb"),
        ("ok\x1b[2J\x1b]0;title\x07", "ok\\x1b[2J\\x1b]0;title\\x07"),
        ("real\rforged", "real\\x0dforged"),
        ("\x9b31m", "\\x9b31m"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_what_is_shown(text, shown):
    assert printable(text) == shown


def test_one_line():
    assert printable_line("GET /x\n[openwork] all is well") == "GET /x\\n[openwork] all is well"


@given(st.text())
def test_nothing_is_left_that_acts_on_a_terminal(text):
    left = {character for character in printable(text) if unicodedata.category(character) == "Cc"}
    assert left <= {"\n", "\t"}
    assert not any(
        unicodedata.bidirectional(character) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI"}
        for character in printable(text)
    )
