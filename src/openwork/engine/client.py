"""A typed asynchronous client of the engine, directly or through an OpenWork server's proxy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError

from openwork.common.errors import OpenWorkError
from openwork.engine.models import (
    Health,
    Message,
    PermissionReply,
    PermissionRequest,
    Provider,
    Providers,
    Session,
    Todo,
)
from openwork.engine.pin import is_supported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

REQUEST_TIMEOUT_S = 30.0
PROBE_TIMEOUT_S = 1.0
T = TypeVar("T")


class EngineClient:
    """The routes of OpenCode 1.18 that we use.

    Args:
        base_url: ``http://127.0.0.1:PORT`` or ``http://HOST:PORT/w/ID/opencode``.
        headers: Sent with every request: the authorization.
        directory: The workspace folder, sent as ``x-opencode-directory``; None through a proxy that
            pins it.
    """

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str], directory: str | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        if directory is not None:
            self._headers["x-opencode-directory"] = quote(directory, safe="/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """The open HTTP session.

        Raises:
            RuntimeError: Used outside ``async with``.
        """
        if self._session is None:
            raise RuntimeError("use EngineClient inside 'async with'")
        return self._session

    async def health(self, *, timeout_s: float = PROBE_TIMEOUT_S) -> Health:
        """One bounded probe of ``GET /global/health``.

        Raises:
            OpenWorkError: ``engine_unreachable`` when nothing answers in time,
                ``engine_unsupported`` when what answers is not OpenCode 1.18.
        """
        health = await self._call("GET", "/global/health", Health, timeout_s=timeout_s)
        if not is_supported(health.version):
            raise OpenWorkError(
                "engine_unsupported",
                f"The engine at {self.base_url} is OpenCode {health.version}; "
                "OpenWork speaks to 1.18.",
                hint="Use the engine OpenWork installs (leave out --opencode-bin).",
            )
        return health

    async def sessions(self) -> list[Session]:
        """The directory's sessions."""
        return await self._call("GET", "/session", list[Session])

    async def create_session(self, title: str | None = None) -> Session:
        """A new session."""
        body = {} if title is None else {"title": title}
        return await self._call("POST", "/session", Session, json_body=body)

    async def session(self, session_id: str) -> Session:
        """One session."""
        return await self._call("GET", f"/session/{session_id}", Session)

    async def delete_session(self, session_id: str) -> None:
        """Delete a session and its messages."""
        await self._call("DELETE", f"/session/{session_id}", None)

    async def messages(self, session_id: str) -> list[Message]:
        """A session's messages, oldest first."""
        return await self._call("GET", f"/session/{session_id}/message", list[Message])

    async def session_statuses(self) -> dict[str, dict[str, Any]]:
        """``{session id: {type: idle|busy|retry, …}}``; sessions not named are idle."""
        return await self._call("GET", "/session/status", dict[str, dict[str, Any]])

    async def prompt(self, session_id: str, text: str) -> None:
        """Send a task; the answer comes as events (``prompt_async``)."""
        body = {"parts": [{"type": "text", "text": text}]}
        await self._call("POST", f"/session/{session_id}/prompt_async", None, json_body=body)

    async def abort(self, session_id: str) -> None:
        """Stop what the session is doing."""
        await self._call("POST", f"/session/{session_id}/abort", None)

    async def todos(self, session_id: str) -> list[Todo]:
        """The session's plan."""
        return await self._call("GET", f"/session/{session_id}/todo", list[Todo])

    async def permissions(self) -> list[PermissionRequest]:
        """Tool calls that wait for a person."""
        return await self._call("GET", "/permission", list[PermissionRequest])

    async def reply_permission(
        self, request_id: str, reply: PermissionReply, message: str | None = None
    ) -> None:
        """Answer a waiting tool call."""
        body: dict[str, str] = {"reply": reply}
        if message:
            body["message"] = message
        await self._call("POST", f"/permission/{request_id}/reply", None, json_body=body)

    async def providers(self) -> list[Provider]:
        """The model providers that can be used here: signed in to, configured, or free."""
        return (await self._call("GET", "/config/providers", Providers)).providers

    async def dispose(self) -> None:
        """Make the engine read the directory's configuration afresh."""
        await self._call("POST", "/instance/dispose", None)

    async def _call(
        self,
        method: str,
        path: str,
        answer: type[T] | None,
        *,
        json_body: object = None,
        timeout_s: float | None = None,
    ) -> T:
        timeout = aiohttp.ClientTimeout(total=timeout_s or REQUEST_TIMEOUT_S)
        try:
            async with self.http.request(
                method, self.base_url + path, json=json_body, timeout=timeout
            ) as response:
                raw = await response.read()
                status, kind = response.status, response.content_type
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OpenWorkError(
                "engine_unreachable",
                f"No answer from {self.base_url}{path}: {error or type(error).__name__}",
                hint="Check that the host is running: openwork status",
                status=502,
            ) from error
        if status >= 400:
            raise _refused(method, path, status, raw)
        if answer is None:
            return cast("T", None)
        return self._parse(method, path, kind, raw, answer)

    def _parse(self, method: str, path: str, kind: str, raw: bytes, answer: type[T]) -> T:
        if kind == "application/json":
            try:
                return TypeAdapter(answer).validate_json(raw)
            except ValidationError as error:
                reason = f"its shape is not the expected one ({error.error_count()} differences)"
        else:
            reason = f"it is {kind}, not JSON"
        raise OpenWorkError(
            "engine_unsupported",
            f"{method} {path} at {self.base_url} answered, but {reason}.",
            hint="The program at this address is not OpenCode 1.18.",
            status=502,
        )


def _refused(method: str, path: str, status: int, raw: bytes) -> OpenWorkError:
    """The engine's (or our server's) own error, with the file named when one is at fault."""
    message, hint = f"{method} {path} failed with status {status}", None
    code = "opencode_request_failed"
    try:
        body: Any = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict):
        found = cast("dict[str, Any]", body)
        data = cast(
            "dict[str, Any]", found["data"] if isinstance(found.get("data"), dict) else found
        )
        if data.get("message"):
            message = str(data["message"])
        if data.get("path"):
            message = f"{data['path']}: {message}"
            hint = "Repair that file; until then the engine refuses the whole workspace."
        if isinstance(found.get("code"), str):
            code, hint = found["code"], found.get("hint") or hint
    return OpenWorkError(
        code, message, hint=hint, status=502, details={"status": status, "path": path}
    )
