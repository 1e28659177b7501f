"""``openwork connect``: how to connect to the host that runs here."""

from __future__ import annotations

import json

import click

from openwork.cli.target import local_run, no_host
from openwork.cli.terminal import say
from openwork.common.errors import OpenWorkError


@click.command()
@click.option("--workspace", metavar="DIR", help="The host of this folder (default: the newest).")
@click.option("--owner", is_flag=True, help="The link that also answers permission prompts.")
@click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def connect(workspace: str | None, data_dir: str | None, *, owner: bool, as_json: bool) -> int:
    """Print the link and QR code that connect to the host running here.

    The link carries a token: whoever has it is let in. Without --owner it is a collaborator's: give
    tasks, read, change with approval.

    \b
    Examples:
      openwork connect
      openwork connect --owner --workspace ~/reports
    """
    from openwork.orchestrator.pairing import qr_code, web_link

    run = local_run(data_dir, workspace)
    if run is None:
        raise no_host(workspace)
    token = run.owner_token if owner else run.token
    if not token:
        raise OpenWorkError(
            "no_owner_token",
            f"The host of {run.workspace} is read-only and has no owner link.",
            hint="Leave out --owner.",
        )
    scope = "owner" if owner else "collaborator"
    link = web_link(run.connect_url, run.workspace_id, token)
    if as_json:
        told = {
            "workspace": run.workspace,
            "workspaceId": run.workspace_id,
            "url": run.url,
            "connectUrl": run.connect_url,
            "scope": scope,
            "link": link,
        }
        click.echo(json.dumps(told, indent=2))
        return 0
    say(f"{run.workspace}, as {scope}:")
    say(f"  {link}")
    say()
    click.echo(qr_code(link))
    return 0
