"""The way to the engine: a bare ASGI application that streams both ways.

``/opencode/…`` is the active workspace's engine, ``/w/ID/opencode/…`` that workspace's. The
caller's credentials stop here, the engine's are added here. No body is buffered, except the small
ones that :mod:`openwork.server.engine_bodies` must look at, and answers that hold keys.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.common.headers import first_values
from openwork.server.access import authorized
from openwork.server.auth import address_of, require
from openwork.server.directory_pin import DIRECTORY_HEADER, pin_directory
from openwork.server.engine_bodies import Bounds, check_body
from openwork.server.engine_call import EngineCall, announces_body, outgoing_headers
from openwork.server.engine_commands import check_command
from openwork.server.engine_lookup import look_up
from openwork.server.engine_policy import canonical_path, needs_inspection, rule_for
from openwork.server.engine_socket import relay_websocket, require_same_origin
from openwork.server.errors import NOT_FOUND, send_error
from openwork.server.exchange import Exchange
from openwork.server.middleware.mount import split_mount
from openwork.server.middleware.request_log import name_route
from openwork.server.permission_audit import look_up_permission, record_reply
from openwork.server.scope import Scope as TokenScope
from openwork.server.streams import OpenStreams
from openwork.server.upstream import Upstreams
from openwork.workspace.secrets import redact_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from openwork.server.context import ServerContext
    from openwork.server.exchange import WholeAnswer
    from openwork.server.registry import Workspace
    from openwork.server.upstream import UpstreamPool

PREFIX = "/opencode"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
INSPECTED_BODY_LIMIT_BYTES = 32_000_000
FIRST_ERROR_STATUS = 300


class EngineProxy:
    """Sends engine paths to the engine and everything else to ``app``."""

    def __init__(self, app: ASGIApp, context: ServerContext) -> None:
        self._app = app
        self._context = context
        self._upstreams = Upstreams()
        self._streams = OpenStreams()
        self._decisions: set[asyncio.Task[WholeAnswer]] = set()
        context.tokens.on_revoke(self._streams.cut)
        context.registry.on_remove(lambda gone: self._streams.cut_workspace(gone.id))

    def close(self) -> None:
        """Close the connections to the engines."""
        self._upstreams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        found = engine_path(scope) if scope["type"] in {"http", "websocket"} else None
        if found is None:
            await self._app(scope, receive, send)
            return
        name_route(scope, "/opencode/{path}")
        try:
            call = self._admit(scope, *found)
            if scope["type"] == "websocket":
                with self._streams.opened(call.actor.token_hash, call.workspace.id):
                    await relay_websocket(call, scope, receive, send)
            else:
                await self._serve(call, receive, send)
        except OpenWorkError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": error.code})
            else:
                await send_error(send, error)

    def _admit(self, scope: Scope, mount: str | None, raw_path: str) -> EngineCall:
        """Authenticate, authorise and pin, before anything of the body is read."""
        headers = first_values(scope["headers"])
        method = scope.get("method", "GET")
        actor = self._context.authenticator.client(headers, address_of(scope), allow_basic=True)
        if method not in METHODS:
            raise NOT_FOUND
        if scope["type"] == "websocket":
            require_same_origin(scope, self._context.settings.cors_origins)
        path, encoded = canonical_path(raw_path)
        rule = rule_for(method, path)
        require(actor, rule.least)
        workspace = self._workspace(mount)
        engine = workspace.engine
        if engine is None:
            raise _unconfigured("This workspace has no engine.")
        directory, query = pin_directory(
            workspace.root, engine.directory, headers.get(DIRECTORY_HEADER), scope["query_string"]
        )
        return EngineCall(
            actor=actor,
            workspace=workspace,
            engine=engine,
            rule=rule,
            path=path,
            method=method.encode(),
            target=(encoded + ("?" + query if query else "")).encode("latin-1"),
            headers=outgoing_headers(scope["headers"], engine, directory, plain=rule.holds_secrets),
            has_body=announces_body(scope["headers"]),
        )

    def _workspace(self, mount: str | None) -> Workspace:
        if mount is not None:
            return authorized(self._context, mount)
        active = self._context.registry.active
        if active is None:
            raise _unconfigured("This server has no workspace.")
        return authorized(self._context, active.id)

    async def _serve(self, call: EngineCall, receive: Receive, send: Send) -> None:
        with self._streams.opened(call.actor.token_hash, call.workspace.id) as stream:
            pool = self._upstreams.of(call.engine.base_url)
            exchange = Exchange(pool, call, receive, send, stream)
            try:
                await self._exchange(exchange, call, pool)
            finally:
                exchange.close()
        if stream.ended_by == "revoked" and not exchange.answering:
            raise OpenWorkError("unauthorized", "The token was revoked.", status=401)
        if stream.ended_by == "removed" and not exchange.answering:
            raise OpenWorkError("workspace_not_found", "The workspace was removed.", status=404)

    async def _exchange(self, exchange: Exchange, call: EngineCall, pool: UpstreamPool) -> None:
        rule = call.rule
        if rule.holds_secrets and call.actor.scope < TokenScope.OWNER:
            await self._pass_redacted(exchange)
        elif rule.is_permission_reply:
            body = await exchange.read_body(INSPECTED_BODY_LIMIT_BYTES)
            # A caller who leaves now may have decided already: that must be recorded.
            decision = asyncio.create_task(self._decide(exchange, call, pool, body))
            self._decisions.add(decision)
            decision.add_done_callback(self._decisions.discard)
            await exchange.reply(await asyncio.shield(decision))
        elif needs_inspection(rule, call.actor.scope):
            body = await exchange.read_body(INSPECTED_BODY_LIMIT_BYTES)
            fields = _inspect(call, body)
            if rule.inspect == "command":
                await _inspect_command(call, pool, fields)
            await exchange.run(body)
        else:
            await exchange.run(None)

    async def _decide(
        self, exchange: Exchange, call: EngineCall, pool: UpstreamPool, body: bytes
    ) -> WholeAnswer:
        described = await look_up_permission(pool, call)
        answer = await exchange.fetch(body)
        if answer.status < FIRST_ERROR_STATUS:
            await record_reply(self._context.audit, call, described, body)
        return answer

    async def _pass_redacted(self, exchange: Exchange) -> None:
        answer = await exchange.fetch(None)
        if answer.body:
            try:
                body = await asyncio.to_thread(redact_json, answer.body)
            except (ValueError, RecursionError) as error:
                raise OpenWorkError(
                    "opencode_request_failed",
                    "The engine's answer is not JSON, so its secrets cannot be hidden.",
                    status=502,
                ) from error
            answer = replace(answer, body=body)
        await exchange.reply(answer)


def engine_path(scope: Scope) -> tuple[str | None, str] | None:
    """The mount and the engine's raw path of a request for the engine; None for any other."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    path = raw_path.decode("latin-1").partition("?")[0]
    mounted = split_mount(path)
    mount, rest = mounted if mounted is not None else (None, path)
    if rest == PREFIX or rest.startswith(PREFIX + "/"):
        return mount, rest[len(PREFIX) :] or "/"
    return None


def _inspect(call: EngineCall, body: bytes) -> dict[str, object]:
    """Check the body; its fields."""
    if call.rule.inspect is None or not body:
        return {}
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OpenWorkError("invalid_json", "The body is not valid JSON.", status=400) from error
    check_body(call.rule.inspect, parsed, Bounds(call.workspace.path))
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}


async def _inspect_command(
    call: EngineCall, pool: UpstreamPool, fields: Mapping[str, object]
) -> None:
    arguments = str(fields.get("arguments") or "")
    for each in await look_up(pool, call, b"/command"):
        if each.get("name") == fields.get("command"):
            bounds = Bounds(call.workspace.path)
            check_command(str(each.get("template") or ""), arguments, bounds)


def _unconfigured(message: str) -> OpenWorkError:
    return OpenWorkError(
        "opencode_unconfigured",
        message,
        hint="Start the server with --workspace and --opencode-base-url, or use: openwork start",
        status=400,
    )
