"""One span a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.common.headers import first_values
from openwork.server.middleware.request_log import METHODS, SERVER_ERROR, route_of

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class TraceMiddleware:
    """Records method, route and status of every request; never a path, a query or a header.

    A caller's ``traceparent`` (W3C Trace Context) makes the span a part of its trace.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request inside a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415  # loaded by then
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  # as above
            TraceContextTextMapPropagator,
        )

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        parent = TraceContextTextMapPropagator().extract(first_values(scope["headers"]))
        with self._tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, {"http.request.method": method}
        ) as span:

            async def watch(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= SERVER_ERROR:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, watch)
            finally:
                route = route_of(scope)
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")
