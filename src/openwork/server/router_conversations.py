"""The conversations of a workspace's messaging identity: their folders, and texts sent to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from openwork.common.errors import OpenWorkError
from openwork.server.audit import AuditRecord
from openwork.server.router_link import (
    SEND_TIMEOUT_S,
    channel_of,
    identity_of,
    items_of,
    router_of,
)
from openwork.workspace.paths import resolve_directory

if TYPE_CHECKING:
    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext
    from openwork.server.messaging_bodies import Binding, OutgoingText
    from openwork.server.registry import Workspace
    from openwork.server.router_link import Fields

# The router takes a text that starts so for the path of a file to send.
FILE_MARK = "FILE:"


async def bindings(
    context: ServerContext, workspace: Workspace, channel: str, given: str
) -> list[Fields]:
    """Which conversations of the workspace's identity work in which folder.

    Args:
        context: The server's parts.
        workspace: Whose.
        channel: Only of this one; "" for all.
        given: The identity as the caller names it, or "".

    Raises:
        OpenWorkError: ``invalid_channel``, ``identity_mismatch``, ``invalid_identity``; as
            ``RouterLink.ask``.
    """
    link = router_of(context.settings.router_port)
    identity = identity_of(workspace.id, given)
    query = {"identityId": identity}
    if channel:
        query["channel"] = channel_of(channel)
    answer = await link.ask("GET", "/bindings", query=urlencode(query))
    return items_of(answer, identity, "identityId")


async def bind(
    context: ServerContext, actor: Actor, workspace: Workspace, binding: Binding
) -> None:
    """Let a conversation work in a folder of the workspace, or let it go.

    Raises:
        OpenWorkError: ``peer_required``, ``workspace_unauthorized``; as ``bindings`` and
            ``Gate.change``.
    """
    link = router_of(context.settings.router_port)
    channel, peer = channel_of(binding.channel), binding.peer_id.strip()
    if not peer:
        raise OpenWorkError("peer_required", "peerId is missing.", status=400)
    identity = identity_of(workspace.id, binding.identity_id)
    wanted = (binding.directory or "").strip()
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
        if wanted:
            folder = _folder(workspace, wanted)  # it may lead elsewhere by now
        fields: Fields = {"channel": channel, "identityId": identity, "peerId": peer}
        await link.ask("POST", "/bindings", body={**fields, "directory": folder})


async def send(
    context: ServerContext, actor: Actor, workspace: Workspace, text: OutgoingText
) -> dict[str, Any]:
    """Send a text; needs no approval, but is recorded, without the text.

    Returns:
        What the router says of it.

    Raises:
        OpenWorkError: ``text_required``, ``directory_required``, ``invalid_payload``,
            ``workspace_unauthorized``; as ``bindings``.
    """
    link = router_of(context.settings.router_port)
    fields = _outgoing(workspace, text)
    sent = False
    try:
        answer = await link.ask("POST", "/send", body=fields, timeout_s=SEND_TIMEOUT_S)
        sent = True
    finally:
        target, summary = f"{text.channel}:{fields['identityId']}", f"Sent a text by {text.channel}"
        outcome = "done" if sent else "failed"
        await context.audit.append(
            AuditRecord(workspace.id, actor, "opencodeRouter.send", target, summary, outcome)
        )
    return answer


def _outgoing(workspace: Workspace, text: OutgoingText) -> Fields:
    fields: Fields = {"channel": channel_of(text.channel)}
    fields["identityId"] = identity_of(workspace.id, text.identity_id)
    if not text.text.strip():
        raise OpenWorkError("text_required", "text is missing.", status=400)
    if text.text.lstrip().startswith(FILE_MARK):
        raise OpenWorkError(
            "invalid_payload", f"A text cannot start with {FILE_MARK}: it names a file.", status=400
        )
    if text.directory is not None and not text.directory.strip():
        raise OpenWorkError("directory_required", "directory is blank.", status=400)
    fields["text"] = text.text
    fields["directory"] = (
        _folder(workspace, text.directory) if text.directory else str(workspace.path)
    )
    if text.peer_id:
        fields["peerId"] = text.peer_id
    if text.auto_bind is not None:
        fields["autoBind"] = text.auto_bind
    return fields


def _folder(workspace: Workspace, text: str) -> str:
    """The real folder that ``text`` names, absolute or below the workspace; never another's."""
    path = Path(text.strip())
    wanted = path if path.is_absolute() else workspace.path / path
    return str(resolve_directory(workspace.root, wanted))
