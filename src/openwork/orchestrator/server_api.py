"""A client of an OpenWork server, for the host's own commands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from openwork.common.errors import OpenWorkError
from openwork.engine.sse import ServerSentEvent, SseParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    import aiohttp

REQUEST_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 1.0
# The server gives a sign of life every 15 s; two missed ones mean a connection that is half open.
SILENCE_LIMIT_S = 35.0
FIRST_ERROR_STATUS = 400
EVENTS_TYPE = "text/event-stream"
HOST_TOKEN_HEADER = "X-OpenWork-Host-Token"  # noqa: S105  # a header's name


@dataclass(frozen=True)
class Access:
    """The tokens a caller holds; "" for none."""

    token: str = ""
    host_token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """As request headers."""
        headers: dict[str, str] = {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.host_token:
            headers[HOST_TOKEN_HEADER] = self.host_token
        return headers


class ServerApi:
    """The server's JSON routes; open it with ``async with``.

    Args:
        base_url: ``http://127.0.0.1:8787``.
        access: Sent with every request.
    """

    def __init__(self, base_url: str, access: Access) -> None:
        self.base_url = base_url.rstrip("/")
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Takes a fifth of a second to load: here, while the services start, not before them.
        import aiohttp  # noqa: PLC0415

        self._session = aiohttp.ClientSession(
            headers=self._access.headers, timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
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

    async def health(self) -> dict[str, Any]:
        """``GET /health``, one bounded probe."""
        return await self.call("GET", "/health", timeout_s=PROBE_TIMEOUT_S)

    async def workspaces(self) -> list[dict[str, Any]]:
        """The served workspaces, the active one first."""
        items = (await self.call("GET", "/workspaces"))["items"]
        return [each for each in items if "unavailable" not in each]

    async def whoami(self) -> dict[str, Any]:
        """The actor that the token stands for."""
        return (await self.call("GET", "/whoami"))["actor"]

    async def issue_token(self, scope: str, label: str) -> str:
        """A new token (host access)."""
        body = {"scope": scope, "label": label}
        return str((await self.call("POST", "/tokens", json_body=body))["token"])

    async def approvals(self) -> list[dict[str, Any]]:
        """The changes that wait (host access)."""
        return (await self.call("GET", "/approvals"))["items"]

    async def reply_approval(self, approval_id: str, *, allow: bool) -> None:
        """Answer a waiting change (host access)."""
        body = {"reply": "allow" if allow else "deny"}
        await self.call("POST", f"/approvals/{approval_id}", json_body=body)

    async def call(
        self, method: str, path: str, *, json_body: object = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """One request.

        Raises:
            OpenWorkError: ``server_unreachable``, or the server's own error.
            RuntimeError: Used outside ``async with``.
        """
        import aiohttp  # noqa: PLC0415  # as above

        if self._session is None:
            raise RuntimeError("use ServerApi inside 'async with'")
        timeout = aiohttp.ClientTimeout(total=timeout_s or REQUEST_TIMEOUT_S)
        try:
            async with self._session.request(
                method, self.base_url + path, json=json_body, timeout=timeout
            ) as response:
                raw, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(path, error) from error
        return self._read(path, status, raw)

    async def events(self, path: str) -> AsyncGenerator[ServerSentEvent]:
        """The server-sent events of one connection, until the server ends it.

        Raises:
            OpenWorkError: ``server_unreachable`` also when the connection breaks or falls silent;
                the server's own error.
            RuntimeError: Used outside ``async with``.
        """
        import aiohttp  # noqa: PLC0415  # as above

        if self._session is None:
            raise RuntimeError("use ServerApi inside 'async with'")
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=SILENCE_LIMIT_S
        )
        parser = SseParser()
        try:
            async with self._session.get(self.base_url + path, timeout=timeout) as response:
                if response.content_type != EVENTS_TYPE:
                    self._read(path, response.status, await response.read())
                    raise self._unknown(path, response.status)
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(path, error) from error

    def _unreachable(self, path: str, error: Exception) -> OpenWorkError:
        return OpenWorkError(
            "server_unreachable",
            f"No answer from {self.base_url}{path}: {error or type(error).__name__}",
            hint="Is the host running? Start it with: openwork start",
        )

    def _unknown(self, path: str, status: int) -> OpenWorkError:
        return OpenWorkError(
            "server_unknown",
            f"{self.base_url}{path} answered {status}, but not as an OpenWork server does.",
            hint="Check the address.",
        )

    def _read(self, path: str, status: int, raw: bytes) -> dict[str, Any]:
        try:
            body: object = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self._unknown(path, status)
        fields = cast("dict[str, Any]", body)
        if status < FIRST_ERROR_STATUS:
            return fields
        raise OpenWorkError(
            str(fields.get("code", "server_error")),
            str(fields.get("message", f"{path} failed with status {status}")),
            hint=fields.get("hint") or _hint(status),
            status=status,
            details=fields.get("details"),
        )


def _hint(status: int) -> str | None:
    if status == 401:
        return "Check the token: --token, --host-token, or the running host's own."
    return None
