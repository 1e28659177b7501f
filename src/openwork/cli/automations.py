"""``openwork automations``: prompts that the host runs on a schedule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from openwork.cli import automation_words as words
from openwork.cli.automation_host import Where, ask
from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.cli.automation_host import AutomationsHost

RUN_TIMEOUT_S = 60.0
HOW_TO_ANSWER = "answer in the browser: openwork connect --owner"


def _host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--data-dir", metavar="DIR", help="Data folder of the host on this machine."),
        click.option("--token", help="A token of that host. Prefer the variable OPENWORK_TOKEN."),
        click.option(
            "--openwork-url",
            "url",
            metavar="URL",
            help="A host elsewhere; /w/ID picks a workspace (default: the one here).",
        ),
        click.option("--workspace", metavar="DIR", help="The host that serves this folder."),
    ):
        command = add(command)
    return command


@click.group(no_args_is_help=True)
def automations() -> None:
    """Let the host run prompts on a schedule.

    A run is a session of its own. The agent asks for permission as always, and waits until somebody
    answers; nothing is allowed on its own.

    \b
    Examples:
      openwork automations add "Inbox" "Summarise the new files in inbox/" --every 2h
      openwork automations add "Report" "Write report.md" --weekly mon 09:00
      openwork automations list
      openwork automations logs report
    """


@automations.command("list")
@_host_options
def list_command(**options: Any) -> int:  # noqa: ANN401
    """Show the automations, and when each runs next."""
    where = Where(**options)

    async def work(host: AutomationsHost) -> dict[str, Any]:
        return await host.listing()

    found = ask(where, work)
    if where.as_json:
        return _print_json(found)
    if not found["items"]:
        click.echo('None yet. Add one: openwork automations add "NAME" "PROMPT" --daily 08:30')
        return 0
    for item in found["items"]:
        click.echo(f"{item['id']}  {words.plain(item['name'])}")
        click.echo(f"  {_state(item, found['plan'])}")
    click.echo(f"Schedules follow the host's time zone, {found['plan']['zone']}.")
    return 0


@automations.command("add")
@click.argument("name")
@click.argument("prompt")
@click.option("--every", metavar="SPAN", help="An interval from 1m to 7d: 90m, 2h, 1d.")
@click.option("--daily", metavar="HH:MM", help="A time of every day, in the host's time zone.")
@click.option("--weekly", nargs=2, metavar="DAY HH:MM", help="A day and a time: mon 09:00.")
@click.option("--id", "wanted_id", metavar="ID", help="Its id (default: made from the name).")
@click.option("--replace", is_flag=True, help="Change the automation that has this id.")
@click.option("--disabled", is_flag=True, help="Store it, and run it only on demand.")
@_host_options
def add_command(
    name: str,
    prompt: str,
    every: str | None,
    daily: str | None,
    weekly: tuple[str, str] | None,
    wanted_id: str | None,
    *,
    replace: bool,
    disabled: bool,
    **options: Any,  # noqa: ANN401
) -> int:
    """Add an automation, or change one with --replace."""
    where = Where(**options)
    schedule = words.read_schedule(every, daily, weekly)
    new_id = wanted_id or words.slug(name)
    body: dict[str, Any] = {"name": name, "prompt": prompt, "enabled": not disabled}
    body["schedule"] = schedule.to_json()
    if new_id is not None:
        body["id"] = new_id

    async def work(host: AutomationsHost) -> dict[str, Any]:
        known = {item["id"] for item in (await host.listing())["items"]}
        if new_id in known and not replace:
            raise OpenWorkError(
                "automation_exists",
                f"There is already an automation {new_id}.",
                hint="Add --replace to change it, or choose another --id.",
            )
        saved = await host.change("POST", "", body)
        mine = {new_id} if new_id else {each["id"] for each in saved["items"]} - known
        item = next(each for each in reversed(saved["items"]) if each["id"] in mine)
        return {"item": item, "plan": (await host.listing())["plan"]}

    done = ask(where, work)
    if where.as_json:
        return _print_json({**done["item"], **done["plan"]["items"].get(done["item"]["id"], {})})
    click.echo(f"Saved {done['item']['id']}: {_state(done['item'], done['plan'])}")
    return 0


@automations.command("run")
@click.argument("automation")
@_host_options
def run_command(automation: str, **options: Any) -> int:  # noqa: ANN401
    """Run one now, by id or name."""
    where = Where(**options)

    async def work(host: AutomationsHost) -> dict[str, Any]:
        found = await host.find(automation)
        return await host.call("POST", f"/{found['id']}/run", timeout_s=RUN_TIMEOUT_S)

    done = ask(where, work)
    if where.as_json:
        return _print_json(done)
    click.echo(f"Started {done['automationId']} in session {done['sessionId']}.")
    click.echo(f"  Its end will be in: openwork automations logs {done['automationId']}")
    click.echo(f"  If it asks for permission, {HOW_TO_ANSWER}")
    return 0


@automations.command("logs")
@click.argument("automation", required=False)
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@_host_options
def logs_command(automation: str | None, last: int, **options: Any) -> int:  # noqa: ANN401
    """Show the last runs of one, by id or name; without it, which have logs."""
    where = Where(**options)

    async def work(host: AutomationsHost) -> list[dict[str, Any]]:
        if automation is None:
            return (await host.call("GET", "/logs"))["items"]
        return (await host.log(automation))[-last:]

    found = ask(where, work)
    if where.as_json:
        return _print_json({"items": found})
    if not found:
        click.echo("No run has ended yet. What runs: openwork automations list")
    for entry in found:
        if automation is None:
            click.echo(f"{words.describe_moment(int(entry['updatedAt']))}  {entry['id']}")
        else:
            click.echo(words.describe_entry(entry))
    if automation is not None and found and found[-1].get("outcome") == "permission_needed":
        click.echo(f"The last one waits: {HOW_TO_ANSWER}")
    return 0


@automations.command("delete")
@click.argument("automation")
@_host_options
def delete_command(automation: str, **options: Any) -> int:  # noqa: ANN401
    """Delete one, by id or name; its log stays."""
    where = Where(**options)

    async def work(host: AutomationsHost) -> dict[str, Any]:
        found = await host.find(automation)
        await host.change("DELETE", f"/{found['id']}")
        return found

    gone = ask(where, work)
    if where.as_json:
        return _print_json({"ok": True, "id": gone["id"]})
    click.echo(f"Deleted {gone['id']} ({words.plain(gone['name'])}).")
    return 0


def _state(item: dict[str, Any], plan: dict[str, Any]) -> str:
    """``every day at 08:30, next Sun 2026-11-22 08:30, last done``."""
    known = plan["items"].get(item["id"], {})
    parts = [words.describe_schedule(item["schedule"])]
    if not item["enabled"]:
        parts.append("disabled")
    elif known.get("nextRunAt") is None:
        parts.append("not planned: the server is read-only")
    else:
        parts.append(f"next {words.describe_moment(known['nextRunAt'])}")
    if known.get("runningSince") is not None:
        parts.append(f"running since {words.describe_moment(known['runningSince'])}")
    if known.get("lastOutcome"):
        parts.append(f"last {known['lastOutcome']}")
    return ", ".join(parts)


def _print_json(value: object) -> int:
    click.echo(json.dumps(value, indent=2))
    return 0
