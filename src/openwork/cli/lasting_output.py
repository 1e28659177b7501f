"""Standard output and error that outlast whoever reads them.

A host must end in order when its reader is gone (``openwork start 2>&1 | head``), and must not end
because of it: what can no longer be read is dropped.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# The reading end of a pipe is closed; the terminal is gone.
_NOBODY_READS = frozenset({errno.EPIPE, errno.EIO})


class _LastingFile(io.FileIO):
    """Takes everything, also when nobody reads it any more."""

    def write(self, data: ReadableBuffer, /) -> int | None:
        """Write ``data``, or drop it when its reader is gone."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                raise
            return memoryview(data).nbytes


def outlast_readers(*, output: bool = True) -> None:
    """Make this process's standard error, and its ``output``, survive their readers.

    Call it before logs are configured: handlers keep the stream they were given.
    """
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    sys.stderr = _lasting(2, sys.stderr)
    if output:
        sys.stdout = _lasting(1, sys.stdout)


def _occupy(descriptor: int) -> None:
    """Open a closed standard descriptor on nothing, so that no file of ours gets its number."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def _lasting(descriptor: int, stream: TextIO | None) -> TextIO:
    if stream is not None:
        if not _is_plain(stream, descriptor):
            return stream
        stream.flush()
    raw = _LastingFile(descriptor, "w", closefd=False)
    # Typeshed's BufferedWriter does not know that a FileIO may be subclassed.
    return io.TextIOWrapper(
        io.BufferedWriter(cast("io.RawIOBase", raw)),
        encoding=stream.encoding if stream is not None else "utf-8",
        errors="backslashreplace" if descriptor == 2 else "replace",
        line_buffering=True,
    )


def _is_plain(stream: TextIO, descriptor: int) -> bool:
    """Whether ``stream`` is what Python opened: no other in its place, and not one of ours."""
    try:
        ours = isinstance(getattr(stream.buffer, "raw", None), _LastingFile)
        return stream.fileno() == descriptor and not ours
    except (AttributeError, OSError, ValueError):
        return False
