"""Run the server on a listening socket until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from typing import TYPE_CHECKING

import uvicorn

from openwork.common import log
from openwork.common.net import listen
from openwork.server.app import build_app
from openwork.server.context import build_context
from openwork.server.corked import CorkedProtocol
from openwork.server.settings_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from openwork.server.context import ServerContext
    from openwork.server.settings import ServerSettings

# Open event streams never end by themselves: when the server stops they are cut after this time.
STOP_GRACE_S = 1
# An import of a thousand files takes a few seconds.
CHANGE_GRACE_S = 10
KEEPALIVE_S = 75
BACKLOG = 2048
MOST_DESCRIPTORS = 65_536

logger = logging.getLogger("openwork.server")


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets us: each proxied stream holds two.

    The usual soft limit of 1,024 would end at about 500 streams.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(
    settings: ServerSettings,
    *,
    listen_fd: int | None = None,
    on_listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: What the server was told.
        listen_fd: A listening socket inherited from the parent; None binds ``host:port`` here.
        on_listening: Called once the port is ours.

    Raises:
        OpenWorkError: A store is damaged, or the port is taken.
    """
    log.configure(
        "openwork-server",
        log_format=settings.log_format,
        run_id=settings.run_id or None,
        level=settings.log_level,
    )
    for setting in TABLE:
        value = "***" if setting.secret else settings.resolved.get(setting)
        logger.debug("%s = %s (%s)", setting.flag, value, settings.resolved.origins[setting.name])
    raise_descriptor_limit()
    context = build_context(settings)
    if listen_fd is None:
        listener = listen(settings.host, settings.port, backlog=BACKLOG)
    else:
        listener = socket.socket(fileno=listen_fd)
    context.bound_port = listener.getsockname()[1]
    on_listening()
    config = uvicorn.Config(
        build_app(context),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        lifespan="on",
        loop="uvloop",
        http=CorkedProtocol,
        ws="websockets-sansio",
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=STOP_GRACE_S,
        backlog=BACKLOG,
    )
    logger.info("listening on http://%s:%s", settings.host, context.bound_port)
    for each in settings.unavailable:
        logger.warning("%s %s", each.error().message, each.hint)
    if not settings.workspaces and not settings.unavailable:
        logger.warning("no workspaces: add --workspace DIR or name them in server.json")
    _Server(config, context).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that answers what would wait for ever before it waits for its answers."""

    def __init__(self, config: uvicorn.Config, context: ServerContext) -> None:
        super().__init__(config)
        self._context = context

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, once the changes under way are made: each is whole, recorded and answered."""
        self._context.stop()
        for each in self.servers:
            each.close()
        try:
            async with asyncio.timeout(CHANGE_GRACE_S):
                await self._context.gate.finished()
        except TimeoutError:
            logger.warning(
                "a change is still under way after %s s; one of several files is undone at the "
                "next start",
                CHANGE_GRACE_S,
            )
        await super().shutdown(sockets)
