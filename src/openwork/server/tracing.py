"""Request traces by OpenTelemetry, sent as OTLP over HTTP; nothing of it is loaded when it is off.

Span names and attributes follow OpenTelemetry's semantic conventions for HTTP servers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

TRACES_PATH = "/v1/traces"
EXPORT_TIMEOUT_S = 5


@dataclass(frozen=True)
class Tracing:
    """Where spans go."""

    tracer: Tracer
    provider: TracerProvider

    async def close(self) -> None:
        """Send what is left, waiting no longer than an export may take."""
        await asyncio.to_thread(self.provider.shutdown)


def start_tracing(endpoint: str, run_id: str) -> Tracing | None:
    """Send spans to the collector at ``endpoint`` (``http://host:4318``); None when it is empty.

    Headers for the collector come from ``OTEL_EXPORTER_OTLP_HEADERS``, as everywhere.
    """
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # 0.2 s
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above

    attributes = {"service.name": "openwork-server", "service.version": __version__}
    if run_id:
        attributes["service.instance.id"] = run_id
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}{TRACES_PATH}", timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider.get_tracer("openwork.server", __version__), provider)
