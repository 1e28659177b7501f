"""A workspace's engine sessions; all but deletion goes through the engine's proxy."""

from __future__ import annotations

import re

from openwork.common.errors import OpenWorkError
from openwork.server.access import (
    ASKS_ENGINE,
    CHANGE,
    Caller,
    Context,
    Target,
    access,
    guarded_router,
)
from openwork.server.audit import AuditRecord
from openwork.server.directory_pin import lies_within
from openwork.server.forward import ask_engine
from openwork.server.wire import Ok

router = guarded_router("sessions")

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@router.delete(
    "/workspace/{workspace_id}/sessions/{session_id}", summary="Delete a session of the engine"
)
@access(CHANGE, answers="Ok", raises=ASKS_ENGINE)
async def delete_session(context: Context, actor: Caller, workspace: Target, session_id: str) -> Ok:
    """Delete a session and its messages in the engine."""
    if not _SESSION_ID.fullmatch(session_id):
        raise OpenWorkError(
            "invalid_session_id", "A session's id has letters, digits, _ and -.", status=400
        )
    path = f"/session/{session_id}"
    # The engine deletes any session of any folder it serves: only this workspace's may go.
    info = (await ask_engine(workspace, "GET", path)).json()
    folder = info.get("directory") if isinstance(info, dict) else None
    engine = workspace.engine
    here = (
        engine is not None
        and isinstance(folder, str)
        and lies_within(workspace.root, engine.directory, folder)
    )
    if not here or not (await ask_engine(workspace, "DELETE", path)).ok:
        raise OpenWorkError("session_not_found", f"There is no session {session_id}.", status=404)
    await context.audit.append(
        AuditRecord(workspace.id, actor, "session.delete", session_id, "Deleted a session")
    )
    return Ok()
