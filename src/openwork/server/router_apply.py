"""Telling the running messaging router of a change that is kept already, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.server.router_link import UNREACHABLE, without

if TYPE_CHECKING:
    from openwork.server.router_link import Fields, RouterLink

_SAID = frozenset(
    {"id", "enabled", "access", "pairingRequired", "applied", "starting", "error", "deleted", "bot"}
)


@dataclass(frozen=True)
class Applied:
    """What became of a change at the running router.

    Attributes:
        done: Whether the router goes by it now.
        said: What it says of the identity, without secrets.
        error: Why not, without secrets; "" when done or still starting.
        status: The status it refused with; 0 when it did not answer.
    """

    done: bool
    said: Fields = field(default_factory=dict[str, Any])
    error: str = ""
    status: int = 0

    def answer(self, **more: object) -> dict[str, Any]:
        """``{ok, persisted, applied, applyError?, applyStatus?}`` and ``more``."""
        body: dict[str, Any] = {"ok": True, "persisted": True, "applied": self.done, **more}
        if self.error:
            body["applyError"] = self.error
        if self.status:
            body["applyStatus"] = self.status
        return body


async def apply_identity(
    link: RouterLink, channel: str, identity: Fields, hidden: list[str]
) -> Applied:
    """Tell the router of an identity: new or changed, with its tokens.

    Args:
        link: The way to the router.
        channel: Which channel's.
        identity: All of it.
        hidden: Texts that must not be in what comes back.
    """
    applied = await _ask(link, channel, ("POST", f"/identities/{channel}"), identity, hidden)
    return applied if applied.error else _starting(applied)


async def apply_removal(
    link: RouterLink, channel: str, identity: str, hidden: list[str]
) -> Applied:
    """Tell the router to forget an identity; one that it does not know is forgotten."""
    applied = await _ask(
        link, channel, ("DELETE", f"/identities/{channel}/{identity}"), None, hidden
    )
    if applied.status == 404:  # not found
        return Applied(done=True)
    return applied


async def _ask(
    link: RouterLink,
    channel: str,
    request: tuple[str, str],
    body: Fields | None,
    hidden: list[str],
) -> Applied:
    try:
        answer = await link.ask(*request, body=body)
    except OpenWorkError as error:
        if error.code == UNREACHABLE:
            later = "It is kept, and used when the router starts."
            return Applied(done=False, error=f"{error.message} {later}")
        return Applied(
            done=False, error=without(error.message, hidden), status=error.details["status"]
        )
    said = answer.get(channel)
    if not isinstance(said, dict):
        return Applied(done=False, error=f"What answers at {link.base_url} is no messaging router.")
    kept: Fields = {key: value for key, value in said.items() if key in _SAID}
    if "error" in kept:
        kept["error"] = without(kept["error"], hidden)
    return Applied(done=True, said=kept)


def _starting(applied: Applied) -> Applied:
    """By the router's own word: a bot that is starting, or that failed to, is not applied."""
    said = applied.said
    return Applied(done=said.get("applied") is True, said=said, error=str(said.get("error") or ""))
