"""Every request measured and logged once, and the last net for unexpected errors."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from openwork.server.errors import internal_error, send_error
from openwork.server.metrics import UNKNOWN_ROUTE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openwork.server.metrics import Metrics

logger = logging.getLogger("openwork.server.requests")
SERVER_ERROR = 500
CLIENT_ERROR = 400
MAX_PATH_CHARACTERS = 2048
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ROUTE = "openwork.route"


def name_route(scope: Scope, template: str) -> None:
    """Say which route serves a request: a template, such as ``/tokens/{token_id}``."""
    found = scope.get(_ROUTE)
    if found is not None:
        found.append(template)


def route_of(scope: Scope) -> str:
    """The route's template, or ``unknown``: only known once the request was served."""
    return next(iter(scope.get(_ROUTE, ())), UNKNOWN_ROUTE)


class RequestLogMiddleware:
    """Logs ``METHOD path status Nms``; query strings are never logged (they may hold secrets)."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, enabled: bool) -> None:
        """``enabled`` False keeps only the counts and the net for errors."""
        self._app = app
        self._metrics = metrics
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, count, log the outcome, and turn a crash into a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        scope[_ROUTE] = []  # a list, because mounts pass on copies of the scope

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight += 1
        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            failure = internal_error(error, f"{scope['method']} {scope['path']}")
            if status:  # the answer had begun: only cutting the connection tells the client
                raise
            await send_error(watch, failure)
        finally:
            self._metrics.in_flight -= 1
            duration_s = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.served(method, route_of(scope), status, duration_s)
            if self._enabled:
                self._log(scope, status, duration_s * 1000)

    def _log(self, scope: Scope, status: int, duration_ms: float) -> None:
        level = logging.INFO
        if status >= SERVER_ERROR:
            level = logging.ERROR
        elif status >= CLIENT_ERROR:
            level = logging.WARNING
        if not logger.isEnabledFor(level):
            return
        method, path = scope["method"], scope["path"][:MAX_PATH_CHARACTERS]
        logger.log(
            level,
            "%s %s %s %dms",
            method,
            path,
            status or "aborted",
            duration_ms,
            extra={
                "attributes": {
                    "method": method,
                    "path": path,
                    "status": status,
                    "durationMs": round(duration_ms, 2),
                }
            },
        )
