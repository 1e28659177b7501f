"""A real Chromium on the page of a real stack, shared by a module's tests."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from openwork.demo.layout import lay_out
from tests.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any

    from playwright.async_api import Browser, ConsoleMessage, Page

    from tests.stack import Stack

WAIT_MS = 20_000
WORDS_PER_SECOND = 80
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Visit:
    """A page that is watched while a test uses it.

    Attributes:
        page: Playwright's page.
        link: The connect link it was opened with.
        problems: Console errors (policy violations among them) and uncaught exceptions.
        expected: What the browser itself may report in the console; nothing else may stand there.
        foreign: Requests to another origin than the link's.
    """

    page: Page
    link: str
    problems: list[str] = field(default_factory=list)
    expected: str | None = None
    foreign: list[str] = field(default_factory=list)

    async def send(self, task: str) -> None:
        """Type a task and send it with the keyboard."""
        await self.page.get_by_label("Your task").fill(task)
        await self.page.get_by_label("Your task").press("Enter")

    async def connected(self) -> None:
        """Wait until the engine's events arrive."""
        await expect(self.page.locator("#app[data-connected]")).to_be_visible()

    def watch(self) -> None:
        """Begin to take notes."""
        origin = urlsplit(self.link)[:2]

        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.problems.append(message.text)

        self.page.on("console", note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                self.foreign.append(request.url) if urlsplit(request.url)[:2] != origin else None
            ),
        )


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def chromium_path() -> str:
    """``OPENWORK_CHROMIUM``, or ``chromium`` on PATH; else skip, or fail when it is required."""
    path = os.environ.get("OPENWORK_CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "no Chromium: install the system package or set OPENWORK_CHROMIUM to its path"
        if os.environ.get("OPENWORK_REQUIRE_CHROMIUM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
async def browser(anyio_backend) -> AsyncGenerator[Browser]:
    path = chromium_path()
    unboxed = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=[*ARGUMENTS, *unboxed]
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def stack(browser, tmp_path_factory) -> AsyncGenerator[Stack]:
    """The stack with the sample files and a second, empty workspace.

    After the browser, so that no engine starts in vain.
    """
    base = tmp_path_factory.mktemp("page")
    second = base / "second"
    second.mkdir()
    env = {
        "OPENWORK_APPROVAL_MODE": "manual",
        "OPENWORK_WORKSPACES": json.dumps([str(base / "workspace"), str(second)]),
    }
    async with running_stack(base, words_per_second=WORDS_PER_SECOND, env=env) as stack:
        lay_out(stack.server.folder)
        yield stack


@pytest.fixture
def visit(browser, stack):
    """``async with visit(scope) as v``: a fresh browser profile on the page, opened by link.

    At the end of the block nothing may stand in the console and nobody else may have been asked.
    """

    @asynccontextmanager
    async def open_page(
        scope: str, *, base: str | None = None, link: str | None = None, **context_options: Any
    ) -> AsyncGenerator[Visit]:
        server = stack.server
        if link is None:
            token = await server.token(scope)
            link = f"{base or server.base}/w/{server.workspace}/#token={token}"
        context = await browser.new_context(service_workers="block", **context_options)
        context.set_default_timeout(WAIT_MS)
        try:
            visited = Visit(await context.new_page(), link)
            visited.watch()
            await visited.page.goto(link)
            yield visited
            unexpected = [
                each
                for each in visited.problems
                if visited.expected is None or visited.expected not in each
            ]
            assert unexpected == []
            assert visited.foreign == []
        finally:
            await context.close()

    return open_page
