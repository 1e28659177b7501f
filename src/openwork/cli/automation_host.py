"""The automations' routes of one host, for the commands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.target import find_target
from openwork.common.errors import OpenWorkError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from openwork.cli.target import HostTarget
    from openwork.orchestrator.server_api import Access, ServerApi

# A change may wait for the host's approval as long as the host's settings say.
CHANGE_TIMEOUT_S = 25 * 3600.0
APPROVAL_PAUSE_S = 0.5


@dataclass(frozen=True)
class Where:
    """Which host, and how to print."""

    url: str | None
    token: str | None
    data_dir: str | None
    workspace: str | None
    as_json: bool


@dataclass(frozen=True)
class AutomationsHost:
    """The automations' routes of one workspace.

    Attributes:
        api: The open server.
        base: Their path.
        client_id: By what our changes are told from others' when we may allow them, else "".
    """

    api: ServerApi
    base: str
    client_id: str

    async def call(
        self, method: str, path: str, body: object = None, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """One request below ``base``; errors as ``ServerApi.call``."""
        return await self.api.call(method, self.base + path, json_body=body, timeout_s=timeout_s)

    async def change(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A call that may wait for the host's approval.

        Whoever holds the host token is the host: this very change is then allowed at once.
        """
        call = asyncio.create_task(self.call(method, path, body, timeout_s=CHANGE_TIMEOUT_S))
        told = False
        try:
            while not (await asyncio.wait({call}, timeout=APPROVAL_PAUSE_S))[0]:
                if self.client_id:
                    await self._allow()
                elif not told:
                    click.echo("Waiting for the host: openwork approvals list", err=True)
                    told = True
            return await call
        finally:
            call.cancel()

    async def _allow(self) -> None:
        for each in await self.api.approvals():
            if each["actor"].get("clientId") == self.client_id:
                try:
                    await self.api.reply_approval(each["id"], allow=True)
                except OpenWorkError as error:
                    if error.code != "approval_not_found":  # answered by somebody else meanwhile
                        raise

    async def listing(self) -> dict[str, Any]:
        """``{items, updatedAt, plan}``."""
        return await self.call("GET", "?plan=true")

    async def find(self, named: str) -> dict[str, Any]:
        """The automation of that id, else of that name.

        Raises:
            OpenWorkError: ``automation_not_found``.
            UsageError: Several have that name.
        """
        items = (await self.listing())["items"]
        found = [each for each in items if each["id"] == named]
        found = found or [each for each in items if each["name"].lower() == named.lower()]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(each["id"] for each in found)
            raise UsageError(f"Several automations are called {named!r}.", hint=f"By id: {ids}")
        raise OpenWorkError(
            "automation_not_found",
            f"There is no automation {named!r}.",
            hint="See: openwork automations list",
        )

    async def log(self, named: str) -> list[dict[str, Any]]:
        """One log; also that of an automation that is deleted, by its id."""
        from openwork.workspace.automation_log import parse_lines

        logs = (await self.call("GET", "/logs"))["items"]
        if all(each["id"] != named for each in logs):
            named = (await self.find(named))["id"]
            if all(each["id"] != named for each in logs):
                return []
        return list(parse_lines((await self.call("GET", f"/logs/{named}"))["content"]))


def ask(where: Where, work: Callable[[AutomationsHost], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
    """What ``work`` returns, done with the host that ``where`` says.

    Raises:
        OpenWorkError: ``no_host``, ``no_token``, ``workspace_not_found``; what ``work`` raises.
    """

    async def with_host() -> Any:  # noqa: ANN401
        async with _host(where) as host:
            return await work(host)

    return asyncio.run(with_host())


@asynccontextmanager
async def _host(where: Where) -> AsyncGenerator[AutomationsHost]:
    from openwork.common.ids import new_id
    from openwork.orchestrator.server_api import ServerApi

    target = find_target(
        url=where.url, token=where.token, data_dir=where.data_dir, workspace=where.workspace
    )
    if not target.token:
        raise OpenWorkError(
            "no_token",
            "Automations need a token.",
            hint="Give it with OPENWORK_TOKEN or --token.",
        )
    client_id = f"automations-{new_id()}"
    async with ServerApi(target.url, _access(target, client_id)) as api:
        workspace = target.workspace_id
        if not workspace:
            served = await api.workspaces()
            if not served:
                raise OpenWorkError(
                    "workspace_not_found",
                    f"{target.url} serves no workspace.",
                    hint="Start the host on a folder: openwork start --workspace DIR",
                )
            workspace = served[0]["id"]
        base = f"/workspace/{workspace}/agentlab/automations"
        yield AutomationsHost(api, base, client_id if target.host_token else "")


def _access(target: HostTarget, client_id: str) -> Access:
    from openwork.orchestrator.server_api import Access

    class Named(Access):
        @property
        def headers(self) -> dict[str, str]:
            return {**super().headers, "X-OpenWork-Client-Id": client_id}

    return Named(target.token, target.host_token)
