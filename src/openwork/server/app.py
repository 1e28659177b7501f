"""The server as one ASGI application."""

from __future__ import annotations

import asyncio
import platform
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from openwork.server import errors, page
from openwork.server.any_json import AnyJson
from openwork.server.middleware.cors import CorsMiddleware
from openwork.server.middleware.host_check import HostCheckMiddleware
from openwork.server.middleware.mount import MountMiddleware
from openwork.server.middleware.request_log import RequestLogMiddleware
from openwork.server.middleware.trace import TraceMiddleware
from openwork.server.middleware.unread_body import UnreadBodyMiddleware
from openwork.server.proxy import EngineProxy
from openwork.server.routes import (
    agents,
    approvals,
    artifacts,
    audit,
    automations,
    bundles,
    commands,
    config,
    content,
    engine,
    events,
    file_batches,
    file_sessions,
    health,
    hub,
    inbox,
    mcp,
    messaging,
    metrics,
    plugins,
    router,
    runtime,
    scheduler,
    sessions,
    skills,
    tokens,
)
from openwork.server.routes import workspaces as workspaces_routes
from openwork.server.threads import Threads
from openwork.server.tracing import start_tracing
from openwork.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from openwork.server.context import ServerContext

ROUTERS = (
    health.router,
    tokens.router,
    workspaces_routes.router,
    config.router,
    bundles.router,
    engine.router,
    events.router,
    audit.router,
    approvals.router,
    skills.router,
    hub.router,
    commands.router,
    agents.router,
    plugins.router,
    mcp.router,
    sessions.router,
    scheduler.router,
    runtime.router,
    router.router,
    messaging.router,
    metrics.router,
    inbox.router,
    artifacts.router,
    file_sessions.router,
    file_batches.router,
    content.router,
    automations.router,
)


class Api(FastAPI):
    """The JSON routes, and what they say of themselves."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made when it is first asked for."""
        if self.openapi_schema is None:
            from openwork.server import api_document  # noqa: PLC0415  # most runs never need it

            routes = [route for each in ROUTERS for route in each.routes]
            self.openapi_schema = api_document.describe(self, routes)
        return self.openapi_schema


def build_api(context: ServerContext) -> FastAPI:
    """The JSON routes alone, with their OpenAPI document."""
    api = Api(
        title="OpenWork server",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # ours is below
        redirect_slashes=False,
        default_response_class=AnyJson,
    )
    api.state.context = context
    for each in ROUTERS:
        api.include_router(each)
    api.add_route("/openapi.json", _document, include_in_schema=False)
    errors.install(api)
    return api


async def _document(request: Request) -> JSONResponse:
    """Making it takes a while, once."""
    return JSONResponse(await asyncio.to_thread(request.app.openapi))


def build_app(context: ServerContext) -> ASGIApp:
    """Everything: log, host check, CORS, the engine's proxy, mounts, page, JSON routes.

    The proxy stands before the JSON routes so that a proxied request passes no framework.
    """
    api = build_api(context)
    api.mount("/", page.application())
    proxy = EngineProxy(MountMiddleware(api), context)
    tracing = start_tracing(context.settings.otlp_endpoint, context.settings.run_id)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        asyncio.get_running_loop().set_default_executor(Threads())
        await context.interrupted.record_at_start()
        context.automations.start()
        context.watching.start()
        yield
        await context.watching.close()
        await context.automations.stop()
        await proxy.close()
        if tracing is not None:
            await tracing.close()

    api.router.lifespan_context = lifespan
    settings = context.settings
    machine = platform.node().lower()
    names = (*settings.allowed_hosts, settings.host, machine, f"{machine.partition('.')[0]}.local")
    app: ASGIApp = CorsMiddleware(proxy, settings.cors_origins)
    app = HostCheckMiddleware(app, names)
    if tracing is not None:
        app = TraceMiddleware(app, tracing.tracer)
    app = RequestLogMiddleware(app, context.metrics, enabled=settings.log_requests)
    return UnreadBodyMiddleware(app)
