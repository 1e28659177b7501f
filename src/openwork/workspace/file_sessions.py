"""File sessions: a client's time-limited leave to work on a workspace's files. In memory only."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openwork.common.errors import OpenWorkError
from openwork.common.ids import new_id, same_secret
from openwork.workspace.file_events import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DEFAULT_TTL_S = 15 * 60
MIN_TTL_S = 30
MAX_TTL_S = 24 * 60 * 60
MAX_SESSIONS = 256


@dataclass(frozen=True, slots=True)
class FileSession:
    """One client's session.

    Attributes:
        id: Its own.
        workspace_id: Whose files.
        owner_hash: Hash of the token that made it; no other may use it.
        can_write: Whether it may change files.
        created_at_ms: When it was made, milliseconds since the epoch.
        expires_at_ms: When it ends.
    """

    id: str
    workspace_id: str
    owner_hash: str
    can_write: bool
    created_at_ms: int
    expires_at_ms: int

    def to_json(self, at_ms: int) -> dict[str, Any]:
        """``{id, workspaceId, createdAt, expiresAt, ttlMs, canWrite}``; ``ttlMs``: what is left."""
        return {
            "id": self.id,
            "workspaceId": self.workspace_id,
            "createdAt": self.created_at_ms,
            "expiresAt": self.expires_at_ms,
            "ttlMs": max(0, self.expires_at_ms - at_ms),
            "canWrite": self.can_write,
        }

    def require_can_write(self) -> None:
        """Refuse a change through a session for reading.

        Raises:
            OpenWorkError: ``forbidden`` 403.
        """
        if not self.can_write:
            raise OpenWorkError(
                "forbidden",
                "This file session is for reading only.",
                hint="Make one with write: true and a token of scope collaborator.",
                status=403,
            )


class FileSessions:
    """The sessions of one server. Safe to use from threads.

    Args:
        clock_ms: Wall clock, milliseconds since the epoch.
    """

    def __init__(self, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._sessions: dict[str, FileSession] = {}

    def create(
        self,
        workspace_id: str,
        owner_hash: str,
        *,
        can_write: bool,
        ttl_s: float | None = None,
    ) -> FileSession:
        """Make one. When there are ``MAX_SESSIONS``, one of the token with the most makes room.

        Args:
            workspace_id: Whose files.
            owner_hash: Hash of the caller's token.
            can_write: ``write`` was not declined, the server is not read-only, and the caller is a
                collaborator or more.
            ttl_s: How long; brought into ``MIN_TTL_S`` to ``MAX_TTL_S``; None for the default.
        """
        with self._lock:
            now = self._clock_ms()
            self._drop_ended(now)
            if len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[_dispensable(self._sessions.values()).id]
            ends = now + _ttl_ms(ttl_s)
            session = FileSession(new_id(), workspace_id, owner_hash, can_write, now, ends)
            self._sessions[session.id] = session
            return session

    def get(self, session_id: str, owner_hash: str) -> FileSession:
        """The caller's session.

        Raises:
            OpenWorkError: ``file_session_not_found`` 404 (never was, closed, ended),
                ``forbidden`` 403 (another token made it).
        """
        with self._lock:
            return self._get(session_id, owner_hash)

    def renew(self, session_id: str, owner_hash: str, *, ttl_s: float | None = None) -> FileSession:
        """Let it end ``ttl_s`` from now instead. Errors as ``get``."""
        with self._lock:
            session = self._get(session_id, owner_hash)
            renewed = replace(session, expires_at_ms=self._clock_ms() + _ttl_ms(ttl_s))
            self._sessions[session_id] = renewed
            return renewed

    def close(self, session_id: str, owner_hash: str) -> None:
        """End it. Errors as ``get``."""
        with self._lock:
            del self._sessions[self._get(session_id, owner_hash).id]

    def end_of_token(self, owner_hash: str) -> None:
        """The token was revoked: end what it made."""
        with self._lock:
            self._drop(lambda each: each.owner_hash == owner_hash)

    def end_of_workspace(self, workspace_id: str) -> None:
        """The workspace is gone: end its sessions."""
        with self._lock:
            self._drop(lambda each: each.workspace_id == workspace_id)

    def wire(self, session: FileSession) -> dict[str, Any]:
        """``{session}``, the answer to ``create`` and ``renew``."""
        return {"session": session.to_json(self._clock_ms())}

    def workspaces(self) -> frozenset[str]:
        """The workspaces that have a session: the catalogs of others can be forgotten."""
        with self._lock:
            self._drop_ended(self._clock_ms())
            return frozenset(session.workspace_id for session in self._sessions.values())

    def _get(self, session_id: str, owner_hash: str) -> FileSession:
        self._drop_ended(self._clock_ms())
        session = self._sessions.get(session_id)
        if session is None:
            raise session_not_found()
        if not same_secret(session.owner_hash, owner_hash):
            raise OpenWorkError(
                "forbidden",
                "This file session belongs to another token.",
                hint="Make one with this token: POST /workspace/<id>/files/sessions.",
                status=403,
            )
        return session

    def _drop_ended(self, now_ms: int) -> None:
        self._drop(lambda each: each.expires_at_ms <= now_ms)

    def _drop(self, over: Callable[[FileSession], bool]) -> None:
        for session in [each for each in self._sessions.values() if over(each)]:
            del self._sessions[session.id]


def session_not_found() -> OpenWorkError:
    """``file_session_not_found`` 404: never was, closed, ended, or of another mount."""
    return OpenWorkError(
        "file_session_not_found",
        "There is no such file session, or it has ended.",
        hint="Make a new one: POST /workspace/<id>/files/sessions.",
        status=404,
    )


def _dispensable(sessions: Collection[FileSession]) -> FileSession:
    """Of the token that has the most, the one that ends first: nobody pushes out all others."""
    held = Counter(each.owner_hash for each in sessions)
    return min(sessions, key=lambda each: (-held[each.owner_hash], each.expires_at_ms))


def _ttl_ms(ttl_s: float | None) -> int:
    wanted = DEFAULT_TTL_S if ttl_s is None else ttl_s
    return int(min(max(MIN_TTL_S, wanted), MAX_TTL_S) * 1000)
