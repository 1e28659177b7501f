"""``/w/ID/…``: the whole API for one workspace under one base address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.server.errors import NOT_FOUND, send_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def split_mount(path: str) -> tuple[str, str] | None:
    """``/w/ID/rest`` as (ID, ``/rest``); None for any other path."""
    if not path.startswith("/w/"):
        return None
    workspace_id, slash, rest = path[3:].partition("/")
    return (workspace_id, slash + rest) if workspace_id else None


class MountMiddleware:
    """Serves ``/w/ID/rest`` as ``/rest`` with the mount noted in the scope's state.

    ``/w/A/workspace/B/…`` is 404 unless A is B. Decisions read the scope's path, never the URL.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve ``/w/:id/…`` as the path below it."""
        mounted = split_mount(scope.get("path", ""))
        if mounted is None:
            await self._app(scope, receive, send)
            return
        workspace_id, rest = mounted
        parts = rest.split("/")
        nested = len(parts) > 2 and parts[1] == "workspace"
        if nested and parts[2] != workspace_id:
            await send_error(send, NOT_FOUND)
            return
        state = {**scope.get("state", {}), "mount": workspace_id}
        inner = {**scope, "path": rest or "/", "raw_path": (rest or "/").encode(), "state": state}
        await self._app(inner, receive, send)
