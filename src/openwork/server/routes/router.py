"""The messaging router behind this server: its own routes for the host, passed on as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Request  # noqa: TC002  # FastAPI reads the annotation
from fastapi.responses import Response

from openwork.server.access import (
    CLIENT,
    COLLABORATOR,
    HOST,
    HOST_CHANGE,
    Access,
    Caller,
    Context,
    Mount,
    access,
    authorized,
    guarded_router,
)
from openwork.server.audit import AuditRecord
from openwork.server.router_link import router_of

if TYPE_CHECKING:
    from openwork.server.context import ServerContext
    from openwork.server.forward import Answer

router = guarded_router("router")

PREFIX = "/opencode-router"
_BODY: dict[str, Any] = {
    "application/json": {"schema": {"type": ["object", "array"]}},
    "text/plain": {"schema": {"type": "string"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}
# Status and body are the router's own, so no other route is documented so loosely.
PASSED_ON: dict[int | str, dict[str, Any]] = {
    200: {"description": "As the messaging router answered.", "content": _BODY},
    "default": {
        "description": "As the messaging router answered; else `ErrorBody`, with 404 when none is "
        "configured and 503 when it does not answer.",
        "content": _BODY,
    },
}
CHANGE_TIMEOUT_S = 10.0
# Who may read what; everything else is the host's.
_READS: dict[str, Access] = {
    "": CLIENT,
    "/health": CLIENT,
    "/bindings": COLLABORATOR,
    "/identities/telegram": COLLABORATOR,
    "/identities/slack": COLLABORATOR,
}
_METHODS = {"GET": HOST, "POST": HOST_CHANGE, "PUT": HOST_CHANGE, "PATCH": HOST_CHANGE,
            "DELETE": HOST_CHANGE}  # fmt: skip


def _add_read(path: str, rule: Access) -> None:
    async def read(context: Context, request: Request) -> Response:
        """What the messaging router answers."""
        link = router_of(context.settings.router_port)
        return _passed_on(await link.send("GET", path or "/", query=_query(request)))

    name = f"read_router{path.replace('/', '_')}"
    router.add_api_route(
        PREFIX + path,
        access(rule)(read),
        methods=["GET"],
        operation_id=name,
        name=name,
        responses=PASSED_ON,
        summary=f"Read {path or '/'} of the messaging router",
    )
    if not path:
        router.add_api_route(f"{PREFIX}/", read, methods=["GET"], include_in_schema=False)


def _add_rest(method: str, rule: Access) -> None:
    async def pass_on(
        context: Context, actor: Caller, mount: Mount, request: Request, path: str
    ) -> Response:
        """Pass the host's request on to the messaging router."""
        link = router_of(context.settings.router_port)
        answer = await link.send(
            method,
            f"/{path}",
            query=_query(request),
            body=await request.body() or None,
            timeout_s=CHANGE_TIMEOUT_S,
        )
        if rule.writes:
            await _record(context, actor, mount, f"{method} /{path}", answer)
        return _passed_on(answer)

    name = f"{method.lower()}_router"
    router.add_api_route(
        f"{PREFIX}/{{path:path}}",
        access(rule)(pass_on),
        methods=[method],
        operation_id=name,
        name=name,
        responses=PASSED_ON,
        summary=f"Pass {method} on to the messaging router",
    )


for _path, _rule in _READS.items():
    _add_read(_path, _rule)
for _method, _rule in _METHODS.items():
    _add_rest(_method, _rule)


async def _record(
    context: ServerContext, actor: Caller, mount: str | None, what: str, answer: Answer
) -> None:
    """A change is in the log of the workspace it was made under; its body may hold tokens."""
    active = context.registry.active
    workspace = authorized(context, mount) if mount is not None else active
    await context.audit.append(
        AuditRecord(
            workspace.id if workspace is not None else "host",
            actor,
            "opencodeRouter.request",
            what,
            f"Asked the messaging router: {what}",
            "done" if answer.ok else "failed",
        )
    )


def _query(request: Request) -> str:
    """The caller's query, written anew."""
    raw: Any = request.scope["query_string"]
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="replace")
    return urlencode(pairs)


def _passed_on(answer: Answer) -> Response:
    """Its status and body. A page of its own must not run as one of ours."""
    told = answer.content_type.lower()
    plain = told.startswith(("application/json", "text/plain"))
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.content_type if plain else "application/octet-stream",
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
    )
