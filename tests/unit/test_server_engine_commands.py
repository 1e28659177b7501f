"""What becomes of a command's text once arguments are put in."""

from __future__ import annotations

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server.engine_bodies import Bounds
from openwork.server.engine_commands import check_command, filled_in


@pytest.mark.parametrize(
    ("template", "arguments", "text"),
    [
        ("a", "", "a"),
        ("a", "b c", "a\n\nb c"),
        ("a $ARGUMENTS b", "x 'y'", "a x 'y' b"),
        ("$1 and $2", "x y z", "x and y z"),
        ("$2, $1", "'x 1' \"y\"", "y, x 1"),
        ("$1|$3", "x", "x|"),
        ("$1 $ARGUMENTS", "x y", "x y x y"),
    ],
)
def test_arguments_are_put_in_as_the_engine_does(template, arguments, text):
    assert filled_in(template, arguments) == text


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("Read @$1", "/etc/passwd"),
        ("Read @$ARGUMENTS", "etc/passwd"),
        ("$1$2", "@ /etc/passwd"),
        ("$1/$2", "@{root} ../../etc/passwd"),
        ("!`git log $1`", "; id"),
        ("!`git log $ARGUMENTS`", "x"),
        ("Do !$1", "`id`"),
        ("$1$2", "! `id`"),
        ("!`a` and $1$2", "! `id`"),
        ("$ARGUMENTS", "$`"),
        ("@README.md $ARGUMENTS", "$'"),
    ],
)
def test_arguments_that_change_what_runs_or_is_read_are_refused(tmp_path, template, arguments):
    with pytest.raises(OpenWorkError) as caught:
        check_command(template, arguments.replace("{root}", str(tmp_path)), Bounds(tmp_path))
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("Read @README.md and !`git log`: $1", "carefully"),
        ("Read @$1", "{root}/notes.md"),
        ("Cost $1", "30 $ a day"),
        ("Say", "it"),
    ],
)
def test_ordinary_arguments_pass(tmp_path, template, arguments):
    check_command(template, arguments.replace("{root}", str(tmp_path)), Bounds(tmp_path))
