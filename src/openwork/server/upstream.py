"""A small HTTP/1.1 client for one job: passing requests to the engine and answers back.

Connections are kept and used again. After one was lost, the engine has to prove that it answers
before it is given anything.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.server.upstream_connection import Connection, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openwork.server.upstream_connection import Body

CONNECT_TIMEOUT_S = 10.0
# The engine may close a connection it thinks idle just as we use it. A request that must not be
# made twice goes over a connection used within this time, or over a new one.
FRESH_FOR_S = 1.0
# And no connection is used again after this time: it is closed.
IDLE_LIMIT_S = 60.0
# A burst of requests leaves no more than this many behind.
MOST_IDLE = 64
# An engine that starts accepts connections before it can answer, and never answers some of those.
PROOF_PAUSE_S = 0.1
PROOF_TIMEOUT_S = 10.0
ENGINE_PROBE = b"/global/health"

_REPEATABLE = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})


class UpstreamPool:
    """The connections to one engine.

    Args:
        host: Its address.
        port: Its port.
        tls: Whether to speak TLS.
        probe: A path that tells, with any status, that it answers; None to trust it unasked.
    """

    def __init__(self, host: str, port: int, *, tls: bool, probe: bytes | None = None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._probe = probe
        self._proven = probe is None
        self._proof: asyncio.Task[None] | None = None
        self._idle: list[Connection] = []  # the longest idle first
        self._sweeper: asyncio.TimerHandle | None = None

    async def request(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: Body = None,
    ) -> Connection:
        """Send one request; returns the connection with the head of its answer.

        The caller reads ``chunks()`` and then calls :meth:`release`.

        Args:
            method: Upper-case.
            target: Path and query, encoded.
            headers: Without Host; a streamed body without a content-length is sent in chunks.
            body: Bytes, a stream, or None.

        Raises:
            OpenWorkError: ``opencode_unreachable``.
        """
        streamed = body is not None and not isinstance(body, bytes)
        chunked = streamed and not any(name == b"content-length" for name, _ in headers)
        head = self._head(method, target, headers, body, chunked=chunked)
        repeatable = method in _REPEATABLE and not streamed
        while True:
            connection, reused = await self._connection(fresh=not repeatable)
            try:
                await connection.request(
                    head, body, chunked=chunked, without_body=method == b"HEAD"
                )
            except UpstreamError as error:
                self._doubt()
                connection.abort()
                if reused and repeatable and not connection.answered:
                    continue  # closed while idle: the request was never taken
                raise unreachable(str(error)) from error
            except BaseException:
                connection.abort()
                raise
            return connection

    def release(self, connection: Connection) -> None:
        """Keep the connection when its answer ended well, else close it."""
        if connection.broken:
            self._doubt()
        if not connection.reusable or len(self._idle) >= MOST_IDLE:
            connection.abort()
            return
        connection.last_used = time.monotonic()
        connection.on_lost = self._lost_while_idle
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweep_in(IDLE_LIMIT_S)

    def close(self) -> None:
        """Close the idle connections."""
        if self._proof is not None:
            self._proof.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        while self._idle:
            self._take().abort()

    def _lost_while_idle(self, connection: Connection) -> None:
        self._idle.remove(connection)
        self._doubt()

    def _doubt(self) -> None:
        """A lost connection may mean another engine at the same address, which is starting."""
        self._proven = self._probe is None

    def _take(self) -> Connection:
        """The connection that was used last: the others may reach their time."""
        connection = self._idle.pop()
        connection.on_lost = None
        return connection

    def _sweep_in(self, seconds: float) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long, and come back for the next."""
        self._sweeper = None
        now = time.monotonic()
        while self._idle:
            left_s = self._idle[0].last_used + IDLE_LIMIT_S - now
            if left_s > 0:
                self._sweep_in(left_s)
                return
            connection = self._idle.pop(0)
            connection.on_lost = None
            connection.abort()

    def _head(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: Body,
        *,
        chunked: bool,
    ) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (method, target), b"host: %b:%d" % (self._name, self._port)]
        lines += [
            b"%b: %b" % (name, value)
            for name, value in headers
            if name != b"content-length" or not isinstance(body, bytes)
        ]
        if isinstance(body, bytes):
            lines.append(b"content-length: %d" % len(body))
        elif chunked:
            lines.append(b"transfer-encoding: chunked")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    @property
    def _name(self) -> bytes:
        return (f"[{self._host}]" if ":" in self._host else self._host).encode()

    async def _connection(self, *, fresh: bool) -> tuple[Connection, bool]:
        limit_s = FRESH_FOR_S if fresh else IDLE_LIMIT_S
        now = time.monotonic()
        while self._idle:
            connection = self._take()
            if connection.usable and now - connection.last_used < limit_s:
                return connection, True
            connection.abort()
        if not self._proven:
            await self._prove()
        return await self._connect(), False

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    Connection, self._host, self._port, ssl=self._tls or None
                )
        except (OSError, TimeoutError) as error:
            self._doubt()
            raise unreachable(str(error) or type(error).__name__) from error
        return connection

    async def _prove(self) -> None:
        """Wait until the engine answers something; all who need it wait for the same proof."""
        if self._proof is None or self._proof.done():
            self._proof = asyncio.create_task(self._probe_until_answered())
            self._proof.add_done_callback(_note_failure)
        await asyncio.shield(self._proof)

    async def _probe_until_answered(self) -> None:
        """Ask again and again, each time over another connection, until one is answered."""
        probes: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.timeout(PROOF_TIMEOUT_S):
                while not self._proven:
                    probes.add(asyncio.create_task(self._ask_once()))
                    done, probes = await asyncio.wait(
                        probes, timeout=PROOF_PAUSE_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    for probe in done:
                        probe.result()
        except TimeoutError as error:
            raise unreachable(f"nothing within {PROOF_TIMEOUT_S:.0f} s") from error
        finally:
            for probe in probes:
                probe.cancel()
            await asyncio.gather(*probes, return_exceptions=True)

    async def _ask_once(self) -> None:
        connection = await self._connect()
        try:
            head = self._head(b"GET", self._probe or b"/", [], None, chunked=False)
            await connection.request(head, None, chunked=False, without_body=False)
        except UpstreamError as error:
            raise unreachable(str(error)) from error
        finally:
            connection.abort()
        self._proven = True


def _note_failure(proof: asyncio.Task[None]) -> None:
    """Whoever waited has it; when all of them have left, nobody needs it."""
    if not proof.cancelled():
        proof.exception()


def unreachable(reason: str) -> OpenWorkError:
    """502: the engine does not answer."""
    return OpenWorkError(
        "opencode_unreachable",
        f"The engine does not answer: {reason}",
        hint="It may be restarting: try again in a moment.",
        status=502,
    )


class Upstreams:
    """The pools of all engines, by base address."""

    def __init__(self) -> None:
        """None yet."""
        self._pools: dict[str, UpstreamPool] = {}

    def of(self, base_url: str) -> UpstreamPool:
        """The pool of the engine at ``base_url``."""
        pool = self._pools.get(base_url)
        if pool is None:
            from urllib.parse import urlsplit  # noqa: PLC0415  # once an engine

            parts = urlsplit(base_url)
            tls = parts.scheme == "https"
            port = parts.port or (443 if tls else 80)
            pool = self._pools[base_url] = UpstreamPool(
                parts.hostname or "", port, tls=tls, probe=ENGINE_PROBE
            )
        return pool

    def close(self) -> None:
        """Close the idle connections."""
        for pool in self._pools.values():
            pool.close()
