"""The file session a request names: its caller's own, of a workspace that is still served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends

from openwork.server.access import Caller, Context, Mount, authorized
from openwork.workspace.file_sessions import session_not_found

if TYPE_CHECKING:
    from openwork.server.registry import Workspace
    from openwork.workspace.file_sessions import FileSession


@dataclass(frozen=True, slots=True)
class SessionTarget:
    """A session and its workspace."""

    session: FileSession
    workspace: Workspace


async def _get_session(
    context: Context, actor: Caller, mount: Mount, session_id: str
) -> SessionTarget:
    session = context.files.sessions.get(session_id, actor.token_hash)
    if mount not in {None, session.workspace_id}:
        raise session_not_found()
    return SessionTarget(session, authorized(context, session.workspace_id))


InSession = Annotated[SessionTarget, Depends(_get_session)]
