"""Cross-origin answers: open where a bearer token is needed, closed for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = "GET,POST,PUT,PATCH,DELETE,OPTIONS"
HEADERS = (
    "Authorization, Content-Type, X-OpenWork-Host-Token, X-OpenWork-Client-Id, "
    "X-OpenCode-Directory, Last-Event-ID, Range, If-Range"
)
EXPOSED = "content-disposition, content-range, accept-ranges, etag, retry-after"
PREFLIGHT_MAX_AGE_S = 600


class CorsMiddleware:
    """Adds the CORS headers of the allowed origins and answers preflights.

    There are no cookies anywhere, so an answer is only as readable as the caller's own token makes
    it. Requests without credentials get no CORS header: a web page learns nothing about a local
    server it has no token for.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        """Allow ``origins``; ``*`` stands for any."""
        self._app = app
        self._any = "*" in origins
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights, and mark what other origins may read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS":
            await self._preflight(origin, send)
            return
        authenticated = "authorization" in headers or "x-openwork-host-token" in headers
        allowed = self._allowed(origin) if authenticated else None

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                _drop_foreign(answer)
                if allowed is not None:
                    answer["access-control-allow-origin"] = allowed
                    answer["access-control-expose-headers"] = EXPOSED
                answer.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, send_with_cors if origin else send)

    async def _preflight(self, origin: str | None, send: Send) -> None:
        headers = [(b"vary", b"Origin"), (b"content-length", b"0")]
        allowed = self._allowed(origin)
        if allowed is not None:
            headers += [
                (b"access-control-allow-origin", allowed.encode()),
                (b"access-control-allow-methods", METHODS.encode()),
                (b"access-control-allow-headers", HEADERS.encode()),
                (b"access-control-max-age", b"%d" % PREFLIGHT_MAX_AGE_S),
            ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _allowed(self, origin: str | None) -> str | None:
        if origin is None:
            return None
        if self._any:
            return "*"
        return origin if origin in self._origins else None


def _drop_foreign(headers: MutableHeaders) -> None:
    """What the engine said about CORS is not ours to pass on."""
    for name in [key for key in headers if key.startswith("access-control-")]:
        del headers[name]
