"""Large JSON bodies, parsed so that others are served meanwhile.

Moving the standard library's fast parser to a thread would not help: it keeps the interpreter to
itself until it is done, for seconds when 24 MB hold millions of small values. So large bodies go
through its other parser, the one in Python: it parses long texts as fast, lets others run between
two values, and can be stopped when there are too many of these.
"""

from __future__ import annotations

import asyncio
import json
from json import decoder, scanner
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    Scan = Callable[[str, int], tuple[Any, int]]

# Python ships this parser, but its type stubs leave it out.
_scanner: Any = scanner
_decoder: Any = decoder

LARGE_BODY_BYTES = 1_000_000
# The largest import there can be (1,000 files, 200 skills, 200 commands) has less than a tenth.
MAX_VALUES = 100_000


def said_to_be_json(scope: Scope) -> Scope:
    """``scope`` of a request whose body is JSON, whatever type it was sent as.

    FastAPI parses only what says that it is JSON; ``curl -d`` says it is a form, others nothing.
    """
    kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {**scope, "headers": [*kept, (b"content-type", b"application/json")]}


class JsonRequest(Request):
    """A request whose JSON is parsed beside the event loop when it is large."""

    async def json(self) -> Any:  # noqa: ANN401  # as Starlette has it
        """The body's value.

        Raises:
            json.JSONDecodeError: It is no JSON.
            OpenWorkError: ``invalid_json`` 400: it is no text, or none that can be read;
                ``invalid_payload`` 400: a large body holds too many values.
        """
        body = await self.body()
        try:
            if len(body) <= LARGE_BODY_BYTES:
                return await super().json()
            return await asyncio.to_thread(parse_large, body)
        except json.JSONDecodeError:
            raise  # FastAPI's own
        except (ValueError, RecursionError) as error:
            raise OpenWorkError(
                "invalid_json", "The body is not valid JSON.", status=400
            ) from error


def parse_large(body: bytes) -> Any:  # noqa: ANN401  # as json.loads has it
    """The value of a JSON text, as ``json.loads`` reads it. Blocking, for threads.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
        OpenWorkError: ``invalid_payload`` 400 for more than ``MAX_VALUES`` values.
    """
    return _Decoder().decode(body.decode(json.detect_encoding(body), "surrogatepass"))


class _Decoder(json.JSONDecoder):
    """The parser in Python, which counts the values it meets."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MAX_VALUES
        self.parse_array = self._array
        self.parse_object = self._object
        self.scan_once = _scanner.py_make_scanner(self)

    def _array(self, at: object, scan: Scan, *more: object) -> tuple[list[Any], int]:
        return _decoder.JSONArray(at, self._counted(scan), *more)

    def _object(
        self, at: object, strict: object, scan: Scan, *more: object
    ) -> tuple[dict[str, Any], int]:
        return _decoder.JSONObject(at, strict, self._counted(scan), *more)

    def _counted(self, scan: Scan) -> Scan:
        def counted(text: str, index: int) -> tuple[Any, int]:
            self._left -= 1
            if self._left < 0:
                raise OpenWorkError(
                    "invalid_payload",
                    f"A body of more than {LARGE_BODY_BYTES:,} bytes may hold "
                    f"{MAX_VALUES:,} values at most.",
                    hint="Send it in parts.",
                    status=400,
                )
            return scan(text, index)

        return counted
