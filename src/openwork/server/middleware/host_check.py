"""The Host header must name this server: a defence against DNS rebinding."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.errors import send_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send


KEPT_VERDICTS = 256


def host_name(host: str) -> str:
    """The name in a Host header, lower-case, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


class HostCheckMiddleware:
    """Refuses (421) a Host that is neither an IP address, ``localhost``, nor an allowed name.

    A page that rebinds its own name to our address sends its own name as Host; it cannot send an
    address or a name that it does not own.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        """Allow the names ``allowed`` besides addresses and ``localhost``."""
        self._app = app
        self._allowed = {name.lower() for name in allowed} | {"localhost"}
        self._verdicts: dict[bytes, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what names us; 421 for the rest."""
        if scope["type"] in {"http", "websocket"} and not self._names_us(scope["headers"]):
            error = OpenWorkError(
                "host_not_allowed",
                "The Host header does not name this server.",
                hint="Behind a reverse proxy, name its host with --allowed-host.",
                status=421,
            )
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await send_error(send, error)
            return
        await self._app(scope, receive, send)

    def _names_us(self, headers: list[tuple[bytes, bytes]]) -> bool:
        host = next((value for name, value in headers if name == b"host"), b"")
        if host not in self._verdicts:
            if len(self._verdicts) >= KEPT_VERDICTS:
                self._verdicts.clear()
            self._verdicts[host] = self._known(host.decode("latin-1"))
        return self._verdicts[host]

    def _known(self, host: str) -> bool:
        name = host_name(host)
        if name in self._allowed:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
