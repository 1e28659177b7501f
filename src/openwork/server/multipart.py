"""One uploaded file out of a ``multipart/form-data`` body, in constant memory.

The pieces of the body go through python-multipart's parser as they arrive; the file's bytes go
on to a stream, short fields are kept, everything else is passed over. Wire format: RFC 7578.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_FIELD = "file"
MAX_FIELD_BYTES = 8_192
MAX_HEADER_BYTES = 8_192
MAX_PARTS = 16
# All of a body but its file: part headers, boundaries, fields.
MAX_OVERHEAD_BYTES = 256 * 1024


class UploadForm:
    """A form with one file, fed piece by piece. Blocking: the file's bytes are written at once.

    Args:
        content_type: The request's ``Content-Type``.
        sink: Takes the file's bytes.
        check_size: Called with the file's size so far; raises when that is too much.

    Attributes:
        fields: The form's texts by name; the first of a name counts.
        file_name: What the client calls the file; None until it has begun.
        size: The file's bytes so far.

    Raises:
        OpenWorkError: ``invalid_payload`` 400: no form, or one that is not well made.
    """

    def __init__(
        self, content_type: str, sink: BinaryIO, check_size: Callable[[int], None]
    ) -> None:
        # python-multipart takes 25 ms to load and no other route needs it.
        from python_multipart.exceptions import FormParserError  # noqa: PLC0415
        from python_multipart.multipart import (  # noqa: PLC0415
            MultipartParser,
            parse_options_header,
        )

        self._parse_options = parse_options_header
        self._bad_form = FormParserError
        self._sink = sink
        self._check_size = check_size
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.size = 0
        self._parts = 0
        self._overhead = 0
        self._header_name = b""
        self._header_value = b""
        self._disposition = ""
        self._field: str | None = None
        self._field_data = b""
        self._in_file = False
        self._ended = False
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise invalid_form("it must be multipart/form-data with a boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=MAX_PARTS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise invalid_form(str(error)) from error

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            OpenWorkError: ``invalid_payload`` 400, or what ``check_size`` raises.
            OSError: ``sink`` is full.
        """
        before = self.size
        try:
            self._parser.write(data)
        except self._bad_form as error:
            raise invalid_form(str(error)) from error
        self._overhead += len(data) - (self.size - before)
        if self._overhead > MAX_OVERHEAD_BYTES:
            raise invalid_form(f"it holds more than {MAX_OVERHEAD_BYTES:,} bytes beside its file")

    def finish(self) -> None:
        """The body is over.

        Raises:
            OpenWorkError: ``invalid_payload`` 400: it breaks off; ``file_required`` 400.
        """
        if not self._ended:
            raise invalid_form("it breaks off before its last boundary")
        if self.file_name is None:
            raise OpenWorkError(
                "file_required",
                f"The form holds no file in a field named {FILE_FIELD!r}.",
                hint=f"For example: curl -F {FILE_FIELD}=@notes.txt",
                status=400,
            )

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise invalid_form(f"it has more than {MAX_PARTS} parts")
        self._disposition = ""
        self._field, self._field_data, self._in_file = None, b"", False

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value.decode("latin-1")
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        kind, options = self._parse_options(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise invalid_form("a part has no name")
        name = _text(options[b"name"])
        if name == FILE_FIELD and b"filename" in options:
            if self.file_name is not None:
                raise invalid_form("it holds more than one file")
            self.file_name, self._in_file = _text(options[b"filename"]), True
        elif b"filename" not in options:
            self._field = name

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.size += end - start
            self._check_size(self.size)
            self._sink.write(memoryview(data)[start:end])
        elif self._field is not None:
            self._field_data += data[start:end]
            if len(self._field_data) > MAX_FIELD_BYTES:
                raise invalid_form(f"the field {self._field!r} is longer than {MAX_FIELD_BYTES:,}")

    def _end_part(self) -> None:
        if self._field is not None:
            self.fields.setdefault(self._field, _text(self._field_data))

    def _end(self) -> None:
        self._ended = True


def invalid_form(reason: str) -> OpenWorkError:
    """The one refusal of a body: ``invalid_payload``, 400."""
    return OpenWorkError("invalid_payload", f"The upload cannot be read: {reason}.", status=400)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise invalid_form("a name or a field in it is not UTF-8") from error
