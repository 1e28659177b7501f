"""A form is understood however it arrives in pieces, and never held."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.multipart import MAX_OVERHEAD_BYTES, MAX_PARTS, UploadForm

TYPE = "multipart/form-data; boundary=B0undary"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    head = f'--B0undary\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--B0undary--\r\n"


def any_size(size: int) -> None:
    del size


def parse(body: bytes, *, cuts=(), content_type=TYPE, check_size=any_size):
    sink = io.BytesIO()
    upload = UploadForm(content_type, sink, check_size)
    begin = 0
    for cut in [*sorted(cuts), len(body)]:
        upload.feed(body[begin:cut])
        begin = max(begin, cut)
    upload.finish()
    return upload, sink.getvalue()


def refusal(body: bytes, **options) -> tuple[str, int]:
    with pytest.raises(OpenWorkError) as caught:
        parse(body, **options)
    return caught.value.code, caught.value.status


def outcome(body: bytes) -> str:
    try:
        parse(body)
    except OpenWorkError as error:
        return error.code
    return "read"


awkward = st.lists(
    st.sampled_from([b"\r\n", b"--B0undary", b"--", b"\r\n--B0undar", b"x", b"\0", b"--B0undary-"]),
    max_size=12,
).map(b"".join)


@given(st.binary(max_size=300) | awkward, st.lists(st.integers(0, 600), max_size=8))
def test_the_file_is_the_same_however_the_body_is_cut(data, cuts):
    if b"\r\n--B0undary" in b"\r\n" + data:
        return  # a body that holds its own boundary is another body
    body = form(part("path", b"sub/ a"), part("file", data, "n.txt"), part("x", b"y"))
    upload, content = parse(body, cuts=[cut for cut in cuts if cut < len(body)])
    assert content == data
    assert (upload.size, upload.file_name) == (len(data), "n.txt")
    assert upload.fields == {"path": "sub/ a", "x": "y"}


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_a_refusal(data):
    for body in (data, form(part("file", b"x", "n"))[: len(data)] + data):
        assert outcome(body) in {"read", "invalid_payload", "file_required"}


def test_names_are_utf_8_and_paths_are_left_to_the_inbox():
    upload, _ = parse(form(part("file", b"", "täg/übung 1.txt")))
    assert upload.file_name == "täg/übung 1.txt"
    latin = form(part("file", b"", "X")).replace(b"X", b"\xe4")
    assert refusal(latin) == ("invalid_payload", 400)


def test_another_file_field_is_passed_over():
    upload, content = parse(form(part("other", b"no", "o.txt"), part("file", b"yes", "n")))
    assert content == b"yes"
    assert upload.fields == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        form(part("file", b"x", "n"))[:-5],
        form(part("file", b"x", "n"), part("file", b"y", "m")),
        form(*[part(f"f{number}", b"") for number in range(MAX_PARTS + 1)]),
        form(part("path", b"x" * 9000), part("file", b"x", "n")),
        form(part("other", b"x" * (MAX_OVERHEAD_BYTES + 1), "o"), part("file", b"x", "n")),
        form(part("file", b"x", "n" * 9000)),
        form(part("path", b"\xff"), part("file", b"x", "n")),
        form(b"--B0undary\r\nContent-Disposition: form-data\r\n\r\nx\r\n"),
        form(b"--B0undary\r\nContent-Type: text/plain\r\n\r\nx\r\n"),
        form(b"--B0undary\r\nBad header\r\n\r\nx\r\n"),
        form(b"--B0undary\r\n" + b"A: b\r\n" * 40 + b"\r\nx\r\n"),
    ],
)
def test_a_form_that_is_not_well_made_is_refused(body):
    assert refusal(body) == ("invalid_payload", 400)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
     "multipart/mixed; boundary=B0undary", f"multipart/form-data; boundary={'x' * 5000}",
     "multipart/form-data; boundary=\xff\xfe", ";;;", "multipart/form-data; boundary*=utf-8''x"],
)  # fmt: skip
def test_what_is_no_form_is_refused(content_type):
    body = form(part("file", b"x", "n"))
    assert refusal(body, content_type=content_type) == ("invalid_payload", 400)


def test_a_form_without_a_file_says_what_is_missing():
    assert refusal(form(part("path", b"x"))) == ("file_required", 400)
    assert refusal(form(part("file", b"a text, not a file"))) == ("file_required", 400)
    assert refusal(form()) == ("file_required", 400)


def test_a_file_over_the_limit_is_refused_while_it_arrives():
    def at_most_ten(size: int) -> None:
        if size > 10:
            raise OpenWorkError("file_too_large", "no", status=413)

    sink = io.BytesIO()
    upload = UploadForm(TYPE, sink, at_most_ten)
    upload.feed(part("file", b"12345", "n")[:-2])
    with pytest.raises(OpenWorkError):
        upload.feed(b"678901")
    assert sink.getvalue() == b"12345"
