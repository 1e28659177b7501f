"""Changes that wait for the host, for people and for programs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from openwork.cli.terminal import say

if TYPE_CHECKING:
    from openwork.orchestrator.waiting_approvals import News, Settled

_OUTCOMES = {
    "allowed": "allowed",
    "denied": "denied",
    "timeout": "not answered in time",
    "withdrawn": "withdrawn: its caller has left",
    "revoked": "withdrawn: its token was revoked",
    "restart": "denied: the server stops",
}
_UNKNOWN = "settled while the connection was lost"


def say_waiting(item: dict[str, Any]) -> None:
    """A change that waits, with all that is known of it."""
    waited_ms = item.get("waitingMs")
    if waited_ms is None:  # a server that does not count: by our clock
        waited_ms = max(0, time.time() * 1000 - item["createdAt"])
    say(f"{item['id']}  {item['action']}  waiting {int(waited_ms / 1000)} s")
    say(f"  {item['summary']}")
    for line in item.get("detail", "").splitlines():
        say(f"    {line}")
    for path in item["paths"]:
        say(f"  {path}")
    say(f"  Answer: openwork approvals reply {item['id']} --allow   (or --deny)")


class NewsPrinter:
    """Prints what comes: changes on standard output, the state of the connection on error.

    Args:
        as_json: One line of JSON for each change.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._begun = False

    def say(self, news: News) -> None:
        """Print one piece of news."""
        from openwork.orchestrator.waiting_approvals import Added, Connected, Lost

        if isinstance(news, Lost):
            say(f"The connection is lost; trying again: {news.reason}", err=True)
        elif isinstance(news, Connected):
            self._say_connected(news.waiting)
        elif isinstance(news, Added):
            if self._as_json:
                _say_line({"event": "added", "item": news.item})
            else:
                say_waiting(news.item)
        else:
            self._say_settled(news)

    def _say_connected(self, waiting: int) -> None:
        if self._begun:
            say("Connected again.", err=True)
        elif not waiting and not self._as_json:
            say("Nothing waits.")
        self._begun = True

    def _say_settled(self, news: Settled) -> None:
        item = news.item
        if self._as_json:
            known = {"id": item["id"], "workspaceId": item["workspaceId"], "outcome": news.outcome}
            _say_line({"event": "resolved", **known})
            return
        outcome = _OUTCOMES.get(news.outcome, _UNKNOWN)
        say(f"{item['id']}  {item['action']}  {outcome}, after {int(news.waited_s)} s")


def _say_line(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value))
