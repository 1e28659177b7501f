"""The scripted provider: OpenAI chat completions over HTTP, streamed at a pace people can watch.

Routes: ``POST /v1/chat/completions``, ``GET /v1/models`` (both behind the key when there is one)
and ``GET /health``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from aiohttp import web
from pydantic import ValidationError

from openwork.common.ids import new_id, same_secret
from openwork.common.net import listen
from openwork.demo import wire
from openwork.demo.config import MODEL_ID
from openwork.demo.requests import REQUESTS_KEPT, RequestRecord, Retries
from openwork.demo.scripts import reply_to
from openwork.demo.steps import Fail, Reply
from openwork.demo.stream import deltas, finish_reason, whole_message

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

DEFAULT_WORDS_PER_SECOND = 30.0
BODY_LIMIT_BYTES = 64 << 20
RETRY_AFTER_S = 1
SHUTDOWN_GRACE_S = 0.1
SESSION_HEADER = "x-session-id"

logger = logging.getLogger("openwork.demo")


class ScriptedProvider:
    """A running provider: ``async with ScriptedProvider() as provider: provider.base_url``.

    Attributes:
        requests: The last completion requests, newest last.
        words_per_second: The pace of streamed answers, 0 for no pauses; may change while running.
    """

    def __init__(
        self,
        listener: socket.socket | None = None,
        *,
        port: int = 0,
        words_per_second: float = DEFAULT_WORDS_PER_SECOND,
        api_key: str | None = None,
    ) -> None:
        """Prepare it.

        Args:
            listener: A listening socket to take over; it is closed in the end.
            port: Where to listen on 127.0.0.1 when there is no ``listener``; 0 picks a free port.
            words_per_second: The pace of streamed answers, 0 for no pauses.
            api_key: The bearer key clients must send, or None to ask for none.
        """
        self.requests: deque[RequestRecord] = deque(maxlen=REQUESTS_KEPT)
        self.words_per_second = words_per_second
        self._listener = listener
        self._port = port
        self._api_key = api_key
        self._retries = Retries()
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``, what an OpenAI client takes as its base address."""
        if self._listener is None:
            raise RuntimeError("the provider is not running")
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OpenWorkError: ``port_taken`` and its kin from :func:`openwork.common.net.listen`.
        """
        if self._listener is None:
            self._listener = listen("127.0.0.1", self._port)
        app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[self._guard])
        app.router.add_get("/health", _health)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_GRACE_S, access_log=None
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and end what is still streaming."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if self._api_key is not None and request.path != "/health":
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not same_secret(key.strip(), self._api_key):
                return _error(HTTPStatus.UNAUTHORIZED, "invalid_api_key", "Missing or wrong key.")
        return await handler(request)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            chat = wire.ChatRequest.model_validate_json(await request.read())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the body"
            return _error(HTTPStatus.BAD_REQUEST, "invalid_request", f"{place}: {first['msg']}")
        reply = reply_to(chat.messages, chat.tools)
        record = RequestRecord(reply.scenario, request.headers.get(SESSION_HEADER))
        self.requests.append(record)
        try:
            return await self._play(request, chat, reply, record)
        except (asyncio.CancelledError, ConnectionResetError):
            record.end("aborted")
            raise
        except BaseException:
            record.end("failed")
            raise
        finally:
            logger.info("%s: %s after %d words", record.scenario, record.outcome, record.words_sent)

    async def _play(
        self, request: web.Request, chat: wire.ChatRequest, reply: Reply, record: RequestRecord
    ) -> web.StreamResponse:
        first = reply.steps[0]
        if isinstance(first, Fail) and self._retries.fails_again(
            chat, record.session_id, first.times
        ):
            record.end("failed")
            return _error(first.status, first.code, first.message)
        envelope = wire.Envelope(
            id=f"chatcmpl-{new_id()}", created=int(time.time()), model=chat.model
        )
        finish = finish_reason(reply)
        if chat.stream:
            response = await self._stream(request, chat, reply, record, envelope)
        else:
            message = whole_message(reply)
            counts = wire.usage(chat.characters, len(str(message["content"])))
            response = web.json_response(envelope.completion(message, finish, counts))
        record.end("finished")
        return response

    async def _stream(
        self,
        request: web.Request,
        chat: wire.ChatRequest,
        reply: Reply,
        record: RequestRecord,
        envelope: wire.Envelope,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        await response.write(envelope.chunk({"role": "assistant", "content": ""}))
        characters = 0
        for delta in deltas(reply):
            await response.write(envelope.chunk(delta))
            if "content" in delta:
                characters += len(delta["content"])
                record.words_sent += 1
                await asyncio.sleep(1 / self.words_per_second if self.words_per_second > 0 else 0)
        await response.write(envelope.chunk({}, finish_reason(reply)))
        if chat.stream_options.include_usage:
            counts = wire.usage(chat.characters, characters)
            await response.write(envelope.usage_chunk(counts))
        await response.write(wire.DONE)
        await response.write_eof()
        return response


def _error(status: int, code: str, message: str) -> web.Response:
    server_side = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "server_error" if server_side else "invalid_request_error"
    busy = status == HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(RETRY_AFTER_S)} if busy else {}
    return web.json_response(wire.error_body(message, code, kind), status=status, headers=headers)


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _models(_: web.Request) -> web.Response:
    model = {"id": MODEL_ID, "object": "model", "created": 0, "owned_by": "openwork"}
    return web.json_response({"object": "list", "data": [model]})
