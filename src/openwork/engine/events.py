"""The engine's events, as a stream that survives interruptions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import aiohttp
from pydantic import ValidationError

from openwork.common.errors import OpenWorkError
from openwork.engine.models import RECONNECTED, Event
from openwork.engine.sse import SseParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openwork.engine.client import EngineClient

# The engine sends a heartbeat every 10 s; three missed ones mean the connection is half open.
SILENCE_LIMIT_S = 35.0
CONNECT_TIMEOUT_S = 10.0
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 10.0

logger = logging.getLogger(__name__)


async def events(
    client: EngineClient, *, connected: asyncio.Event | None = None
) -> AsyncGenerator[Event]:
    """Every event of the client's directory, for ever.

    After an interruption the stream is opened again (backoff 0.25 s to 10 s) and ``RECONNECTED`` is
    yielded first: events in between are lost, so the reader reads state again.

    Args:
        client: An open client.
        connected: Set once the first subscription stands, so that a caller acts after it.

    Raises:
        OpenWorkError: ``unauthorized`` or ``not_found`` when the stream is refused for good.
    """
    backoff_s = FIRST_BACKOFF_S
    first = True
    while True:
        try:
            async for event in _one_connection(client):
                if event.type == "server.connected":
                    backoff_s = FIRST_BACKOFF_S
                    if not first:
                        yield RECONNECTED
                    first = False
                    if connected is not None:
                        connected.set()
                yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            logger.debug("event stream interrupted: %s", error or type(error).__name__)
        await asyncio.sleep(backoff_s)
        backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)


async def _one_connection(client: EngineClient) -> AsyncGenerator[Event]:
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_LIMIT_S
    )
    async with client.http.get(client.base_url + "/event", timeout=timeout) as response:
        if response.status in {401, 403, 404}:
            raise OpenWorkError(
                "unauthorized" if response.status == 401 else "forbidden",
                f"The event stream at {client.base_url} was refused (status {response.status}).",
                hint="Check the token and the workspace id.",
                status=response.status,
            )
        response.raise_for_status()
        parser = SseParser()
        async for chunk in response.content.iter_any():
            for message in parser.feed(chunk):
                try:
                    yield Event.model_validate_json(message.data)
                except ValidationError:
                    logger.debug("skipped an event that is no JSON object")
