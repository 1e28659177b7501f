"""The base of our JSON bodies: camelCase on the wire, snake_case here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class WireModel(BaseModel):
    """A request or response body.

    As existing clients mean it, null is "not said" where a field has a default, and 90.0 is 90.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _as_it_is_meant(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = cast("dict[str, object]", data)
        defaulted, whole = _lenient_keys(cls)
        meant: dict[str, object] = {}
        for key, value in fields.items():
            if value is None and key in defaulted:
                continue
            is_whole = key in whole and isinstance(value, float) and value.is_integer()
            meant[key] = int(cast("float", value)) if is_whole else value
        return meant

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Say that null is taken, too."""
        schema = handler(core_schema)
        if handler.mode == "validation":
            properties: dict[str, Any] = handler.resolve_ref_schema(schema).get("properties", {})
            defaulted, _ = _lenient_keys(cls)
            for key in defaulted & properties.keys():
                properties[key] = _or_null(properties[key])
        return schema


@cache
def _lenient_keys(model: type[WireModel]) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of fields that have a default other than null, and of those that are integers."""
    defaulted: set[str] = set()
    whole: set[str] = set()
    for name, field in model.model_fields.items():
        keys = {name, field.alias or name}
        if not field.is_required() and field.get_default(call_default_factory=False) is not None:
            defaulted |= keys
        if field.annotation is int:
            whole |= keys
    return frozenset(defaulted), frozenset(whole)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    beside = {key: schema[key] for key in ("default", "title", "description") if key in schema}
    kept = {key: value for key, value in schema.items() if key not in beside}
    return {"anyOf": [kept, {"type": "null"}], **beside}


class Ok(WireModel):
    """``{ok: true}``."""

    ok: bool = True
