"""A workspace's messaging: its identity in the router, who talks to it, and sending.

The router keeps what it is told; here it is decided who may tell it what. Tokens pass through and
are in no answer, log or audit entry.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from openwork.common.errors import OpenWorkError
from openwork.server.access import (
    CHANGE,
    COLLABORATOR,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.audit import AuditRecord
from openwork.server.router_identity import IdentityChange, applied_answer, identities
from openwork.server.router_link import (
    CHANNELS,
    HEALTH_TIMEOUT_S,
    SEND_TIMEOUT_S,
    identity_of,
    items_of,
    pairing,
    router_of,
)
from openwork.server.routes.messaging_bodies import (
    FILE_MARK,
    Binding,
    OutgoingText,
    SlackIdentity,
    SlackTokens,
    TelegramIdentity,
    TelegramSwitch,
    TelegramToken,
)
from openwork.workspace.paths import resolve_directory

if TYPE_CHECKING:
    from openwork.server.registry import Workspace
    from openwork.server.router_link import Fields

router = guarded_router("messaging")

ROOT = "/workspace/{workspace_id}/opencode-router"
TELEGRAM, SLACK = CHANNELS


@router.get(f"{ROOT}/health")
@access(COLLABORATOR)
async def read_health(context: Context, workspace: Target) -> dict[str, Any]:  # noqa: ARG001  # the path's workspace is checked
    """The router's own account; 503 from it when its engine is unwell is an account too."""
    link = router_of(context.settings.router_port)
    answer = await link.send("GET", "/health", timeout_s=HEALTH_TIMEOUT_S)
    fields = answer.fields()
    if not isinstance(fields.get("ok"), bool):
        raise OpenWorkError(
            "opencodeRouter_invalid_health",
            f"What answers at {link.base_url} is no messaging router.",
            hint="Correct OPENCODE_ROUTER_HEALTH_PORT.",
            status=502,
        )
    return fields


@router.get(f"{ROOT}/telegram")
@access(COLLABORATOR)
async def read_telegram(context: Context, workspace: Target) -> dict[str, Any]:
    """``{ok, configured, enabled, bot}`` of the workspace's Telegram identity."""
    found = await identities(context, workspace, TELEGRAM)
    one: Fields = found[0] if found else {}
    return {
        "ok": True,
        "configured": bool(found),
        "enabled": one.get("enabled") is True,
        "bot": one.get("bot"),
    }


@router.post(f"{ROOT}/telegram-token")
@access(CHANGE)
async def set_telegram_token(
    context: Context, actor: Caller, workspace: Target, body: TelegramToken
) -> dict[str, Any]:
    """Connect a Telegram bot, in the older form."""
    change = IdentityChange(
        context, actor, workspace, TELEGRAM, "opencodeRouter.telegram.set-token"
    )
    said = await change.set_identity({"token": body.token})
    return applied_answer(TELEGRAM, {"configured": True, **said})


@router.post(f"{ROOT}/slack-tokens")
@access(CHANGE)
async def set_slack_tokens(
    context: Context, actor: Caller, workspace: Target, body: SlackTokens
) -> dict[str, Any]:
    """Connect a Slack app, in the older form."""
    change = IdentityChange(context, actor, workspace, SLACK, "opencodeRouter.slack.set-tokens")
    said = await change.set_identity({"botToken": body.bot_token, "appToken": body.app_token})
    return applied_answer(SLACK, {"configured": True, **said})


@router.post(f"{ROOT}/telegram-enabled")
@access(CHANGE)
async def switch_telegram(
    context: Context, actor: Caller, workspace: Target, body: TelegramSwitch
) -> dict[str, Any]:
    """Turn the workspace's Telegram bot on or off; ``clearToken`` forgets it."""
    change = IdentityChange(
        context, actor, workspace, TELEGRAM, "opencodeRouter.telegram.set-enabled"
    )
    if body.clear_token:
        await change.remove_identity()
        return {"ok": True, "persisted": True, "enabled": False, "applied": True}
    said = await change.set_identity({"enabled": body.enabled}, with_tokens=False)
    applied = applied_answer(TELEGRAM, said)
    del applied[TELEGRAM]
    return {**applied, "enabled": body.enabled}


@router.get(f"{ROOT}/identities/telegram")
@access(COLLABORATOR)
async def list_telegram(context: Context, workspace: Target) -> dict[str, Any]:
    """``{ok, items}``: the workspace's Telegram identity, if it has one."""
    return {"ok": True, "items": await identities(context, workspace, TELEGRAM)}


@router.post(f"{ROOT}/identities/telegram")
@access(CHANGE)
async def set_telegram(
    context: Context, actor: Caller, workspace: Target, body: TelegramIdentity
) -> dict[str, Any]:
    """Connect a Telegram bot. The pairing code of a private one is in this answer only."""
    identity_of(workspace.id, body.id)
    fields: Fields = {"token": body.token, "enabled": body.enabled, "access": body.access}
    shown: Fields = {}
    if body.access == "private":
        shown["pairingCode"], fields["pairingCodeHash"] = pairing(body.pairing_code)
    change = IdentityChange(
        context, actor, workspace, TELEGRAM, "opencodeRouter.telegram.identity.upsert"
    )
    return applied_answer(TELEGRAM, {**await change.set_identity(fields), **shown})


