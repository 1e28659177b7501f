"""``openwork audit``: who changed what."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

import click

from openwork.cli.target import find_target
from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openwork.cli.target import HostTarget
    from openwork.orchestrator.server_api import ServerApi

VERIFY_TIMEOUT_S = 300.0
OK = 200


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in (
        click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine."),
        click.option("--workspace-id", metavar="ID", help="The workspace (default: the active)."),
        click.option("--token", help="A client token. Prefer the variable OPENWORK_TOKEN."),
        click.option("--openwork-url", metavar="URL", help="The server (default: the one here)."),
    ):
        command = add(command)
    return command


def _filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in (
        click.option("--before", metavar="TIME", help="Only before: milliseconds since 1970."),
        click.option("--actor", help="A client id, a scope, or the beginning of a token's hash."),
        click.option("--action", help="One action, or several: 'config.*'."),
    ):
        command = add(command)
    return command


@click.group(no_args_is_help=True)
def audit() -> None:
    """Show, check and export the log of changes.

    \b
    Examples:
      openwork audit list --action 'skills.*'
      openwork audit verify
      openwork audit export --format csv --output changes.csv
    """


@audit.command("list")
@_filter_options
@_target_options
@click.option("--limit", type=click.IntRange(1, 200), default=20, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_entries(limit: int, *, as_json: bool, **options: str | None) -> int:
    """The last changes, newest first."""
    query = _query(options, limit=str(limit))
    found = asyncio.run(_ask(options, f"/audit?{query}"))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return 0
    for item in found["items"]:
        when = datetime.fromtimestamp(item["timestamp"] / 1000).astimezone()
        actor = item["actor"]
        who = actor.get("clientId") or f"{actor['scope']} {actor['tokenHash'][:8]}"
        outcome = "" if item.get("outcome", "done") == "done" else f"  {item['outcome']}"
        click.echo(f"{when:%Y-%m-%d %H:%M:%S}  {item['action']}  {who}{outcome}")
        click.echo(f"  {item['summary']}")
    if not found["items"]:
        filtered = any(options[name] for name in ("action", "actor", "before"))
        click.echo("No changes match." if filtered else "No changes yet.")
    if "nextBefore" in found:
        click.echo(f"More: --before {found['nextBefore']}")
    return 0


@audit.command()
@_target_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(*, as_json: bool, **options: str | None) -> int:
    """Is the log as it was written? Exit status 1 when it is not."""
    found = asyncio.run(_ask(options, "/audit/verify", timeout_s=VERIFY_TIMEOUT_S))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found["ok"]:
        torn = f", {found['torn']} lines cut short by a crash" if found["torn"] else ""
        one = found["entries"] == 1
        whole = "1 entry, as it was" if one else f"{found['entries']} entries, all as they were"
        click.echo(f"{whole} written{torn}.")
        if found["legacy"]:
            click.echo(f"Before them {found['legacy']} of an earlier server, as they were found.")
        click.echo(f"Newest: {found['head']}")
    else:
        bad = found["firstBad"]
        click.echo(
            f"Line {bad['line']}: {bad['reason']}. {found['entries']} entries before it hold."
        )
    return 0 if found["ok"] else 1


@audit.command()
@_filter_options
@_target_options
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="As what."
)
@click.option(
    "--output", type=click.File("wb", lazy=False), default="-", help="Default: standard output."
)
def export(form: str, output: BinaryIO, **options: str | None) -> int:
    """The whole log, oldest first."""
    query = _query(options, format=form)
    asyncio.run(_download(options, f"/audit/export?{query}", output))
    return 0


def _query(options: dict[str, str | None], **more: str) -> str:
    chosen = {key: options[key] for key in ("action", "actor", "before") if options.get(key)}
    return urlencode({**chosen, **more})


async def _ask(
    options: dict[str, str | None], path: str, timeout_s: float | None = None
) -> dict[str, Any]:
    async def work(api: ServerApi, base: str) -> dict[str, Any]:
        return await api.call("GET", base + path, timeout_s=timeout_s)

    return await _with_workspace(options, work)


async def _download(options: dict[str, str | None], path: str, output: BinaryIO) -> None:
    import aiohttp

    from openwork.orchestrator.server_api import Access

    async def work(api: ServerApi, base: str) -> None:
        token = _target(options).token
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        async with (
            aiohttp.ClientSession(headers=Access(token=token).headers, timeout=timeout) as http,
            http.get(api.base_url + base + path) as response,
        ):
            if response.status != OK:
                raise OpenWorkError(
                    "export_failed", f"The server answered {response.status}: {path}"
                )
            async for piece in response.content.iter_chunked(1 << 16):
                output.write(piece)

    await _with_workspace(options, work)


def _target(options: dict[str, str | None]) -> HostTarget:
    return find_target(
        url=options["openwork_url"], token=options["token"], data_dir=options["data_dir"]
    )


async def _with_workspace(
    options: dict[str, str | None], work: Callable[[ServerApi, str], Awaitable[Any]]
) -> Any:  # noqa: ANN401  # what work returns
    from openwork.orchestrator.server_api import Access, ServerApi

    target = _target(options)
    async with ServerApi(target.url, Access(token=target.token)) as api:
        workspace_id = options["workspace_id"] or target.workspace_id
        if not workspace_id:
            served = await api.workspaces()
            if not served:
                raise OpenWorkError("no_workspace", "The server serves no workspace.")
            workspace_id = served[0]["id"]
        return await work(api, f"/workspace/{workspace_id}")
