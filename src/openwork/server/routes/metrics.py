"""What the server counts, for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from openwork.server.access import CLIENT, Context, access, guarded_router
from openwork.server.exposition import CONTENT_TYPE, expose

router = guarded_router("server")

EXPOSED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/metrics",
    response_class=Response,
    responses=EXPOSED,
    summary="Read the server's metrics for Prometheus",
)
@access(CLIENT)
async def read_metrics(context: Context) -> Response:
    """Counts and durations in Prometheus' text format; a scraper sends a viewer's token."""
    return Response(expose(context), media_type=CONTENT_TYPE)
