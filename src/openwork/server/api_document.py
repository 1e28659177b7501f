"""The OpenAPI document: what FastAPI knows of a route, and what its ``@access(…)`` declares.

It is made when somebody asks for it, and once: shapes of answers are turned into JSON Schema here,
not when routes are registered. https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from openwork.server.access import GuardedRoute
from openwork.server.answers import shape_named
from openwork.server.api_words import (
    DESCRIPTION,
    EXAMPLES,
    FAILURES,
    PARAMETERS,
    SCHEMES,
    TAGS,
    failure_name,
)
from openwork.server.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastapi import FastAPI
    from starlette.routing import BaseRoute

    Json = dict[str, Any]

ERROR_SHAPE = "ErrorBody"
_SCHEMAS = "#/components/schemas/"
_PATH_PARAMETER = re.compile(r"{(\w+)}")


def describe(api: FastAPI, routes: Sequence[BaseRoute]) -> Json:
    """The document of ``routes``, which ``api`` serves.

    Raises:
        LookupError: An answer's shape or a status is not described.
        ValueError: A body and an answer have the same name.
    """
    guarded = [each for each in routes if isinstance(each, GuardedRoute) and each.include_in_schema]
    document = get_openapi(
        title=api.title,
        version=api.version,
        description=DESCRIPTION,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        routes=api.routes,
    )
    names = {each.declared.answers for each in guarded} - {""}
    answers, shapes = _shapes(sorted(names | {ERROR_SHAPE}))
    for route in guarded:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _complete(operation, route, answers)
    asked = [
        [operation.get("requestBody"), operation.get("parameters")]
        for item in document["paths"].values()
        for operation in item.values()
    ]
    bodies = _reachable(asked, document["components"]["schemas"])
    twice = bodies.keys() & shapes.keys()
    if twice:
        raise ValueError(f"a body and an answer have the same name: {', '.join(sorted(twice))}")
    document["components"] = {
        "schemas": dict(sorted((bodies | shapes).items())),
        "responses": {failure_name(status): _failure(status) for status in FAILURES},
        "securitySchemes": SCHEMES,
    }
    return document


def statuses(route: GuardedRoute) -> list[int]:
    """The failures a route may answer: those of its rule, its path and its body, and its own."""
    rule = route.declared.rule
    found = {500, *route.declared.raises}
    if rule.kind != "none":
        found |= {401, 429}
    if rule.writes and rule.kind == "client":
        found.add(503)  # a change that cannot be recorded is not begun
    if rule.writes or (rule.kind == "client" and rule.least > Scope.VIEWER):
        found.add(403)
    if "{workspace_id}" in route.path_format or "{session_id}" in route.path_format:
        found |= {403, 404, 409}  # 409: a workspace that cannot be served
    if route.body_field is not None or rule.streams_body:
        found |= {400, 413}
    return sorted(found)


def _complete(operation: Json, route: GuardedRoute, answers: Mapping[str, Json]) -> None:
    rule = route.declared.rule
    if rule.kind != "none":
        schemes = ["hostToken", "bearer"] if rule.kind == "host" else ["bearer"]
        operation["security"] = [{name: []} for name in schemes]
        operation["x-scope"] = Scope.OWNER.wire if rule.kind == "host" else rule.least.wire
    parameters = _parameters(operation.get("parameters", []), route.path_format)
    for each in parameters:
        _explain(each, operation["tags"][-1])
    if parameters:
        operation["parameters"] = parameters
    told = cast("Json", operation["responses"])
    kept = {status: each for status, each in told.items() if status[0] in "2d"}
    if route.declared.answers:
        answer = answers[route.declared.answers]
        success = next(iter(kept.values()))
        success["description"] = answer["description"]
        success["content"] = {"application/json": {"schema": answer["schema"]}}
    for status in statuses(route):
        kept[str(status)] = {"$ref": f"#/components/responses/{failure_name(status)}"}
    operation["responses"] = kept


def _parameters(found: list[Json], path: str) -> list[Json]:
    """Those that FastAPI sees, behind the path's own."""
    known = {each["name"]: each for each in found if each["in"] == "path"}
    named = [
        known.get(
            name, {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        )
        for name in _PATH_PARAMETER.findall(path)
    ]
    return named + [each for each in found if each["in"] != "path"]


def _explain(parameter: Json, tag: str) -> None:
    name = parameter["name"]
    key = f"{tag}.{name}"
    text = PARAMETERS.get(key, PARAMETERS.get(name))
    if text is not None:  # the tests tell of one that is missing; the document is not lost for it
        parameter.setdefault("description", text)
    example = EXAMPLES.get(key, EXAMPLES.get(name))
    if example is not None:
        parameter["example"] = example


def _failure(status: int) -> Json:
    answer: Json = {
        "description": FAILURES[status],
        "content": {"application/json": {"schema": {"$ref": _SCHEMAS + ERROR_SHAPE}}},
    }
    if status == 429:  # too many requests
        text = {"description": "In how many seconds to try again.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": text}
    return answer


class _WithoutTitles(GenerateJsonSchema):
    """A field's title would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002  # pydantic's
        return False


def _shapes(names: Sequence[str]) -> tuple[dict[str, Json], dict[str, Json]]:
    """The answers by name, each ``{schema, description}``, and the schemas they refer to."""
    shapes = {name: shape_named(name) for name in names}
    made, definitions = TypeAdapter.json_schemas(
        [(name, "serialization", TypeAdapter(shape)) for name, shape in shapes.items()],
        ref_template=_SCHEMAS + "{model}",
        schema_generator=_WithoutTitles,
    )
    found = cast("dict[str, Json]", definitions["$defs"])
    for schema in found.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    answers: dict[str, Json] = {}
    for name, shape in shapes.items():
        schema = made[name, "serialization"]
        description = (getattr(shape, "__doc__", None) or "").partition("\n")[0]
        known = found.get(name, {}).get("description", description)
        answers[name] = {"schema": schema, "description": known.partition("\n")[0] or "As asked."}
    return answers, found


def _reachable(value: object, schemas: Mapping[str, Json]) -> dict[str, Json]:
    """The schemas that ``value`` refers to, and those that they refer to."""
    found: dict[str, Json] = {}
    waiting: list[object] = [value]
    while waiting:
        for name in _references(waiting.pop()):
            if name in schemas and name not in found:
                found[name] = schemas[name]
                waiting.append(schemas[name])
    return found


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        fields = cast("Json", value)
        target = fields.get("$ref")
        if isinstance(target, str):
            yield target.removeprefix(_SCHEMAS)
        for each in fields.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _references(each)
