"""Which sessions belong to a task: its own, and those its agent began for helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openwork.engine.client import EngineClient


class SessionFamily:
    """A session and all that were begun by it. Each session is looked up once.

    Args:
        client: The engine.
        session_id: The first of the family.
    """

    def __init__(self, client: EngineClient, session_id: str) -> None:
        self._client = client
        self._known = {session_id: True}

    async def holds(self, session_id: str) -> bool:
        """Whether a session belongs to the family.

        Raises:
            OpenWorkError: As the engine's client.
        """
        if session_id not in self._known:
            parent = (await self._client.session(session_id)).parent_id
            self._known[session_id] = parent is not None and await self.holds(parent)
        return self._known[session_id]
