"""The server's ASGI application for another ASGI server than the one the product runs on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openwork.server.app import build_app
from openwork.server.context import build_context
from openwork.server.settings import load

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def make_app() -> ASGIApp:
    """As ``openwork-server`` makes it, from the environment."""
    return build_app(build_context(load({}, os.environ)))
