"""GitHub as the skill hub sees it, at its HTTP border: commits, trees, raw files."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

COMMIT = "c" * 40


@dataclass
class FakeGitHub:
    """One repository, ``acme/skills`` at ``main``.

    Attributes:
        base: Its address.
        files: Content and git mode by path.
        wrong: Raw answers that differ from what the tree promises, by path.
        branches: What it has a commit for.
        status: What it answers instead of success, or 200.
        requests: The paths asked for.
        gate: Raw files wait for it.
    """

    base: str = ""
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    wrong: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    branches: set[str] = field(default_factory=lambda: {"main"})
    requests: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        self.requests.append(request.path)
        if "Authorization" in request.headers or "Cookie" in request.headers:
            return web.Response(status=400, text="a credential")
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": f"{self.base}/evil"})
        match request.path.split("/"):
            case ["", "api", "repos", "acme", "skills", "commits", ref] if ref in self.branches:
                return web.Response(text=COMMIT)
            case ["", "api", "repos", "acme", "skills", "git", "trees", commit]:
                assert commit == COMMIT
                return web.json_response({"sha": "d" * 40, "tree": self.tree(), "truncated": False})
            case ["", "raw", "acme", "skills", commit, *parts]:
                assert commit == COMMIT
                await self.gate.wait()
                path = "/".join(parts)
                data = self.wrong.get(path, self.files.get(path, (None, ""))[0])
                return web.Response(status=404) if data is None else web.Response(body=data)
            case _:
                return web.Response(status=404)

    def tree(self) -> list[dict[str, object]]:
        """As GitHub lists it."""
        return [
            {"path": path, "mode": mode, "type": "blob", "size": len(data),
             "sha": hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()}  # noqa: S324  # git
            for path, (data, mode) in self.files.items()
        ]  # fmt: skip


@asynccontextmanager
async def fake_github() -> AsyncGenerator[FakeGitHub]:
    """Running on a free port of this machine."""
    fake = FakeGitHub()
    fake.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.base = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()
