"""Every route says who may call it; one that does not cannot be registered.

The check runs before a byte of the body is read: FastAPI would parse the body first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from openwork.common.errors import OpenWorkError
from openwork.server.auth import Actor, address_of, require
from openwork.server.context import ServerContext
from openwork.server.departure import Departure
from openwork.server.errors import internal_error
from openwork.server.gate import require_writable
from openwork.server.json_body import JsonRequest, said_to_be_json
from openwork.server.middleware.request_log import name_route
from openwork.server.registry import Workspace
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from starlette.responses import Response
    from starlette.types import Message, Receive

    Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

DEFAULT_BODY_LIMIT_BYTES = 1_000_000
# Statuses that many routes raise: what the workspace's files may answer, and who is behind. The
# messaging router's refusals (4xx) are passed on.
READS_FILES = (400, 413, 422)
WRITES_FILES = (400, 409, 413, 422)
ASKS_ENGINE = (400, 502)
ASKS_ROUTER = (400, 404, 409, 422, 502, 503)


@dataclass(frozen=True)
class Access:
    """Who may call a route.

    Attributes:
        kind: ``none``: anybody; ``client``: a bearer token; ``host``: the host token or an owner's.
        least: The lowest scope of a ``client`` route.
        writes: Refused on a read-only server.
        body_limit_bytes: A larger body is refused (413) before it is read to its end.
        streams_body: The endpoint reads the body itself, as it arrives.
    """

    kind: Literal["none", "client", "host"]
    least: Scope = Scope.VIEWER
    writes: bool = False
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES
    streams_body: bool = False


PUBLIC = Access("none")
CLIENT = Access("client")
COLLABORATOR = Access("client", Scope.COLLABORATOR)
CHANGE = Access("client", Scope.COLLABORATOR, writes=True)
HOST = Access("host")
HOST_CHANGE = Access("host", writes=True)


@dataclass(frozen=True)
class Declaration:
    """What a route says of itself, beside its path and parameters.

    Attributes:
        rule: Who may call it.
        answers: The name of its answer's shape in :mod:`openwork.server.answers`; "" for what is
            no JSON.
        raises: The statuses of its own failures; those that follow from ``rule``, the path and a
            body are added in the document (:mod:`openwork.server.api_document`).
    """

    rule: Access
    answers: str = ""
    raises: tuple[int, ...] = ()


def access(
    rule: Access, *, answers: str = "", raises: tuple[int, ...] = ()
) -> Callable[[Endpoint], Endpoint]:
    """Declare who may call the decorated endpoint, and what it answers: see ``Declaration``.

    It is kept as it is: shapes made into models here would take long at every start.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        declared = Declaration(rule, answers, raises)
        endpoint.__access__ = declared  # pyright: ignore[reportFunctionMemberAccess]
        return endpoint

    return declare


class GuardedRoute(APIRoute):
    """A route that authenticates and authorises before its body is read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        """As FastAPI's, and fails when ``endpoint`` declares no :class:`Access`."""
        declared = getattr(endpoint, "__access__", None)
        if not isinstance(declared, Declaration):
            raise TypeError(f"{path}: declare who may call it with @access(…)")
        self.declared = declared
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind our checks."""
        handle = super().get_route_handler()
        rule = self.declared.rule

        async def guarded(request: Request) -> Response:
            name_route(request.scope, self.path_format)
            _admit(rule, request)
            limited = limit_body(request.receive, rule.body_limit_bytes)
            declared = request.headers.get("content-length", "")
            if declared.isdigit() and int(declared) > rule.body_limit_bytes:
                raise body_too_large(rule.body_limit_bytes)
            departure = Departure(get_context(request).approvals, limited)
            request.state.departure = departure
            unread = self.body_field is None and not rule.streams_body
            if unread and rule.least >= Scope.COLLABORATOR:
                departure.watch()  # nobody reads the body, so nobody would see the caller leave
            scope = request.scope if self.body_field is None else said_to_be_json(request.scope)
            try:
                return await handle(JsonRequest(scope, departure.receive))
            except HTTPException as error:
                # FastAPI calls whatever fails while it reads a body a bad body.
                if isinstance(error.__cause__, OpenWorkError):
                    raise error.__cause__ from None
                raise
            except (OpenWorkError, RequestValidationError):
                raise
            except Exception as error:
                raise internal_error(error, f"{request.method} {self.path_format}") from error
            finally:
                departure.close()

        return guarded


def _admit(rule: Access, request: Request) -> None:
    context = get_context(request)
    headers = cast("dict[str, str]", request.headers)
    if rule.kind == "client":
        request.state.actor = context.authenticator.client(headers, address_of(request.scope))
    elif rule.kind == "host":
        request.state.actor = context.authenticator.host(headers, address_of(request.scope))
    if rule.writes:
        require_writable(read_only=context.settings.read_only)
    if rule.kind == "client":
        require(request.state.actor, rule.least)
    named = request.path_params.get("workspace_id")
    mounted: str | None = getattr(request.state, "mount", None)
    if named is not None:
        request.state.workspace = authorized(context, named)
    elif mounted is not None and rule.kind != "none":
        context.registry.get(mounted)


def authorized(context: ServerContext, workspace_id: str) -> Workspace:
    """The workspace, when its folder lies under an authorised root.

    Raises:
        OpenWorkError: ``workspace_not_found`` or ``workspace_unauthorized``.
    """
    workspace = context.registry.get(workspace_id)
    if not under_roots(workspace.path, context.registry.roots):
        raise OpenWorkError(
            "workspace_unauthorized",
            f"The workspace {workspace.path} lies outside the authorised folders.",
            hint="Add its folder to authorizedRoots in server.json.",
            status=403,
        )
    return workspace


@lru_cache(maxsize=256)
def under_roots(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether ``path`` is one of ``roots`` or lies below one; all are resolved."""
    return any(path.is_relative_to(root) for root in roots)


def body_too_large(limit_bytes: int) -> OpenWorkError:
    """413 for a body over the route's limit."""
    return OpenWorkError(
        "body_too_large",
        f"The request body is larger than {limit_bytes} bytes.",
        status=413,
        details={"maxBytes": limit_bytes},
    )


def limit_body(receive: Receive, limit_bytes: int) -> Receive:
    """``receive`` that fails once more than ``limit_bytes`` have arrived, declared or not."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit_bytes:
            raise body_too_large(limit_bytes)
        return message

    return limited


def guarded_router(tag: str) -> APIRouter:
    """A router whose every route is guarded."""
    return APIRouter(route_class=GuardedRoute, tags=[tag])


def get_context(request: Request) -> ServerContext:
    """The server's parts."""
    return request.app.state.context


async def _get_context(request: Request) -> ServerContext:
    return get_context(request)


async def _get_actor(request: Request) -> Actor:
    return request.state.actor


async def _get_workspace(request: Request) -> Workspace:
    return request.state.workspace


async def _get_departure(request: Request) -> Departure:
    return request.state.departure


async def _get_mount(request: Request) -> str | None:
    return getattr(request.state, "mount", None)


Context = Annotated[ServerContext, Depends(_get_context)]
Caller = Annotated[Actor, Depends(_get_actor)]
Target = Annotated[Workspace, Depends(_get_workspace)]
Leaving = Annotated[Departure, Depends(_get_departure)]
Mount = Annotated[str | None, Depends(_get_mount)]
