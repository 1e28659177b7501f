"""A load generator for one known answer: plain sockets, a process of its own, some 10 µs a request.

Run as ``python -m benchmarks.load`` with a :class:`Load` as JSON on standard input. It learns the
length of the answer from the first one and then only counts bytes; an answer of another length or
status is an error, so nothing but the measured answer is ever counted.
"""

from __future__ import annotations

import gc
import json
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.figures import percentile

WARM_UP_SHARE = 0.15
ANSWER_TIMEOUT_S = 10.0
RECEIVE_BYTES = 65_536


@dataclass(frozen=True)
class Load:
    """What to ask, and how hard.

    Attributes:
        port: On 127.0.0.1.
        request: The request's bytes as text.
        connections: Each has one request in flight.
        seconds: For how long.
    """

    port: int
    request: str
    connections: int
    seconds: float


@dataclass(frozen=True)
class LoadResult:
    """What came back.

    Attributes:
        requests: All that were answered, warm-up included.
        rate: Requests a second after the warm-up.
        p50_ms: Median time from request to whole answer.
        p99_ms: The slowest hundredth begins here.
    """

    requests: int
    rate: float
    p50_ms: float
    p99_ms: float


def run_load(load: Load) -> LoadResult:
    """Run the generator in a process of its own.

    Raises:
        subprocess.CalledProcessError: An answer was not the expected one; it printed which.
    """
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(
        command, input=json.dumps(asdict(load)).encode(), stdout=subprocess.PIPE, check=True
    )
    return LoadResult(**json.loads(done.stdout))


def first_answer(connection: socket.socket, request: bytes) -> bytes:
    """One whole answer with a content-length.

    Raises:
        ValueError: It is not 200, or has no content-length.
    """
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    if not data.startswith(b"HTTP/1.1 200") or not lengths:
        raise ValueError(f"not a 200 with a content-length: {data[:300]!r}")
    while len(body) < lengths[0]:
        body += _receive(connection)
    return head + b"\r\n\r\n" + body


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def generate(load: Load) -> LoadResult:
    """Ask until the time is over."""
    request = load.request.encode()
    selector = selectors.DefaultSelector()
    sockets: list[socket.socket] = []
    length = 0
    for _ in range(load.connections):
        connection = socket.create_connection(("127.0.0.1", load.port), ANSWER_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        length = len(first_answer(connection, request))
        selector.register(connection, selectors.EVENT_READ, len(sockets))
        sockets.append(connection)
    gc.disable()
    latencies_ns: list[tuple[int, int]] = []
    missing = [length] * len(sockets)
    begin = time.perf_counter_ns()
    sent_ns = [begin] * len(sockets)
    for connection in sockets:
        sent_ns[selector.get_key(connection).data] = time.perf_counter_ns()
        connection.sendall(request)
    end = begin + int(load.seconds * 1e9)
    now = begin
    while now < end:
        ready = selector.select(ANSWER_TIMEOUT_S)
        if not ready:
            raise TimeoutError(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
        for key, _ in ready:
            connection, index = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            data = _receive(connection)
            if missing[index] == length and not data.startswith(b"HTTP/1.1 200"):
                raise ValueError(f"not a 200: {data[:300]!r}")
            missing[index] -= len(data)
            if missing[index] < 0:
                raise ValueError(f"longer than the first answer: {data[:300]!r}")
            if missing[index] == 0:
                now = time.perf_counter_ns()
                latencies_ns.append((now, now - sent_ns[index]))
                missing[index] = length
                sent_ns[index] = now
                connection.sendall(request)
    return _summary(latencies_ns, begin, end)


def _summary(latencies_ns: list[tuple[int, int]], begin: int, end: int) -> LoadResult:
    warm = begin + int((end - begin) * WARM_UP_SHARE)
    counted = [latency / 1e6 for at, latency in latencies_ns if at >= warm]
    return LoadResult(
        requests=len(latencies_ns),
        rate=len(counted) / ((latencies_ns[-1][0] - warm) / 1e9),
        p50_ms=percentile(counted, 50),
        p99_ms=percentile(counted, 99),
    )


if __name__ == "__main__":
    json.dump(asdict(generate(Load(**json.load(sys.stdin)))), sys.stdout)
