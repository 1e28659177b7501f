"""The base of our JSON bodies: camelCase on the wire, snake_case here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """A request or response body."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Ok(WireModel):
    """``{ok: true}``."""

    ok: bool = True
