"""A workspace's identity in the messaging router: what is there, and changes through the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openwork.common import log
from openwork.common.errors import OpenWorkError
from openwork.server.router_link import (
    HEALTH_TIMEOUT_S,
    identity_of,
    items_of,
    router_of,
    without,
)

if TYPE_CHECKING:
    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext
    from openwork.server.registry import Workspace
    from openwork.server.router_link import Fields

_TOKENS = frozenset({"token", "botToken", "appToken"})
_SAID = frozenset(
    {"id", "enabled", "access", "pairingRequired", "applied", "starting", "error", "deleted", "bot"}
)


class IdentityChange:
    """A change of the workspace's identity in one channel, through the gate."""

    def __init__(
        self, context: ServerContext, actor: Actor, workspace: Workspace, channel: str, action: str
    ) -> None:
        self._link = router_of(context.settings.router_port)
        self._context = context
        self._actor = actor
        self._workspace = workspace
        self._channel = channel
        self._action = action
        self._identity = identity_of(workspace.id)

    async def set_identity(self, fields: Fields, *, with_tokens: bool = True) -> Fields:
        """Tell the router; what it says of the identity, without secrets."""
        given = {key: str(fields[key]).strip() for key in fields if key in _TOKENS}
        tokens = list(given.values())
        if with_tokens and not all(tokens):
            raise OpenWorkError("token_required", "A token is missing.", status=400)
        for token in tokens:
            log.hide(token)
        about: Fields = {"id": self._identity, "directory": str(self._workspace.path)}
        body: Fields = {**about, **fields, **given}
        return await self._ask("Connect", "POST", f"/identities/{self._channel}", body, tokens)

    async def remove_identity(self) -> Fields:
        """Tell the router to forget it; what it says of it."""
        path = f"/identities/{self._channel}/{self._identity}"
        return await self._ask("Disconnect", "DELETE", path, None, [])

    async def _ask(
        self, verb: str, method: str, path: str, body: Fields | None, hidden: list[str]
    ) -> Fields:
        async with self._context.gate.change(
            self._actor,
            self._workspace,
            action=self._action,
            summary=f"{verb} {self._channel.capitalize()}",
            paths=[],
            target=f"{self._channel}:{self._identity}",
        ):
            answer = await self._link.ask(method, path, body=body)
        said = answer.get(self._channel)
        fields = said if isinstance(said, dict) else {}
        kept = {key: value for key, value in fields.items() if key in _SAID}
        if "error" in kept:
            kept["error"] = without(kept["error"], hidden)
        return kept


async def identities(context: ServerContext, workspace: Workspace, channel: str) -> list[Fields]:
    """The workspace's identity in a channel as a list of at most one."""
    link = router_of(context.settings.router_port)
    answer = await link.ask("GET", f"/identities/{channel}", timeout_s=HEALTH_TIMEOUT_S)
    return items_of(answer, identity_of(workspace.id), "id")


def applied_answer(channel: str, said: Fields) -> dict[str, Any]:
    """``{ok, persisted, applied, CHANNEL, applyError?}`` from what the router said."""
    applied = said.get("applied", said.get("deleted")) is True
    body: dict[str, Any] = {"ok": True, "persisted": True, "applied": applied, channel: said}
    if not applied and said.get("error"):
        body["applyError"] = said["error"]
    return body
