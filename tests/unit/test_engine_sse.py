"""Server-sent events out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.engine import sse
from openwork.engine.sse import ServerSentEvent, SseParser

lines = st.sampled_from(
    [b"data: a", b"data:b", b"data: \xc3\xa9\xf0\x9f\x98\x80", b"", b": comment", b"event: x",
     b"id: 7", b"retry: 3", b"data", b"nonsense", b"data: {\"a\": \"b: c\"}", b"\xff"]
)  # fmt: skip
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"])), max_size=25).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


def parse(*chunks):
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(stream=streams, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_however_it_is_cut_the_events_are_the_same(stream, cuts):
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert parse(*pieces) == parse(stream)
    assert parse(*(bytes([each]) for each in stream)) == parse(stream)


def test_fields_of_an_event():
    raw = b": hi\nevent: done\nid: 3\ndata: one\ndata: two\n\ndata:x\r\n\r\n\n\n"
    assert parse(raw) == [
        ServerSentEvent("one\ntwo", "done", "3"),
        ServerSentEvent("x", "message", "3"),
    ]


def test_an_unfinished_event_is_kept_back():
    assert parse(b"data: a\n") == []
    assert parse(b"data: a\n", b"\n") == [ServerSentEvent("a")]


@pytest.mark.parametrize("piece", [b"x" * 10, b"data: x\n"])
def test_an_endless_event_is_refused_in_one_line_or_many(monkeypatch, piece):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    parser = SseParser()
    with pytest.raises(ValueError, match="100"):  # noqa: PT012  # at some piece
        for _ in range(20):
            parser.feed(piece)
    many = SseParser()
    assert sum(len(many.feed(b"data: x\n\n")) for _ in range(100)) == 100
