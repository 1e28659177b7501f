"""The server's ASGI application for another ASGI server than the one the product runs on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.server.app import build_app
from openwork.server.context import build_context
from openwork.server.settings import load

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def make_app() -> ASGIApp:
    """As ``openwork-server`` makes it, from the environment, and with its log."""
    settings = load({}, os.environ)
    log.configure("openwork-server", log_format=settings.log_format)
    return build_app(build_context(settings))
