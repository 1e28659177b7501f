"""Issue, list and revoke tokens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import Field

from openwork.common.errors import OpenWorkError
from openwork.server.access import HOST, HOST_CHANGE, Caller, Context, access, guarded_router
from openwork.server.audit import SERVER_LOG, AuditRecord
from openwork.server.scope import Scope
from openwork.server.wire import Ok, WireModel

if TYPE_CHECKING:
    from openwork.server.auth import Actor
    from openwork.server.context import ServerContext

router = guarded_router("tokens")


class NewToken(WireModel):
    """``POST /tokens``."""

    scope: Any = Field(default=None, json_schema_extra={"enum": [each.wire for each in Scope]})
    label: str | None = Field(default=None, max_length=200)


@router.get("/tokens", summary="List the issued tokens")
@access(HOST, answers="TokenList")
async def list_tokens(context: Context) -> dict[str, Any]:
    """The issued tokens, newest first, without their secrets."""
    return {"items": [token.to_json() for token in context.tokens.list()]}


@router.post("/tokens", status_code=201, summary="Issue a new token")
@access(HOST_CHANGE, answers="NewTokenSecret")
async def issue_token(context: Context, actor: Caller, body: NewToken) -> dict[str, Any]:
    """A new token. Its secret is in this answer and nowhere else."""
    if body.scope not in [scope.wire for scope in Scope]:
        raise OpenWorkError(
            "invalid_scope", "scope must be owner, collaborator or viewer.", status=400
        )
    label = (body.label or "").strip() or None
    token, secret = await asyncio.to_thread(
        context.tokens.issue, Scope.from_wire(body.scope), label
    )
    named = f" ({label})" if label else ""
    await _record(context, actor, "tokens.issue", token.id, f"Issued a {body.scope} token{named}")
    return {"token": secret, **token.to_json()}


@router.delete("/tokens/{token_id}", summary="Revoke an issued token")
@access(HOST_CHANGE, answers="Ok", raises=(404,))
async def revoke_token(context: Context, actor: Caller, token_id: str) -> Ok:
    """Make a token worthless: its next request is refused and its open streams are cut."""
    context.tokens.revoke(token_id)
    await _record(context, actor, "tokens.revoke", token_id, "Revoked a token")
    return Ok()


async def _record(
    context: ServerContext, actor: Actor, action: str, token_id: str, summary: str
) -> None:
    await context.audit.append(AuditRecord(SERVER_LOG, actor, action, token_id, summary))
