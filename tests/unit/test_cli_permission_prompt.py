"""What a person may type at a permission prompt."""

from __future__ import annotations

import pytest

from openwork.cli.permission_prompt import parse_reply


@pytest.mark.parametrize(
    ("typed", "reply"),
    [
        ("y", "once"),
        ("Yes", "once"),
        ("once", "once"),
        (" a ", "always"),
        ("always", "always"),
        ("n", "reject"),
        ("NO", "reject"),
        ("r", "reject"),
        ("", None),
        ("perhaps", None),
        ("yn", None),
    ],
)
def test_what_an_answer_means(typed, reply):
    assert parse_reply(typed) == reply
