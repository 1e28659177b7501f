"""Which models a host can use: those of the providers that are signed in to or configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openwork.engine.client import EngineClient
    from openwork.engine.models import Provider

HOW_TO_SIGN_IN = (
    "openwork engine auth login, then start the host again; or put a provider into opencode.jsonc "
    "(https://opencode.ai/docs/providers/)."
)


def named(providers: Sequence[Provider]) -> str:
    """``OpenAI (12 models), Local (1 model)``; "" when no model can be used."""
    counts = [(each.name or each.id, len(each.models)) for each in providers if each.models]
    return ", ".join(f"{name} ({n} model{'' if n == 1 else 's'})" for name, n in counts)


async def require_model(client: EngineClient) -> None:
    """Make sure that the engine can ask some model.

    Raises:
        OpenWorkError: ``no_model`` when it has none; what the engine answers when it cannot tell.
    """
    if not named(await client.providers()):
        raise OpenWorkError(
            "no_model",
            "No model can be used: no model provider is signed in or configured.",
            hint=HOW_TO_SIGN_IN,
        )
