"""A workspace's messaging: its identity in the router, who talks to it, and sending."""

from __future__ import annotations

from typing import Any

from openwork.server import router_conversations
from openwork.server.access import (
    ASKS_ROUTER,
    CHANGE,
    COLLABORATOR,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.messaging_bodies import (  # noqa: TC001  # FastAPI reads the annotations
    Binding,
    Identity,
    OutgoingText,
    TelegramSwitch,
    Tokens,
)
from openwork.server.router_identity import IdentityChange, identities, telegram_status
from openwork.server.router_link import CHANNELS, router_of

router = guarded_router("messaging")

ROOT = "/workspace/{workspace_id}/opencode-router"
TELEGRAM, SLACK = CHANNELS


@router.get(f"{ROOT}/health", summary="Read the health of the messaging router")
@access(COLLABORATOR, answers="RouterHealth", raises=ASKS_ROUTER)
async def read_health(context: Context, workspace: Target) -> dict[str, Any]:  # noqa: ARG001  # the path's workspace is checked
    """The router's own account."""
    return await router_of(context.settings.router_port).health()


@router.get(f"{ROOT}/telegram", summary="Read the state of the Telegram bot")
@access(COLLABORATOR, answers="TelegramState", raises=ASKS_ROUTER)
async def read_telegram(context: Context, workspace: Target) -> dict[str, Any]:
    """``{ok, configured, enabled, bot}`` of the workspace's Telegram identity."""
    return await telegram_status(context, workspace)


@router.post(f"{ROOT}/telegram-token", summary="Connect a Telegram bot by its token")
@access(CHANGE, answers="TelegramApplied", raises=ASKS_ROUTER)
async def set_telegram_token(
    context: Context, actor: Caller, workspace: Target, body: Tokens
) -> dict[str, Any]:
    """Connect a Telegram bot, in the older form."""
    return await IdentityChange(context, actor, workspace, TELEGRAM).connect_tokens(body)


@router.post(f"{ROOT}/slack-tokens", summary="Connect a Slack app by its tokens")
@access(CHANGE, answers="SlackApplied", raises=ASKS_ROUTER)
async def set_slack_tokens(
    context: Context, actor: Caller, workspace: Target, body: Tokens
) -> dict[str, Any]:
    """Connect a Slack app, in the older form."""
    return await IdentityChange(context, actor, workspace, SLACK).connect_tokens(body)


@router.post(f"{ROOT}/telegram-enabled", summary="Turn the Telegram bot on or off")
@access(CHANGE, answers="TelegramSwitched", raises=ASKS_ROUTER)
async def switch_telegram(
    context: Context, actor: Caller, workspace: Target, body: TelegramSwitch
) -> dict[str, Any]:
    """Turn the workspace's Telegram bot on or off; ``clearToken`` forgets it."""
    return await IdentityChange(context, actor, workspace, TELEGRAM).switch(body)


@router.get(
    f"{ROOT}/identities/{{channel}}", summary="List the identity of a workspace in a channel"
)
@access(COLLABORATOR, answers="IdentityList", raises=ASKS_ROUTER)
async def list_identities(context: Context, workspace: Target, channel: str) -> dict[str, Any]:
    """``{ok, items}``: the workspace's identity in ``telegram`` or ``slack``, if it has one."""
    return {"ok": True, "items": await identities(context, workspace, channel)}


@router.post(f"{ROOT}/identities/{{channel}}", summary="Connect a bot or an app to a workspace")
@access(CHANGE, answers="IdentityApplied", raises=ASKS_ROUTER)
async def set_identity(
    context: Context, actor: Caller, workspace: Target, channel: str, body: Identity
) -> dict[str, Any]:
    """Connect a bot or an app. The pairing code of a private one is in this answer only."""
    return await IdentityChange(context, actor, workspace, channel).connect(body)


@router.delete(
    f"{ROOT}/identities/{{channel}}/{{name}}", summary="Disconnect the bot or app of a workspace"
)
@access(CHANGE, answers="IdentityApplied", raises=ASKS_ROUTER)
async def remove_identity(
    context: Context, actor: Caller, workspace: Target, channel: str, name: str
) -> dict[str, Any]:
    """Disconnect the workspace's bot or app."""
    return await IdentityChange(context, actor, workspace, channel).remove(name)


@router.get(f"{ROOT}/bindings", summary="List the conversations bound to folders")
@access(COLLABORATOR, answers="BindingList", raises=ASKS_ROUTER)
async def list_bindings(
    context: Context,
    workspace: Target,
    channel: str = "",
    identityId: str = "",  # noqa: N803  # the wire's name
) -> dict[str, Any]:
    """``{ok, items}``: which conversations of the workspace's identity work in which folder."""
    items = await router_conversations.bindings(context, workspace, channel, identityId)
    return {"ok": True, "items": items}


@router.post(f"{ROOT}/bindings", summary="Bind a conversation to a folder, or release it")
@access(CHANGE, answers="Ok", raises=ASKS_ROUTER)
async def set_binding(
    context: Context, actor: Caller, workspace: Target, body: Binding
) -> dict[str, Any]:
    """Let a conversation work in a folder of the workspace, or let it go."""
    await router_conversations.bind(context, actor, workspace, body)
    return {"ok": True}


@router.post(f"{ROOT}/send", summary="Send a text to conversations")
@access(CHANGE, answers="RouterAnswer", raises=ASKS_ROUTER)
async def send_text(
    context: Context, actor: Caller, workspace: Target, body: OutgoingText
) -> dict[str, Any]:
    """Send a text; needs no approval, but is recorded, without the text."""
    return await router_conversations.send(context, actor, workspace, body)
