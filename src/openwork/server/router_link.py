"""The messaging router (opencode-router): where it is, and what a workspace may ask of it.

It has no authentication and listens on this machine only, so what a client may do is decided before
it is asked. A workspace has one identity a channel, named by the workspace's id.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from openwork.common.errors import OpenWorkError
from openwork.server.forward import Service, UnreachableError
from openwork.workspace.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.server.forward import Answer
    from openwork.workspace.jsonc import JsonValue

HEALTH_TIMEOUT_S = 2.0
APPLY_TIMEOUT_S = 3.0
SEND_TIMEOUT_S = 5.0
CHANNELS = ("telegram", "slack")
UNREACHABLE = "opencodeRouter_unreachable"
LONGEST_IDENTITY = 48
RESERVED_IDENTITY = "env"
# No letters or digits that look alike.
_PAIRING_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_PAIRING_LENGTH = 8

Fields = dict[str, "JsonValue"]


@dataclass(frozen=True)
class RouterLink:
    """The way to the router of this machine.

    Attributes:
        port: Its control port.
    """

    port: int

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Mapping[str, JsonValue] | bytes | None = None,
        timeout_s: float = APPLY_TIMEOUT_S,
    ) -> Answer:
        """One request to the router.

        Args:
            method: Upper-case.
            path: Decoded, below the router's root, starting with a slash.
            query: Encoded, without the question mark.
            body: As ``Service.send``.
            timeout_s: For all of it.

        Raises:
            OpenWorkError: ``opencodeRouter_unreachable`` 503 with
                ``details {baseUrl, port, targetUrl, error}``.
        """
        target = quote(path, safe="/:@!$&'()*+,;=~-._")
        try:
            return await Service(self.base_url, timeout_s=timeout_s).send(
                method, f"{target}?{query}" if query else target, body=body
            )
        except UnreachableError as error:
            raise OpenWorkError(
                UNREACHABLE,
                f"The messaging router does not answer: {error}.",
                hint="Start it, or correct OPENCODE_ROUTER_HEALTH_PORT.",
                status=503,
                details={
                    "baseUrl": self.base_url,
                    "port": self.port,
                    "targetUrl": self.base_url + target,
                    "error": str(error),
                },
            ) from error

    async def health(self) -> Fields:
        """The router's own account; 503 from it when its engine is unwell is an account too.

        Raises:
            OpenWorkError: ``opencodeRouter_unreachable`` 503; ``opencodeRouter_invalid_health`` 502
                when what answers there is something else.
        """
        fields = (await self.send("GET", "/health", timeout_s=HEALTH_TIMEOUT_S)).fields()
        if not isinstance(fields.get("ok"), bool):
            raise OpenWorkError(
                "opencodeRouter_invalid_health",
                f"What answers at {self.base_url} is no messaging router.",
                hint="Correct OPENCODE_ROUTER_HEALTH_PORT.",
                status=502,
            )
        return fields

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Mapping[str, JsonValue] | None = None,
        timeout_s: float = APPLY_TIMEOUT_S,
    ) -> Fields:
        """As ``send``, for a JSON object.

        Raises:
            OpenWorkError: ``opencodeRouter_unreachable`` 503; ``opencodeRouter_request_failed``
                with the router's status when it refuses (4xx), else 502.
        """
        answer = await self.send(method, path, query=query, body=body, timeout_s=timeout_s)
        if answer.ok:
            return answer.fields()
        hidden = _texts(body)
        said = without(answer.fields().get("error"), hidden) or f"it answered {answer.status}"
        refused = 400 <= answer.status < 500  # what 4xx means
        raise OpenWorkError(
            "opencodeRouter_request_failed",
            f"The messaging router refused: {said}",
            status=answer.status if refused and answer.status not in {401, 403} else 502,
            details={"status": answer.status, "path": path},
        )


def router_of(port: int) -> RouterLink:
    """The router at ``port``.

    Raises:
        OpenWorkError: ``opencodeRouter_unconfigured`` 404 when it is 0: there is none.
    """
    if port == 0:
        raise OpenWorkError(
            "opencodeRouter_unconfigured",
            "This server has no messaging router.",
            hint="Start one, and name its port in OPENCODE_ROUTER_HEALTH_PORT.",
            status=404,
        )
    return RouterLink(port)


def channel_of(word: str) -> str:
    """``word`` when it is a channel.

    Raises:
        OpenWorkError: ``invalid_channel`` 400.
    """
    if word not in CHANNELS:
        raise OpenWorkError(
            "invalid_channel", f"channel must be {' or '.join(CHANNELS)}.", status=400
        )
    return word


def identity_of(workspace_id: str, given: str | None = None) -> str:
    """The workspace's identity in the router.

    Args:
        workspace_id: Whose.
        given: What the caller says it is; None or blank when nothing.

    Raises:
        OpenWorkError: ``invalid_identity`` 400 for the reserved name; ``identity_mismatch`` 400
            with ``details {expected, received}`` for another workspace's.
    """
    expected = identity_name(workspace_id)
    if given is None or not given.strip():
        return expected
    received = identity_name(given)
    if received == RESERVED_IDENTITY:
        raise OpenWorkError("invalid_identity", "The identity env is reserved.", status=400)
    if received != expected:
        raise OpenWorkError(
            "identity_mismatch",
            "The identity belongs to another workspace.",
            hint=f"This workspace's is {expected}; leave the id out.",
            status=400,
            details={"expected": expected, "received": received},
        )
    return expected


def pairing(code: str | None) -> tuple[str, str]:
    """A pairing code, made up when None, and the hash of it that the router keeps.

    Raises:
        OpenWorkError: ``invalid_pairing_code`` 400 unless it has 6 to 24 letters and digits.
    """
    if code is None:
        code = "".join(secrets.choice(_PAIRING_ALPHABET) for _ in range(_PAIRING_LENGTH))
    plain = re.sub(r"[\s-]", "", code).upper()
    if not re.fullmatch(r"[A-Z0-9]{6,24}", plain):
        raise OpenWorkError(
            "invalid_pairing_code", "A pairing code has 6 to 24 letters and digits.", status=400
        )
    return plain, hashlib.sha256(plain.encode()).hexdigest()


def items_of(answer: Fields, identity: str, key: str) -> list[Fields]:
    """The items of a list answer whose ``key`` is ``identity``, without what looks secret."""
    items = answer.get("items")
    found = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    mine = [each for each in found if each.get(key) == identity]
    return cast("list[Fields]", redact(mine))


def without(value: JsonValue, hidden: list[str]) -> str:
    """``value`` as a text in which nothing of ``hidden`` stands, nor what looks like a secret."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    for each in sorted(hidden, key=len, reverse=True):
        text = text.replace(each, "***")
    return str(redact(text))


def _texts(body: Mapping[str, JsonValue] | None) -> list[str]:
    names = ("token", "botToken", "appToken", "pairingCodeHash")
    found = [(body or {}).get(name) for name in names]
    return [each for each in found if isinstance(each, str) and each]


def identity_name(text: str) -> str:
    """``text`` as the router names an identity."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text.strip()).strip("-")
    return name[:LONGEST_IDENTITY] or "default"
