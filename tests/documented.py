"""Whether an answer is one that the OpenAPI document tells of: its status and its JSON.

Every answer that tests get from a server's JSON routes is looked at, so that a route that answers
another status or shape than it declares fails the tests that call it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import jsonschema_rs

from openwork.server.access import GuardedRoute
from openwork.server.app import ROUTERS, build_api

# Before the document's operations: the Host header, and what Starlette refuses by itself.
_ANYWHERE = {421, 431}
_MOUNT = re.compile(r"/w/[^/]+(?=/)")


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The document of all routes."""
    no_context: Any = None  # it needs none
    return build_api(no_context).openapi()


def operation_of(method: str, path: str) -> str | None:
    """The document's path of the route that answers, None when there is none."""
    routes = [route for each in ROUTERS for route in each.routes]
    for route in routes:
        if not isinstance(route, GuardedRoute) or method not in (route.methods or ()):
            continue
        if route.path_regex.match(path):
            return route.path_format if route.include_in_schema else None
    return None


@lru_cache(maxsize=512)
def _validator(path: str, method: str, status: str) -> jsonschema_rs.Draft202012Validator | None:
    answer = document()["paths"][path][method]["responses"][status]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer["content"].get("application/json", {}).get("schema")
    if not schema:
        return None
    components = {"components": document()["components"]}
    return jsonschema_rs.Draft202012Validator({**schema, **components})


def check(method: str, target: str, status: int, body: object) -> None:
    """Fail unless the document tells of this answer.

    Args:
        method: Upper-case.
        target: The path as it was sent, with its query.
        status: Of the answer.
        body: Parsed JSON; text is not looked at.
    """
    sent = target.partition("?")[0]
    plain = _MOUNT.sub("", sent, count=1)
    path = operation_of(method, plain)
    if path is None or status in _ANYWHERE:
        return
    if plain != sent and status in {403, 404, 409}:  # the mount's own workspace
        return
    told = document()["paths"][path][method.lower()]["responses"]
    key = str(status) if str(status) in told else "default"
    named = f"{method} {path}"
    assert key in told, f"{named}: {status} is not declared, add it to raises=(…): {body}"
    validator = None if isinstance(body, str) else _validator(path, method.lower(), key)
    if validator is not None:
        wrong = [f"{each.instance_path}: {each.message}" for each in validator.iter_errors(body)]
        assert not wrong, f"{named}: {status} has another shape than it declares: {wrong}\n{body}"
