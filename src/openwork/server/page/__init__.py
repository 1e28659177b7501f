"""The first page: connect by link, give a task, watch it, answer permissions. Static files only."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from openwork.server.errors import NOT_FOUND, send_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_MODULES = (
    "api.js",
    "approvals-view.js",
    "composer-view.js",
    "connect-view.js",
    "connection.js",
    "dom.js",
    "events.js",
    "markdown.js",
    "page.js",
    "permissions-view.js",
    "plan-view.js",
    "sessions-view.js",
    "suggestions.js",
    "thread-view.js",
    "transcript.js",
    "welcome-view.js",
    "words.js",
    "workbench.js",
)
_FILES = {
    "/": "index.html",
    "/ui": "index.html",  # where existing links point to
    **{f"/{name}": name for name in ("page.css", "icon.svg", *_MODULES)},
}
# Only our own files, and connections only to the address the page came from.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
_SECURITY_HEADERS = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
]


@cache
def _content(name: str) -> bytes:
    return resources.files(__package__ or __name__).joinpath(name).read_bytes()


def application() -> ASGIApp:
    """The page's files as an ASGI application; every other path is 404 in our error shape."""
    return _serve


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  # ASGI's shape
    name = _FILES.get(scope["path"])
    if scope["type"] != "http" or name is None or scope["method"] not in {"GET", "HEAD"}:
        await send_error(send, NOT_FOUND)
        return
    kind = _TYPES[name[name.rindex(".") :]]
    body = _content(name)
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *_SECURITY_HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})
