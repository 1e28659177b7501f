"""The environment of programs that are not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# OpenWork's settings hold its tokens; the engine's password is in OPENCODE_SERVER_PASSWORD.
_OURS = ("OPENWORK_", "OPENCODE_SERVER_", "DEN_")


def outside_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without OpenWork's own variables: npm and other people's programs need none."""
    return {key: value for key, value in environ.items() if not key.startswith(_OURS)}
