"""Reading a batch of files through the server, beside reading them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Comparison, Effort, alternate
from benchmarks.load import ANSWER_TIMEOUT_S
from benchmarks.processes import running, script, wait_until_ok
from benchmarks.servers import TOKEN, server_environment
from openwork.common.ids import workspace_id
from openwork.common.net import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNUSED_PORT = 9
FILES = 64
SIZES_BYTES = (4_000, 256_000)
REPEATS = 5


@dataclass
class FileClient:
    """A file session of a running server, on one connection that stays open.

    Attributes:
        connection: To the server.
        session: The session's path.
    """

    connection: http.client.HTTPConnection
    session: str = ""

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  # any JSON
        """The JSON answer.

        Raises:
            RuntimeError: It is not 200.
        """
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, path, sent, headers)
        response = self.connection.getresponse()
        data = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:300]!r}")
        return json.loads(data)


@contextlib.contextmanager
def file_client(base: Path) -> Iterator[FileClient]:
    """``openwork-server`` on ``base/workspace``, and a session of it."""
    port = free_port()
    env = server_environment(base, UNUSED_PORT) | {"OPENWORK_APPROVAL_MODE": "auto"}
    with running([script("openwork-server"), "--port", str(port)], env) as process:
        wait_until_ok(process, port, "/health", {})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=6 * ANSWER_TIMEOUT_S)
        client = FileClient(connection)
        workspace = workspace_id(base / "workspace")
        made = client.ask("POST", f"/workspace/{workspace}/files/sessions", {})
        client.session = f"/files/sessions/{made['session']['id']}"
        yield client
        connection.close()


def median_ms(use: Callable[[], object], repeats: int = REPEATS) -> float:
    """How long ``use`` takes, the median of some."""
    took: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        use()
        took.append((time.perf_counter() - started) * 1000)
    return median(took)


def measure(effort: Effort) -> list[Comparison]:
    """``read-batch`` of 64 files, beside reading and encoding them in this process."""
    return [_read_batch(effort, size) for size in SIZES_BYTES]


def _read_batch(effort: Effort, size: int) -> Comparison:
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as folder:
        base = Path(folder)
        workspace = base / "workspace"
        workspace.mkdir()
        names = [f"{number}.bin" for number in range(FILES)]
        for name in names:
            (workspace / name).write_bytes(os.urandom(size))
        with file_client(base) as client:

            def ours() -> None:
                body = client.ask("POST", f"{client.session}/read-batch", {"paths": names})
                assert all(item["bytes"] == size for item in body["items"])

            def plain() -> None:
                items = [base64.b64encode((workspace / name).read_bytes()) for name in names]
                text = json.dumps([item.decode() for item in items])
                assert len(json.loads(text)) == FILES

            ours()
            baseline, measured = alternate(
                effort.rounds, lambda: median_ms(plain), lambda: median_ms(ours)
            )
    title = f"`read-batch` of {FILES} files of {size // 1000} KB"
    return Comparison(
        f"files.read.{size}", title, "ms", "reading and encoding them", baseline, measured
    )
