"""Versions and upgrades of what the host runs, asked of its control endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from openwork.common.errors import OpenWorkError
from openwork.server.access import CLIENT, HOST_CHANGE, Context, access, guarded_router
from openwork.server.forward import Service, UnreachableError, shown
from openwork.server.wire import WireModel

if TYPE_CHECKING:
    from openwork.server.context import ServerContext
    from openwork.workspace.jsonc import JsonValue

router = guarded_router("runtime")

CONTROL_TIMEOUT_S = 10.0


class Upgrade(WireModel):
    """``POST /runtime/upgrade``: passed on as it is."""

    model_config = ConfigDict(extra="allow")

    services: list[str] | None = None


@router.get("/runtime/versions", summary="Read which versions the host runs")
@access(CLIENT, answers="RuntimeAnswer", raises=(501, 502))
async def versions(context: Context) -> dict[str, Any]:
    """What runs, in which version, and what could be upgraded."""
    return await _ask(context, "GET", "/runtime/versions", None)


@router.post("/runtime/upgrade", status_code=202, summary="Begin an upgrade of the host's services")
@access(HOST_CHANGE, answers="RuntimeAnswer", raises=(409, 501, 502))
async def upgrade(context: Context, body: Upgrade) -> dict[str, Any]:
    """Begin an upgrade; ``GET /runtime/versions`` tells how it goes."""
    return await _ask(context, "POST", "/runtime/upgrade", body.model_dump(exclude_none=True))


async def _ask(
    context: ServerContext, method: str, path: str, body: dict[str, JsonValue] | None
) -> dict[str, Any]:
    settings = context.settings
    if not settings.control_base_url or not settings.control_token:
        raise OpenWorkError(
            "runtime_upgrade_unavailable",
            "This server knows of no host that can tell versions and upgrade it.",
            hint="Name the host's control endpoint: OPENWORK_CONTROL_BASE_URL, "
            "OPENWORK_CONTROL_TOKEN.",
            status=501,
        )
    headers = ((b"authorization", f"Bearer {settings.control_token}".encode()),)
    service = Service(settings.control_base_url, headers, CONTROL_TIMEOUT_S)
    try:
        answer = await service.send(method, path, body=body)
    except UnreachableError as error:
        raise OpenWorkError(
            "runtime_upgrade_failed", f"The host does not answer: {error}.", status=502
        ) from error
    if answer.ok:
        return answer.fields()
    known = 400 <= answer.status < 600  # what a failure may be
    raise OpenWorkError(
        "runtime_upgrade_failed",
        f"The host refused with {answer.status}.",
        # Its 401 is about our token, not the caller's.
        status=answer.status if known and answer.status not in {401, 403} else 502,
        details=shown(answer),
    )
