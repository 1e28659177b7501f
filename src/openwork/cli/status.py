"""``openwork status``: does the host run, and each part of it?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from openwork.cli.target import HostTarget, find_target
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError


@click.command()
@click.option("--openwork-url", metavar="URL", help="The server to ask (default: the one here).")
@click.option("--opencode-url", metavar="URL", help="An engine to ask directly.")
@click.option("--opencode-username", default="opencode", help="Of the engine's basic auth.")
@click.option("--opencode-password", envvar="OPENCODE_SERVER_PASSWORD", help="Prefer the variable.")
@click.option("--token", help="A client token, to look at the engine through the server.")
@click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(
    openwork_url: str | None,
    opencode_url: str | None,
    opencode_username: str,
    opencode_password: str | None,
    token: str | None,
    data_dir: str | None,
    *,
    as_json: bool,
) -> int:
    """Ask the host how it is. Exit status 0 when every part answers, 1 otherwise.

    \b
    Examples:
      openwork status
      openwork status --openwork-url http://127.0.0.1:8787 --token …
    """
    target = None
    if openwork_url or not opencode_url:
        target = find_target(url=openwork_url, token=token, data_dir=data_dir)
    report = asyncio.run(_ask(target, opencode_url, opencode_username, opencode_password))
    ok = all(part["ok"] for part in report.values())
    if as_json:
        click.echo(json.dumps({"ok": ok, **report}, indent=2))
        return 0 if ok else 1
    names = {"openwork": "OpenWork server", "opencode": "Engine"}
    for key, part in report.items():
        state = "ok" if part["ok"] else "down"
        say(f"{names[key]:16} {state:5} {part['url']}")
        if not part["ok"]:
            say(f"{'':16} {part['error']}")
    if target is not None and target.workspace:
        say(f"{'Workspace':16}       {target.workspace}")
    return 0 if ok else 1


async def _ask(
    target: HostTarget | None, engine_url: str | None, username: str, password: str | None
) -> dict[str, dict[str, Any]]:
    from openwork.common.headers import basic_auth
    from openwork.engine.client import EngineClient
    from openwork.orchestrator.server_api import Access, ServerApi

    report: dict[str, dict[str, Any]] = {}
    if target is not None:
        async with ServerApi(target.url, Access(token=target.token)) as api:
            report["openwork"] = await _part(target.url, api.health())
        if target.token and not engine_url:
            mount = f"/w/{target.workspace_id}" if target.workspace_id else ""
            headers = Access(token=target.token).headers
            async with EngineClient(f"{target.url}{mount}/opencode", headers=headers) as client:
                report["opencode"] = await _part(client.base_url, client.health(timeout_s=5))
    if engine_url:
        headers = {"Authorization": basic_auth(username, password)} if password else {}
        async with EngineClient(engine_url, headers=headers) as client:
            report["opencode"] = await _part(engine_url, client.health(timeout_s=5))
    return report


async def _part(url: str, probe: Any) -> dict[str, Any]:  # noqa: ANN401  # any awaitable
    try:
        health = await probe
    except OpenWorkError as error:
        return {"ok": False, "url": url, "error": error.message}
    version = health["version"] if isinstance(health, dict) else health.version  # pyright: ignore[reportUnknownVariableType]
    return {"ok": True, "url": url, "version": version}
