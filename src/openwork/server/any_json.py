"""Answers that hold whatever a file of the workspace holds."""

from __future__ import annotations

import json

from fastapi.responses import JSONResponse


class AnyJson(JSONResponse):
    """JSON in ASCII: a file may hold half a surrogate pair, which no UTF-8 answer can."""

    def render(self, content: object) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
