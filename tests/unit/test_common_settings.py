"""One table of settings, resolved with provenance."""

from __future__ import annotations

import pytest

from openwork.common import settings as s
from openwork.common.errors import UsageError

NAME: s.Setting[str] = s.Setting("a_name", s.text, "d", "A name.", env=("A", "B"), file="x.y")


def resolve(flags=None, environ=None, file=None):
    return s.resolve((NAME,), flags=flags or {}, environ=environ or {}, file=file, file_name="f")


@pytest.mark.parametrize(
    ("flags", "environ", "file", "value", "source", "origin"),
    [
        ({"a_name": "1"}, {"A": "2"}, {"x": {"y": "3"}}, "1", "cli", "--a-name"),
        ({}, {"A": "2", "B": "4"}, {"x": {"y": "3"}}, "2", "env", "A"),
        ({}, {"A": "", "B": "4"}, None, "4", "env", "B"),
        ({"a_name": None}, {}, {"x": {"y": "3"}}, "3", "file", "x.y in f"),
        ({}, {}, {"x": "no table"}, "d", "default", "default"),
        ({"a_name": ()}, {}, None, "d", "default", "default"),
    ],
)
def test_the_first_source_that_says_something_wins(flags, environ, file, value, source, origin):
    resolved = resolve(flags, environ, file)
    assert resolved.get(NAME) == value
    assert resolved.source(NAME) == source
    assert resolved.origins["a_name"] == origin


def test_a_bad_value_names_its_origin_and_the_help():
    with pytest.raises(UsageError) as caught:
        resolve(environ={"B": "  "})
    assert caught.value.message.startswith("B: ")
    assert caught.value.hint == "--a-name: A name."
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("parse", "raw", "value"),
    [
        (s.boolean, "YES", True),
        (s.boolean, "off", False),
        (s.boolean, False, False),
        (s.integer(1, 5), "5", 5),
        (s.words, "a, b;c,", ("a", "b", "c")),
        (s.words, '["a,b", "c"]', ("a,b", "c")),
        (s.words, ["a"], ("a",)),
        (s.http_origin, "https://h:1/", "https://h:1"),
        (s.one_of("a", "b"), "b", "b"),
    ],
)
def test_values_are_read(parse, raw, value):
    assert parse(raw) == value


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (s.boolean, "maybe"), (s.integer(1, 5), "6"), (s.integer(1, 5), True),
        (s.integer(1, 5), 2.0), (s.integer(1, 5), "x"),
        (s.words, 5), (s.words, {"a": 1}), (s.words, "[1]"),
        (s.words, '["a"'), (s.http_origin, "ftp://x"), (s.http_origin, "http://h/x"), (s.text, ""),
        (s.text, 5), (s.one_of("a"), ["a"]),
    ],
)  # fmt: skip
def test_other_values_are_refused(parse, raw):
    with pytest.raises(ValueError, match="expected"):
        parse(raw)


@pytest.mark.parametrize("raw", ["http://h:99999", "http://h:0", "http://h:x", "http://", "h:80"])
def test_an_address_that_cannot_be_is_refused(raw):
    with pytest.raises(ValueError, match="expected an address"):
        s.http_origin(raw)
