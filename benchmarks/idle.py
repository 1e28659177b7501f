"""Event streams on which nothing happens: what they cost, and whether they end."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import first_answer
from benchmarks.processes import memory_bytes
from benchmarks.standin import FIRST_EVENT

if TYPE_CHECKING:
    from benchmarks.servers import Target

TIMEOUT_S = 10.0
LEAVE_WITHIN_S = 3.0
WARM_UP_STREAMS = 10


@dataclass(frozen=True)
class IdleCost:
    """What idle streams did to a server.

    Attributes:
        kb_each: Resident memory it grew by, a stream.
        open_upstream: Streams open at the engine while they were there.
        left_upstream: And ``LEAVE_WITHIN_S`` after all clients had left.
    """

    kb_each: float
    open_upstream: int
    left_upstream: int


def idle_streams(server: Target, upstream: Target | None, count: int) -> IdleCost:
    """Open ``count`` streams on ``server``, look, leave, look again."""
    with ExitStack() as warm_up:  # what the first streams allocate once is not a stream's cost
        for _ in range(WARM_UP_STREAMS):
            warm_up.enter_context(open_stream(server, "/global/event"))
    _settle(upstream)
    before = memory_bytes(server.processes)
    with ExitStack() as streams:
        for _ in range(count):
            streams.enter_context(open_stream(server, "/global/event"))
        grown = memory_bytes(server.processes) - before
        there = _open_streams(upstream)
    return IdleCost(grown / 1024 / count, there, _settle(upstream))


def open_stream(server: Target, path: str) -> socket.socket:
    """A stream whose head and first event have arrived.

    Raises:
        ValueError: Something else came.
    """
    connection = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(server.request(path))
    data = b""
    while FIRST_EVENT not in data:
        received = connection.recv(65_536)
        if not received or not (data + received).startswith(b"HTTP/1.1 200"):
            connection.close()
            raise ValueError(f"{server.name}: no event stream at {path}: {data + received!r}")
        data += received
    return connection


def _open_streams(upstream: Target | None) -> int:
    if upstream is None:
        return 0
    with socket.create_connection(("127.0.0.1", upstream.port), TIMEOUT_S) as connection:
        return int(first_answer(connection, upstream.request("/open")).rpartition(b"\n")[2])


def _settle(upstream: Target | None) -> int:
    deadline = time.monotonic() + LEAVE_WITHIN_S
    while (still_open := _open_streams(upstream)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return still_open
