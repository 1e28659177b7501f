"""The way to the engine: a bare ASGI application that streams both ways.

``/opencode/…`` is the active workspace's engine, ``/w/ID/opencode/…`` that workspace's. The
caller's credentials stop here, the engine's are added here. No body is buffered, except the small
ones that :mod:`openwork.server.engine_bodies` must look at, and answers that hold keys.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from openwork.common.errors import OpenWorkError
from openwork.common.headers import first_values
from openwork.server.access import authorized
from openwork.server.answer_cache import ShapedAnswers
from openwork.server.auth import address_of, require
from openwork.server.directory_pin import DIRECTORY_HEADER, pin_directory
from openwork.server.engine_answers import (
    error_without_secrets,
    without_other_projects,
    without_secrets,
)
from openwork.server.engine_audit import ActRecord, describe_act, is_recorded
from openwork.server.engine_call import EngineCall, announces_body, outgoing_headers
from openwork.server.engine_files import refuse_private_file
from openwork.server.engine_inspection import BODY_LIMIT_BYTES, inspect
from openwork.server.engine_policy import (
    canonical_path,
    is_act,
    needs_inspection,
    rule_for,
    session_in,
)
from openwork.server.engine_sessions import EngineRefusalError, SessionFolders
from openwork.server.engine_socket import relay_websocket, require_same_origin
from openwork.server.errors import NOT_FOUND, send_error
from openwork.server.event_filter import EventFilter
from openwork.server.exchange import Exchange, WholeAnswer
from openwork.server.gate import require_writable
from openwork.server.middleware.mount import split_mount
from openwork.server.middleware.request_log import name_route
from openwork.server.permission_audit import look_up_permission, record_reply, reply_in
from openwork.server.scope import Scope as TokenScope
from openwork.server.streams import OpenStreams
from openwork.server.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from starlette.types import ASGIApp, Receive, Scope, Send

    from openwork.server.context import ServerContext
    from openwork.server.engine_routes import EngineRule
    from openwork.server.registry import Workspace
    from openwork.server.upstream import UpstreamPool

T = TypeVar("T")
PREFIX = "/opencode"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
FIRST_ERROR_STATUS = 300
# What a stopping server waits for decisions and records that are under way.
CLOSING_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


class EngineProxy:
    """Sends engine paths to the engine and everything else to ``app``."""

    def __init__(self, app: ASGIApp, context: ServerContext) -> None:
        self._app = app
        self._context = context
        self._upstreams = Upstreams()
        self._streams = OpenStreams()
        self._sessions = SessionFolders()
        self._answers = ShapedAnswers(without_secrets)
        # What goes on although its caller has left: it must be recorded.
        self._detached: set[asyncio.Task[Any]] = set()
        context.tokens.on_revoke(self._streams.cut)
        context.registry.on_remove(lambda gone: self._streams.cut_workspace(gone.id))

    async def close(self) -> None:
        """Wait for the decisions that are under way, then close the connections to the engines."""
        if self._detached:
            _, late = await asyncio.wait(self._detached, timeout=CLOSING_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
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
                    if is_recorded(call):
                        await ActRecord(self._context.audit, call, "Opened a terminal").answered(0)
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
        self._require_writable(method, rule)
        require(actor, rule.least)
        if rule.beyond:
            raise OpenWorkError(
                "forbidden", f"{path} reaches beyond one folder: it is not available.", status=403
            )
        workspace = self._workspace(mount)
        engine = workspace.engine
        if engine is None:
            raise _unconfigured("This workspace has no engine.")
        directory, query = pin_directory(
            workspace.root,
            engine.directory,
            headers.get(DIRECTORY_HEADER),
            scope["query_string"],
            listing=rule.listing,
        )
        hides = rule.hides is not None or rule.events
        if rule.reads_file and actor.scope < TokenScope.OWNER:
            refuse_private_file(path, query, (str(workspace.path), unquote(directory)))
        return EngineCall(
            actor=actor,
            workspace=workspace,
            engine=engine,
            rule=rule,
            path=path,
            method=method.encode(),
            target=(encoded + ("?" + query if query else "")).encode("latin-1"),
            headers=outgoing_headers(scope["headers"], engine, directory, plain=hides),
            has_body=announces_body(scope["headers"]),
            session=session_in(method, path),
        )

    def _require_writable(self, method: str, rule: EngineRule) -> None:
        """A read-only server only lets a person stop what runs, and look at what is asked."""
        stops = rule.stops or rule.is_permission_reply  # the reply's body is looked at later
        if is_act(method, rule) and not stops:
            require_writable(read_only=self._context.settings.read_only)

    def _workspace(self, mount: str | None) -> Workspace:
        if mount is not None:
            return authorized(self._context, mount)
        active = self._context.registry.active
        if active is None:
            raise _unconfigured("This server has no workspace.")
        return authorized(self._context, active.id)

    async def _serve(self, call: EngineCall, receive: Receive, send: Send) -> None:
        pool = self._upstreams.of(call.engine.base_url)
        stream = self._streams.opened(call.actor.token_hash, call.workspace.id)
        exchange = Exchange(pool, call, receive, send, stream)
        with stream:
            try:
                await self._exchange(exchange, call, pool)
            finally:
                exchange.close()
        if stream.ended_by == "revoked" and not exchange.answering:
            raise OpenWorkError("unauthorized", "The token was revoked.", status=401)
        if stream.ended_by == "removed" and not exchange.answering:
            raise OpenWorkError("workspace_not_found", "The workspace was removed.", status=404)

    async def _exchange(self, exchange: Exchange, call: EngineCall, pool: UpstreamPool) -> None:
        if call.session is not None:
            try:
                await self._sessions.check(pool, call)
            except EngineRefusalError as refusal:
                await exchange.reply_error(refusal.status, refusal.headers, refusal.body)
                return
        rule = call.rule
        if rule.hides == "projects" or (rule.holds_secrets and call.actor.scope < TokenScope.OWNER):
            await self._pass_shaped(exchange, call)
        elif rule.is_permission_reply:
            body = await exchange.read_body(BODY_LIMIT_BYTES)
            if reply_in(call, body) != "reject":
                require_writable(read_only=self._context.settings.read_only)
            # A caller who leaves now may have decided already: that must be recorded.
            decision = self._detach(self._decide(exchange, call, pool, body))
            await exchange.reply(await asyncio.shield(decision))
        elif rule.events:
            await exchange.run(None, events=EventFilter(call.holds))
        else:
            await self._pass(exchange, call, pool)

    async def _pass(self, exchange: Exchange, call: EngineCall, pool: UpstreamPool) -> None:
        body: bytes | None = None
        inspected = needs_inspection(call.rule, call.actor.scope)
        if inspected or call.rule.tells is not None:
            body = await exchange.read_body(BODY_LIMIT_BYTES)
        if inspected:
            body = await inspect(call, pool, body or b"")
        if not is_recorded(call):
            await exchange.run(body)
            return
        record = ActRecord(self._context.audit, call, describe_act(call, body))
        try:
            await exchange.run(body, before=record.answered)
        finally:
            if not record.written:
                await asyncio.shield(self._detach(record.unanswered()))

    async def _decide(
        self, exchange: Exchange, call: EngineCall, pool: UpstreamPool, body: bytes
    ) -> WholeAnswer:
        described = await look_up_permission(pool, call)
        answer = await exchange.fetch(body)
        if answer.status < FIRST_ERROR_STATUS:
            await record_reply(self._context.audit, call, described, body)
        return answer

    def _detach(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run ``work`` to its end, whatever becomes of the request it belongs to."""
        task = asyncio.create_task(work)
        self._detached.add(task)
        task.add_done_callback(self._attached)
        return task

    def _attached(self, task: asyncio.Task[Any]) -> None:
        self._detached.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("a decision could not be passed on or recorded: %s", error)

    async def _pass_shaped(self, exchange: Exchange, call: EngineCall) -> None:
        answer = await exchange.fetch(None)
        if answer.body and answer.status < FIRST_ERROR_STATUS:
            try:
                body = await asyncio.to_thread(self._shaped, call, answer.body)
            except (ValueError, RecursionError) as error:
                raise OpenWorkError(
                    "opencode_request_failed",
                    "The engine's answer is not JSON, so its secrets cannot be hidden.",
                    status=502,
                ) from error
            answer = replace(answer, body=body)
        elif answer.body and call.hides_errors:
            answer = replace(answer, body=error_without_secrets(answer.body))
        await exchange.reply(answer)

    def _shaped(self, call: EngineCall, body: bytes) -> bytes:
        if call.rule.hides == "projects":
            return without_other_projects(body, call.holds, call.engine.directory)
        return self._answers.shaped(body)


def engine_path(scope: Scope) -> tuple[str | None, str] | None:
    """The mount and the engine's raw path of a request for the engine; None for any other."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    path = raw_path.decode("latin-1").partition("?")[0]
    mounted = split_mount(path)
    mount, rest = mounted if mounted is not None else (None, path)
    if rest == PREFIX or rest.startswith(PREFIX + "/"):
        return mount, rest[len(PREFIX) :] or "/"
    return None


def _unconfigured(message: str) -> OpenWorkError:
    return OpenWorkError(
        "opencode_unconfigured",
        message,
        hint="Start the server with --workspace and --opencode-base-url, or use: openwork start",
        status=400,
    )
