"""Small requests to another service on behalf of a route: whole answers, always with a timeout.

The engine's proxy streams; this is for the rest: one JSON request, one answer of bounded size.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

from openwork.common.errors import OpenWorkError
from openwork.common.headers import basic_auth
from openwork.server.upstream import UpstreamPool
from openwork.workspace.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.server.registry import Workspace
    from openwork.server.workspace_settings import EngineAddress
    from openwork.workspace.jsonc import JsonValue

LARGEST_ANSWER_BYTES = 8_000_000
ENGINE_TIMEOUT_S = 10.0
MAX_SHOWN_CHARACTERS = 500


class UnreachableError(Exception):
    """The service did not answer, not in time, or with too much. Says why."""


@dataclass(frozen=True)
class Answer:
    """What a service said.

    Attributes:
        status: HTTP status.
        content_type: Of the body, "" when not told.
        body: All of it.
    """

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # what 2xx means

    def json(self) -> JsonValue:
        """The body parsed; None when it is no JSON."""
        try:
            value: JsonValue = json.loads(self.body, parse_constant=_refuse_constant)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair fits no answer
        except (ValueError, RecursionError):
            return None
        return value

    def fields(self) -> dict[str, JsonValue]:
        """The body when it is a JSON object, else nothing."""
        value = self.json()
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Service:
    """Where a service answers.

    Attributes:
        base_url: ``http://HOST:PORT``, no path.
        headers: Sent with every request.
        timeout_s: For the whole of one request.
    """

    base_url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    timeout_s: float = ENGINE_TIMEOUT_S

    async def send(
        self,
        method: str,
        target: str,
        *,
        body: Mapping[str, JsonValue] | bytes | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
    ) -> Answer:
        """One request over a connection of its own.

        Args:
            method: Upper-case.
            target: Encoded path with its query.
            body: An object to send as JSON, bytes as they are, or None.
            content_type: Of the body.
            timeout_s: Instead of the service's.

        Raises:
            UnreachableError: There is no whole answer in time.
        """
        headers = list(self.headers)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers.append((b"content-type", content_type.encode("latin-1", "replace")))
        headers.append((b"accept", b"application/json"))
        parts = urlsplit(self.base_url)
        tls = parts.scheme == "https"
        pool = UpstreamPool(parts.hostname or "", parts.port or (443 if tls else 80), tls=tls)
        try:
            async with asyncio.timeout(self.timeout_s if timeout_s is None else timeout_s):
                return await _exchange(pool, method, target, headers, data)
        except TimeoutError as error:
            raise UnreachableError("it did not answer in time") from error
        except OpenWorkError as error:
            raise UnreachableError(str(error.__cause__ or error.message)) from error
        except OSError as error:
            raise UnreachableError(str(error)) from error
        finally:
            pool.close()


async def _exchange(
    pool: UpstreamPool,
    method: str,
    target: str,
    headers: list[tuple[bytes, bytes]],
    data: bytes | None,
) -> Answer:
    connection = await pool.request(method.encode(), target.encode("ascii"), headers, data)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in connection.chunks():
            size += len(chunk)
            if size > LARGEST_ANSWER_BYTES:
                raise UnreachableError("its answer is too large")
            chunks.append(chunk)
    finally:
        pool.release(connection)
    types = [value for name, value in connection.headers if name.lower() == b"content-type"]
    told = types[0].decode("latin-1") if types else ""
    return Answer(connection.status, told, b"".join(chunks))


def engine_service(workspace: Workspace) -> Service:
    """The workspace's engine, its folder pinned.

    Raises:
        OpenWorkError: ``opencode_unconfigured`` 400.
    """
    engine = workspace.engine
    if engine is None:
        raise OpenWorkError(
            "opencode_unconfigured",
            "This workspace has no engine.",
            hint="Start the server with --opencode-base-url, or use: openwork start",
            status=400,
        )
    return Service(engine.base_url, _engine_headers(engine))


def _engine_headers(engine: EngineAddress) -> tuple[tuple[bytes, bytes], ...]:
    headers = [(b"x-opencode-directory", quote(engine.directory, safe="/").encode())]
    if engine.password:
        headers.append((b"authorization", basic_auth(engine.username, engine.password).encode()))
    return tuple(headers)


async def ask_engine(workspace: Workspace, method: str, target: str) -> Answer:
    """One request without a body to the workspace's engine; 404 is an answer, not a failure.

    Raises:
        OpenWorkError: ``opencode_unconfigured`` 400; ``opencode_unreachable`` 502;
            ``opencode_request_failed`` 502 with ``details {status, body, path}``.
    """
    service = engine_service(workspace)
    try:
        answer = await service.send(method, target)
    except UnreachableError as error:
        raise OpenWorkError(
            "opencode_unreachable",
            f"The engine does not answer: {error}.",
            hint="It may be restarting: try again in a moment.",
            status=502,
        ) from error
    if answer.ok or answer.status == 404:  # not found
        return answer
    raise OpenWorkError(
        "opencode_request_failed",
        f"The engine refused {method} {target} with {answer.status}.",
        status=502,
        details={"status": answer.status, "body": shown(answer), "path": target},
    )


def shown(answer: Answer) -> JsonValue:
    """A failed answer's body for an error's details: without secrets, and not long."""
    value = answer.json()
    if value is None:
        value = answer.body.decode("utf-8", "replace")[:MAX_SHOWN_CHARACTERS]
    elif len(answer.body) > MAX_SHOWN_CHARACTERS * 10:
        return None
    return cast("JsonValue", redact(value))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
