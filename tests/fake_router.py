"""A messaging router at its HTTP border: keeps identities and bindings, sends nothing."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

TOKENS = {"telegram": ("token",), "slack": ("botToken", "appToken")}


@dataclass
class FakeRouter:
    """What a router was told.

    Attributes:
        port: Its control port.
        requests: Method, path and body of each request; headers apart.
        headers: Of each request.
        refuse: A status and text to answer every change with, or None.
        dies: Whether it ends the connection of a change without an answer.
        starting: Whether a bot takes longer to start than an answer waits.
        stale: The configuration file, and its content that this router writes over it at each
            change: what it had read at its start.
    """

    port: int = 0
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    identities: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"telegram": {}, "slack": {}}
    )
    bindings: list[dict[str, Any]] = field(default_factory=list)
    refuse: tuple[int, str] | None = None
    dies: bool = False
    starting: bool = False
    stale: tuple[Path, dict[str, Any]] | None = None

    @property
    def last(self) -> tuple[str, str, Any]:
        """The newest request."""
        return self.requests[-1]

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        raw = await request.read()
        body: Any = await request.json() if raw else None
        self.requests.append((request.method, str(request.rel_url), body))
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        if self.dies and request.method != "GET":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.refuse is not None and request.method != "GET":
            status, text = self.refuse
            return web.json_response({"ok": False, "error": text}, status=status)
        return self._answer(request.method, request.path, body)

    def _answer(self, method: str, path: str, body: Any) -> web.Response:
        parts = path.strip("/").split("/")
        if path in {"/", "/health"}:
            return web.json_response({"ok": False, "opencode": {"healthy": False}}, status=503)
        if parts[0] == "identities" and len(parts) >= 2 and parts[1] in self.identities:
            return self._identities(method, parts, body)
        if path == "/bindings" and method == "GET":
            return web.json_response({"ok": True, "items": self.bindings})
        if path == "/bindings":
            self.bindings.append(body)
            return web.json_response({"ok": True})
        if path == "/send":
            return web.json_response({"ok": True, "channel": body["channel"], "sent": 1})
        return web.json_response({"ok": False, "error": "Not found"}, status=404)

    def _identities(self, method: str, parts: list[str], body: Any) -> web.Response:
        channel = parts[1]
        kept = self.identities[channel]
        if method == "GET":
            items = [{"running": True, **each} for each in kept.values()]
            return web.json_response({"ok": True, "items": items})
        if method == "DELETE":
            gone = kept.pop(parts[2], None)
            said = {"id": parts[2], "deleted": gone is not None}
            self._write_stale()
            return web.json_response({"ok": True, channel: said})
        if not all(body.get(name) for name in TOKENS[channel]):
            return web.json_response({"ok": False, "error": "Missing token"}, status=400)
        self._write_stale()
        shown = {key: body[key] for key in ("id", "enabled", "access") if key in body}
        kept[body["id"]] = {**kept.get(body["id"], {}), **shown}
        # A careless router that repeats what it was given.
        return web.json_response(
            {"ok": True, channel: {**body, **kept[body["id"]], "applied": not self.starting}}
        )

    def _write_stale(self) -> None:
        if self.stale is not None:
            path, content = self.stale
            path.write_text(json.dumps(content))


@asynccontextmanager
async def fake_router(port: int = 0) -> AsyncGenerator[FakeRouter]:
    """One on ``port``, 0 for a free one; ended with the block."""
    router = FakeRouter()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", router.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    router.port = runner.addresses[0][1]
    try:
        yield router
    finally:
        await runner.cleanup()
