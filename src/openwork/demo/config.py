"""The engine configuration that makes the scripted provider its model."""

from __future__ import annotations

from typing import Any

PROVIDER_ID = "openwork-demo"
MODEL_ID = "scripted"
MODEL = f"{PROVIDER_ID}/{MODEL_ID}"
CONTEXT_LIMIT_TOKENS = 128_000
OUTPUT_LIMIT_TOKENS = 32_000


def engine_config(base_url: str, api_key: str | None) -> dict[str, Any]:
    """The engine's configuration for the scripted provider (``OPENCODE_CONFIG_CONTENT``).

    File changes and commands ask for permission, and a refusal goes back to the model so that it
    can say so: without ``continue_loop_on_deny`` the engine ends the turn without a word.

    Args:
        base_url: The provider's address with its ``/v1``.
        api_key: The key the provider checks, or None when it checks none.

    Source: the configuration schema of OpenCode 1.18 (``Config`` in its ``GET /doc``).
    """
    return {
        "provider": {
            PROVIDER_ID: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "OpenWork demo",
                "options": {"baseURL": base_url, "apiKey": api_key or "none"},
                "models": {
                    MODEL_ID: {
                        "name": "Scripted answers",
                        "tool_call": True,
                        "limit": {"context": CONTEXT_LIMIT_TOKENS, "output": OUTPUT_LIMIT_TOKENS},
                    }
                },
            }
        },
        "model": MODEL,
        "small_model": MODEL,
        "permission": {"edit": "ask", "bash": "ask"},
        "share": "disabled",
        "autoupdate": False,
        "experimental": {"continue_loop_on_deny": True},
    }
