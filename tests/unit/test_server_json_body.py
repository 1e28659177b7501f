"""Large JSON bodies: read as the standard library reads them, but never without end."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.json_body import LARGE_BODY_BYTES, MAX_VALUES, JsonRequest, parse_large

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def outcome(parse, body):
    try:
        return parse(body)
    except json.JSONDecodeError as error:
        return error.msg, error.pos
    except (ValueError, RecursionError) as error:
        return type(error)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_any_value_is_read_as_ever(value, escaped, indent):
    body = json.dumps(value, ensure_ascii=escaped, indent=indent).encode(errors="surrogatepass")
    assert outcome(parse_large, body) == outcome(json.loads, body)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\ux \n', max_size=30))
def test_any_text_is_read_or_refused_as_ever(text):
    assert outcome(parse_large, text.encode()) == outcome(json.loads, text.encode())


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"[1,]", b'{"a":1,"a":2}', b'"\\ud800"', b'"\xff"', b"9" * 5000, b"1e999",
     b"\xef\xbb\xbf1", "[1]".encode("utf-16"), "[1]".encode("utf-32-be"), b'"a\nb"', b"1 2",
     b"[" * 100_000, b'{"a":' * 100_000],
)  # fmt: skip
def test_what_is_odd_is_read_or_refused_as_ever(body):
    assert outcome(parse_large, body) == outcome(json.loads, body)


def test_nan_and_infinity_too():
    assert math.isnan(parse_large(b"NaN"))
    assert parse_large(b"[-Infinity]") == [-math.inf]


@pytest.mark.parametrize("one", [b"1", b"[]", b"{}", b'""', b"null", b'{"a":1}', b"[[1]]"])
def test_a_body_of_too_many_values_is_refused(one):
    with pytest.raises(OpenWorkError) as caught:
        parse_large(b"[" + one + (b"," + one) * MAX_VALUES + b"]")
    assert (caught.value.code, caught.value.status) == ("invalid_payload", 400)


def test_so_many_values_are_taken_however_they_are_nested():
    assert parse_large(b"[" + b"1," * (MAX_VALUES - 1) + b"1]") == [1] * MAX_VALUES
    each = b'{"a":[1]}'
    count = MAX_VALUES // 3
    assert len(parse_large(b"[" + each + (b"," + each) * (count - 1) + b"]")) == count


def request_of(body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    return JsonRequest({"type": "http", "headers": []}, receive)


async def test_a_request_of_either_size_gives_its_value():
    for size in (10, LARGE_BODY_BYTES):
        text = "x" * size
        assert await request_of(json.dumps([text]).encode()).json() == [text]
    small = request_of(b"[" + b"1," * (MAX_VALUES + 1) + b"1]")
    assert len(await small.json()) == MAX_VALUES + 2
