"""Spans of a real server, as a collector receives them."""

from __future__ import annotations

from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.stack import CLIENT_TOKEN, running_server

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@asynccontextmanager
async def collector():
    """An OTLP endpoint (opentelemetry-proto, ``/v1/traces``): the spans it got."""
    spans = []

    async def receive(request):
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                spans.extend(scope.spans)
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", spans
    finally:
        await runner.cleanup()


def attributes(span):
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_each_request_is_a_span_with_its_route_and_no_secret(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    async with collector() as (url, spans):
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        async with running_server(
            folder, tmp_path, engine_url="http://127.0.0.1:9", env=env
        ) as server:
            traced = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
            path = f"/w/{server.workspace}/workspace/{server.workspace}/audit?limit=CANARY"
            await server.call("GET", path, token=CLIENT_TOKEN, headers=traced)
            await server.call("GET", "/opencode/session?x=CANARY", token=CLIENT_TOKEN)
        by_name = {span.name: span for span in spans}
    audit = by_name["GET /workspace/{workspace_id}/audit"]
    assert audit.trace_id.hex() == TRACE_ID
    assert attributes(audit) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/workspace/{workspace_id}/audit",
    }
    proxied = by_name["GET /opencode/{path}"]
    assert attributes(proxied)["http.response.status_code"] == 502
    assert proxied.status.code == 2
    for secret in ("CANARY", CLIENT_TOKEN):
        assert secret not in str(spans)


async def test_a_collector_that_is_gone_harms_nobody(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    async with running_server(folder, tmp_path, env=env) as server:
        assert (await server.call("GET", "/health"))[0] == 200
        child = server.child
    assert not child.running
