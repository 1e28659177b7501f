"""A workspace's identity in the messaging router: shown, connected, switched and removed.

A change is kept in the router's configuration file first and told to the running router then, so
that a router that is down has it at its next start. Tokens are in no answer, log or audit entry.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from openwork.common import log
from openwork.common.errors import OpenWorkError
from openwork.server.router_apply import Applied, apply_identity, apply_removal
from openwork.server.router_config import TOKENS, RouterConfig
from openwork.server.router_link import (
    HEALTH_TIMEOUT_S,
    UNREACHABLE,
    channel_of,
    identity_of,
    items_of,
    pairing,
    router_of,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext
    from openwork.server.gate import Change
    from openwork.server.messaging_bodies import Identity, TelegramSwitch, Tokens
    from openwork.server.registry import Workspace
    from openwork.server.router_config import KeptIdentity
    from openwork.server.router_link import Fields

_TOKEN = re.compile(r"[!-~]+")
_WAITING = " (kept; the running router has not taken it)"


async def identities(context: ServerContext, workspace: Workspace, channel: str) -> list[Fields]:
    """The workspace's identity in a channel as a list of at most one.

    As the router tells it; one that only the file has, and all when the router is down, with
    ``running: false``.

    Raises:
        OpenWorkError: ``invalid_channel``, ``opencodeRouter_unconfigured``,
            ``opencodeRouter_request_failed``; as ``RouterConfig``.
    """
    link = router_of(context.settings.router_port)
    name = identity_of(workspace.id)
    path = f"/identities/{channel_of(channel)}"
    try:
        found = items_of(await link.ask("GET", path, timeout_s=HEALTH_TIMEOUT_S), name, "id")
    except OpenWorkError as error:
        if error.code != UNREACHABLE:
            raise
        found = []
    if found:
        return found
    config = RouterConfig(context.settings.router_config)
    kept = await asyncio.to_thread(config.identity, channel, name)
    return [] if kept is None else [{**kept.shown, "running": False}]


async def telegram_status(context: ServerContext, workspace: Workspace) -> dict[str, Any]:
    """``{ok, configured, enabled, bot}``; raises as ``identities``."""
    found = await identities(context, workspace, "telegram")
    one: Fields = found[0] if found else {}
    return {
        "ok": True,
        "configured": bool(found),
        "enabled": one.get("enabled") is True,
        "bot": one.get("bot"),
    }


class IdentityChange:
    """Changes of the workspace's identity in one channel, for one caller, through the gate.

    Every method raises ``OpenWorkError`` as ``Gate.change`` and ``RouterConfig`` do. That the
    router does not answer, or refuses, is no error: the answer tells it as ``applyError``.
    """

    def __init__(
        self, context: ServerContext, actor: Actor, workspace: Workspace, channel: str
    ) -> None:
        """Raises ``OpenWorkError`` ``invalid_channel``, ``opencodeRouter_unconfigured``."""
        self._link = router_of(context.settings.router_port)
        self._config = RouterConfig(context.settings.router_config)
        self._context = context
        self._actor = actor
        self._workspace = workspace
        self._channel = channel_of(channel)
        self._identity = identity_of(workspace.id)

    async def connect_tokens(self, body: Tokens) -> dict[str, Any]:
        """Connect in the older form: tokens only, what else is set of it stays.

        Raises:
            OpenWorkError: ``token_required``, ``invalid_payload``.
        """
        tokens = _tokens(self._channel, body)
        action = "set-token" if len(tokens) == 1 else "set-tokens"
        return await self._connect(action, tokens, {"configured": True})

    async def connect(self, body: Identity) -> dict[str, Any]:
        """Connect a bot or an app. The pairing code of a private bot is in this answer only.

        Raises:
            OpenWorkError: ``token_required``, ``invalid_payload``, ``invalid_pairing_code``,
                ``identity_mismatch``, ``invalid_identity``.
        """
        identity_of(self._workspace.id, body.id)
        fields: Fields = {**_tokens(self._channel, body), "enabled": body.enabled}
        shown: Fields = {}
        if self._channel == "telegram":
            fields |= {"access": body.access, "pairingCodeHash": None}
            if body.access == "private":
                shown["pairingCode"], fields["pairingCodeHash"] = pairing(body.pairing_code)
        return await self._connect("identity.upsert", fields, shown)

    async def switch(self, body: TelegramSwitch) -> dict[str, Any]:
        """Turn it on or off, or forget it: ``{ok, persisted, enabled, applied, applyError?}``.

        Raises:
            OpenWorkError: ``token_required`` when there is none to turn on or off.
        """
        if body.clear_token:
            _, applied = await self._remove("set-enabled")
            return applied.answer(enabled=False)
        if await asyncio.to_thread(self._config.identity, self._channel, self._identity) is None:
            raise self._not_connected()
        verb = "Turn on" if body.enabled else "Turn off"
        fields: Fields = {"enabled": body.enabled}
        _, applied = await self._change("set-enabled", verb, fields, add=False)
        return applied.answer(enabled=body.enabled)

    async def remove(self, name: str) -> dict[str, Any]:
        """Disconnect it: ``{ok, persisted, applied, CHANNEL: {id, deleted}}``.

        Raises:
            OpenWorkError: ``identity_mismatch``, ``invalid_identity``.
        """
        identity_of(self._workspace.id, name)
        gone, applied = await self._remove("identity.delete")
        deleted = gone or applied.said.get("deleted") is True
        return applied.answer(**{self._channel: {"id": self._identity, "deleted": deleted}})

    async def _connect(self, action: str, fields: Fields, more: Fields) -> dict[str, Any]:
        fields = {"directory": str(self._workspace.path), **fields}
        kept, applied = await self._change(action, "Connect", fields)
        return applied.answer(**{self._channel: {**kept.shown, **applied.said, **more}})

    async def _change(
        self, action: str, verb: str, fields: Fields, *, add: bool = True
    ) -> tuple[KeptIdentity, Applied]:
        async with self._gate(action, verb) as change:
            kept = await self._keep(fields, add=add)
            for secret in kept.secrets:
                log.hide(secret)
            applied = await apply_identity(self._link, self._channel, kept.told, kept.secrets)
            # The router writes the file too, whole, and may not have read it since its start.
            kept = await self._keep(kept.told)
            change.summary += _WAITING if applied.error else ""
        return kept, applied

    async def _keep(self, fields: Fields, *, add: bool = True) -> KeptIdentity:
        kept = await asyncio.to_thread(
            self._config.change, self._channel, self._identity, fields, add=add
        )
        if kept is None:
            raise self._not_connected()
        return kept

    async def _remove(self, action: str) -> tuple[bool, Applied]:
        remove = self._config.remove, self._channel, self._identity
        async with self._gate(action, "Disconnect") as change:
            gone = await asyncio.to_thread(*remove)
            hidden = gone.secrets if gone is not None else []
            applied = await apply_removal(self._link, self._channel, self._identity, hidden)
            await asyncio.to_thread(*remove)  # as in _change
            change.summary += _WAITING if applied.error else ""
        return gone is not None, applied

    def _gate(self, action: str, verb: str) -> AbstractAsyncContextManager[Change]:
        return self._context.gate.change(
            self._actor,
            self._workspace,
            action=f"opencodeRouter.{self._channel}.{action}",
            summary=f"{verb} {self._channel.capitalize()}",
            paths=[self._config.path],
            target=f"{self._channel}:{self._identity}",
        )

    def _not_connected(self) -> OpenWorkError:
        return OpenWorkError(
            "token_required",
            f"This workspace has no {self._channel.capitalize()} identity.",
            hint=f"Connect one first: POST …/opencode-router/identities/{self._channel}",
            status=400,
        )


def _tokens(channel: str, body: Tokens) -> Fields:
    given = body.model_dump(by_alias=True)
    tokens: Fields = {name: str(given[name]).strip() for name in TOKENS[channel]}
    for name, token in tokens.items():
        if not token:
            raise OpenWorkError("token_required", f"{name} is missing.", status=400)
        if not _TOKEN.fullmatch(str(token)):
            raise OpenWorkError(
                "invalid_payload", f"{name} holds what no token has, as a space.", status=400
            )
        log.hide(str(token))
    return tokens
