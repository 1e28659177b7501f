"""What a browser is told about a file to save, and numbers in a query."""

from __future__ import annotations

import email.message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.downloads import LONGEST_NAME, byte_range, content_disposition
from openwork.server.query import switch, whole_number


@given(st.text(min_size=1, max_size=300))
def test_any_name_makes_one_safe_header_that_gives_it_back(name):
    header = content_disposition(name)
    assert all(" " <= character <= "~" for character in header)
    message = email.message.Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    plain = header.split('"')[1]
    assert not {"/", "\\", '"'} & set(plain)
    assert plain
    if "filename*" in header:
        shown = name[:LONGEST_NAME].encode("utf-8", "replace").decode()
        assert unquote(header.partition("''")[2]) == shown
    else:
        assert plain == name[:LONGEST_NAME]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ('a"\r\nX: y', "attachment; filename=\"a___X: y\"; filename*=UTF-8''a%22%0D%0AX%3A%20y"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''"),
    ],
)
def test_headers_for_names(name, header):
    assert content_disposition(name) == header


@given(st.text())
def test_any_text_is_a_number_or_the_default(text):
    value = whole_number(text, 7)
    assert value >= 0
    assert str(value) == text.lstrip("0") or value in {0, 7}


def test_numbers_and_switches():
    assert [whole_number(each, 5) for each in ("0", "12", "", "-1", "1.5", "²", "9" * 5000)] == [
        0, 12, 5, 5, 5, 5, 5
    ]  # fmt: skip
    assert [switch(each, default=True) for each in ("", "false", "0", "No", "1", "?")] == [
        True, False, False, False, True, True
    ]  # fmt: skip
    assert [switch(each, default=False) for each in ("", "true", "1", "YES", "0", "?")] == [
        False, True, True, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", (0, 1)), ("bytes=2-4", (2, 5)), ("bytes=8-", (8, 10)), ("bytes=-3", (7, 10)),
        ("bytes=0-99", (0, 10)), ("bytes=-99", (0, 10)), ("BYTES = 1 - 2", (1, 3)),
        ("bytes=0-" + "9" * 5000, (0, 10)), ("bytes=" + "0" * 5000 + "1-", (1, 10)),
    ],
)  # fmt: skip
def test_one_range_of_bytes_is_understood(header, wanted):
    assert byte_range(header, 10) == range(*wanted)


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "bytes=a-b", "lines=0-1",
     "bytes=\u0661-\u0662", "bytes=--1", "bytes=0x1-2"],
)  # fmt: skip
def test_what_is_not_one_range_of_bytes_is_ignored(header):
    assert byte_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0),
                         ("bytes=" + "9" * 5000 + "-", 10)],
)  # fmt: skip
def test_a_range_behind_the_end_is_refused(header, size):
    with pytest.raises(OpenWorkError) as caught:
        byte_range(header, size)
    assert (caught.value.code, caught.value.status) == ("range_not_satisfiable", 416)


@given(st.text(alphabet="bytes=-,0123456789 ", max_size=20), st.integers(0, 50))
def test_any_range_lies_in_the_file(header, size):
    try:
        wanted = byte_range(header, size)
    except OpenWorkError:
        return
    assert wanted is None or 0 <= wanted.start < wanted.stop <= size
