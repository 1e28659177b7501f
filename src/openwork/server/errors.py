"""Every failure leaves in one shape: ``{code, message, hint?, details?}``."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from openwork.common.errors import OpenWorkError
from openwork.common.ids import new_id
from openwork.server.any_json import AnyJson

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import Send

logger = logging.getLogger(__name__)

TOO_MANY_REQUESTS = 429
NOT_FOUND = OpenWorkError("not_found", "Not found", status=404)


async def send_error(send: Send, error: OpenWorkError) -> None:
    """Answer with ``error`` from a bare ASGI application."""
    body = json.dumps(error.to_json()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.encode(), value.encode()) for name, value in _headers(error).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def internal_error(error: BaseException, where: str) -> OpenWorkError:
    """Log what nobody expected and give the caller only the id to find it by."""
    error_id = new_id()
    logger.error(
        "unexpected error %s at %s: %s",
        error_id,
        where,
        error,
        exc_info=error,
        extra={"attributes": {"error.id": error_id}},
    )
    return OpenWorkError(
        "internal_error",
        "Unexpected server error",
        hint="The server's log tells more under the id in details.",
        details={"errorId": error_id},
    )


def install(app: FastAPI) -> None:
    """Make ``app`` answer its failures in our shape."""
    app.add_exception_handler(OpenWorkError, _openwork_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)


async def _openwork_error(_: Request, error: Exception) -> AnyJson:
    if not isinstance(error, OpenWorkError):
        raise error
    return _response(error)


async def _http_exception(_: Request, error: Exception) -> AnyJson:
    """An unknown route or method is 404 either way, as existing clients know it."""
    if isinstance(error, HTTPException) and error.status_code not in {404, 405}:
        failed = OpenWorkError("invalid_request", str(error.detail), status=error.status_code)
        return _response(failed)
    return _response(NOT_FOUND)


async def _invalid_request(_: Request, error: Exception) -> AnyJson:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = error.errors()
    body_missing = any(each["type"] == "missing" and each["loc"] == ("body",) for each in problems)
    if body_missing or any(each["type"] == "json_invalid" for each in problems):
        return _response(OpenWorkError("invalid_json", "The body is not valid JSON.", status=400))
    # Where and what, never the input itself: it may be a secret.
    details: list[dict[str, Any]] = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "problem": each["msg"]}
        for each in problems
    ]
    named = "; ".join(f"{each['field'] or 'body'}: {each['problem']}" for each in details)
    return _response(OpenWorkError("invalid_payload", named, status=400, details=details))


def _response(error: OpenWorkError) -> AnyJson:
    return AnyJson(error.to_json(), status_code=error.status, headers=_headers(error))


def _headers(error: OpenWorkError) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if error.status == TOO_MANY_REQUESTS:
        headers["retry-after"] = str(error.details["retryAfterSeconds"])
    return headers