@router.delete(f"{ROOT}/identities/telegram/{{name}}")
@access(CHANGE)
async def remove_telegram(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """Disconnect the workspace's Telegram bot."""
    identity_of(workspace.id, name)
    change = IdentityChange(
        context, actor, workspace, TELEGRAM, "opencodeRouter.telegram.identity.delete"
    )
    return applied_answer(TELEGRAM, await change.remove_identity())


@router.get(f"{ROOT}/identities/slack")
@access(COLLABORATOR)
async def list_slack(context: Context, workspace: Target) -> dict[str, Any]:
    """``{ok, items}``: the workspace's Slack identity, if it has one."""
    return {"ok": True, "items": await identities(context, workspace, SLACK)}


@router.post(f"{ROOT}/identities/slack")
@access(CHANGE)
async def set_slack(
    context: Context, actor: Caller, workspace: Target, body: SlackIdentity
) -> dict[str, Any]:
    """Connect a Slack app."""
    identity_of(workspace.id, body.id)
    fields: Fields = {
        "botToken": body.bot_token,
        "appToken": body.app_token,
        "enabled": body.enabled,
    }
    change = IdentityChange(
        context, actor, workspace, SLACK, "opencodeRouter.slack.identity.upsert"
    )
    return applied_answer(SLACK, await change.set_identity(fields))


@router.delete(f"{ROOT}/identities/slack/{{name}}")
@access(CHANGE)
async def remove_slack(
    context: Context, actor: Caller, workspace: Target, name: str
) -> dict[str, Any]:
    """Disconnect the workspace's Slack app."""
    identity_of(workspace.id, name)
    change = IdentityChange(
        context, actor, workspace, SLACK, "opencodeRouter.slack.identity.delete"
    )
    return applied_answer(SLACK, await change.remove_identity())


@router.get(f"{ROOT}/bindings")
@access(COLLABORATOR)
async def list_bindings(
    context: Context,
    workspace: Target,
    channel: str = "",
    identityId: str = "",  # noqa: N803  # the wire's name
) -> dict[str, Any]:
    """``{ok, items}``: which conversations of the workspace's identity work in which folder."""
    link = router_of(context.settings.router_port)
    identity = identity_of(workspace.id, identityId)
    query = {"identityId": identity}
    if channel:
        query["channel"] = _channel(channel)
    answer = await link.ask("GET", "/bindings", query=urlencode(query))
    return {"ok": True, "items": items_of(answer, identity, "identityId")}


@router.post(f"{ROOT}/bindings")
@access(CHANGE)
async def set_binding(
    context: Context, actor: Caller, workspace: Target, body: Binding
) -> dict[str, Any]:
    """Let a conversation work in a folder of the workspace, or let it go."""
    link = router_of(context.settings.router_port)
    channel, peer = _channel(body.channel), body.peer_id.strip()
    if not peer:
        raise OpenWorkError("peer_required", "peerId is missing.", status=400)
    identity = identity_of(workspace.id, body.identity_id)
    wanted = (body.directory or "").strip()
    folder = _folder(workspace, wanted) if wanted else ""
    verb, action = ("Bind", "set") if wanted else ("Release", "clear")
    async with context.gate.change(
        actor,
        workspace,
        action=f"opencodeRouter.binding.{action}",
        summary=f"{verb} a {channel} conversation" + (f" to {folder}" if folder else ""),
        paths=[Path(folder)] if folder else [],
        target=f"{channel}:{identity}",
    ):
        fields: Fields = {"channel": channel, "identityId": identity, "peerId": peer}
        await link.ask("POST", "/bindings", body={**fields, "directory": folder})
    return {"ok": True}


@router.post(f"{ROOT}/send")
@access(CHANGE)
async def send_text(
    context: Context, actor: Caller, workspace: Target, body: OutgoingText
) -> dict[str, Any]:
    """Send a text; needs no approval, but is recorded, without the text."""
    link = router_of(context.settings.router_port)
    channel, identity = _channel(body.channel), identity_of(workspace.id, body.identity_id)
    if not body.text.strip():
        raise OpenWorkError("text_required", "text is missing.", status=400)
    if body.text.lstrip().startswith(FILE_MARK):
        raise OpenWorkError(
            "invalid_payload", f"A text cannot start with {FILE_MARK}: it names a file.", status=400
        )
    if body.directory is not None and not body.directory.strip():
        raise OpenWorkError("directory_required", "directory is blank.", status=400)
    folder = _folder(workspace, body.directory) if body.directory else str(workspace.path)
    fields: Fields = {"channel": channel, "identityId": identity, "text": body.text}
    fields["directory"] = folder
    if body.peer_id:
        fields["peerId"] = body.peer_id
    if body.auto_bind is not None:
        fields["autoBind"] = body.auto_bind
    sent = False
    try:
        answer = await link.ask("POST", "/send", body=fields, timeout_s=SEND_TIMEOUT_S)
        sent = True
    finally:
        target, summary = f"{channel}:{identity}", f"Sent a text by {channel}"
        outcome = "done" if sent else "failed"
        await context.audit.append(
            AuditRecord(workspace.id, actor, "opencodeRouter.send", target, summary, outcome)
        )
    return answer


def _channel(word: str) -> str:
    if word not in CHANNELS:
        raise OpenWorkError(
            "invalid_channel", f"channel must be {' or '.join(CHANNELS)}.", status=400
        )
    return word


def _folder(workspace: Workspace, text: str) -> str:
    """The real folder that ``text`` names, absolute or below the workspace; never another's."""
    path = Path(text.strip())
    wanted = path if path.is_absolute() else workspace.path / path
    return str(resolve_directory(workspace.root, wanted))
