"""The server's metrics in Prometheus' text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.server.metrics import BUCKETS_S
from openwork.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from openwork.server.context import ServerContext

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def expose(context: ServerContext) -> bytes:
    """All metrics of one server."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  # 14 MB, rare

    registry = CollectorRegistry()
    registry.register(_Collector(context))
    return generate_latest(registry)


class _Collector:
    def __init__(self, context: ServerContext) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import (  # noqa: PLC0415  # as above
            CounterMetricFamily,
            GaugeMetricFamily,
            InfoMetricFamily,
        )

        context, metrics = self._context, self._context.metrics
        yield InfoMetricFamily("openwork_server", "The server.", {"version": __version__})
        yield GaugeMetricFamily(
            "openwork_uptime_seconds", "Since the start.", context.uptime_ms / 1000
        )
        yield GaugeMetricFamily(
            "openwork_workspaces", "Workspaces served.", len(context.registry.all())
        )
        yield GaugeMetricFamily(
            "openwork_approvals_waiting", "Changes that wait.", len(context.approvals.list())
        )
        yield GaugeMetricFamily(
            "openwork_requests_in_flight", "Requests and streams now.", metrics.in_flight
        )
        guesses = context.authenticator.guesses
        yield CounterMetricFamily("openwork_auth_failures", "Wrong tokens.", guesses.failed)
        yield CounterMetricFamily(
            "openwork_auth_refusals", "Attempts refused for too many wrong tokens.", guesses.refused
        )
        requests = CounterMetricFamily(
            "openwork_requests", "Requests served.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in sorted(metrics.requests.items()):
            requests.add_metric([method, route, str(status or "aborted")], count)
        yield requests
        yield self._durations()

    def _durations(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415  # as above

        family = HistogramMetricFamily(
            "openwork_request_duration_seconds", "Time a request took.", labels=["method", "route"]
        )
        for (method, route), durations in sorted(self._context.metrics.durations.items()):
            buckets: list[tuple[str, float]] = []
            total = 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), durations.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([method, route], buckets, durations.sum_s)
        return family
