"""``--check``: does a ready host really work? Each check is named, and so is what failed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.engine.events import events
from openwork.orchestrator.server_api import Access, ServerApi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openwork.orchestrator.ready import ReadyHost

SESSION_TITLE = "OpenWork headless check"
EVENT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class CheckResult:
    """One check: ``error`` is None when it passed."""

    name: str
    error: str | None = None
    hint: str | None = None


async def check_host(ready: ReadyHost, *, with_events: bool) -> list[CheckResult]:
    """Try what clients will do: the server, the configuration, a session, its events."""
    checks: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("the server lists the workspace", lambda: _workspaces(ready)),
        ("the configuration can be read", lambda: _config(ready)),
        ("host routes refuse a collaborator", lambda: _host_routes(ready)),
        _sessions_check(ready),
    ]
    if with_events:
        checks.append(("events arrive", lambda: _events(ready)))
    results: list[CheckResult] = []
    for name, check in checks:
        try:
            await check()
        except OpenWorkError as error:
            results.append(CheckResult(name, error.message, error.hint))
        except TimeoutError:
            results.append(CheckResult(name, f"nothing came within {EVENT_TIMEOUT_S:.0f} s"))
        else:
            results.append(CheckResult(name))
    return results


def _api(ready: ReadyHost) -> ServerApi:
    return ServerApi(ready.server_url, Access(token=ready.credentials.collaborator))


async def _workspaces(ready: ReadyHost) -> None:
    async with _api(ready) as api:
        if not await api.workspaces():
            raise OpenWorkError("no_workspaces", "The server serves no workspace.")


async def _config(ready: ReadyHost) -> None:
    async with _api(ready) as api:
        await api.call("GET", f"/workspace/{ready.workspace_id}/config")


async def _host_routes(ready: ReadyHost) -> None:
    async with _api(ready) as api:
        try:
            await api.approvals()
        except OpenWorkError as error:
            if error.status in {401, 403}:
                return
            raise
    raise OpenWorkError("host_route_open", "A collaborator's token may list approvals.")


def _sessions_check(ready: ReadyHost) -> tuple[str, Callable[[], Awaitable[None]]]:
    if ready.settings.read_only:
        return "sessions can be read", lambda: _sessions(ready)
    return "a session can be made and read", lambda: _session(ready)


async def _sessions(ready: ReadyHost) -> None:
    async with ready.client() as client:
        await client.sessions()


async def _session(ready: ReadyHost) -> None:
    async with ready.client() as client:
        session = await client.create_session(SESSION_TITLE)
        await client.messages(session.id)
        await client.delete_session(session.id)


async def _events(ready: ReadyHost) -> None:
    async with (
        ready.client() as client,
        aclosing(events(client)) as stream,
        asyncio.timeout(EVENT_TIMEOUT_S),
    ):
        session_id = ""
        async for event in stream:
            if event.type == "server.connected":
                if ready.settings.read_only:
                    return  # nothing may be made whose event could arrive
                session_id = (await client.create_session(SESSION_TITLE)).id
            elif session_id and event.type.startswith("session."):
                await client.delete_session(session_id)
                return
