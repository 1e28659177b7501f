"""What a configuration must not gain from somebody who may not see its secrets.

Such a caller could make the engine hand them over: by a new address beside a stored key, by a
reference to a file or variable of this machine where values are shown, or by an instruction file
that the agent then quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.hidden_values import spelled
from openwork.workspace.secrets import redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.workspace.jsonc import JsonValue

_Place = tuple[str, ...]
# What decides who is given the secrets of a server or a provider.
_RECEIVERS = ("url", "command", "baseURL", "npm", "api", "type")
# The engine replaces these in the text of its configuration: https://opencode.ai/docs/config
_REFERENCE = re.compile(r"\{(?:file|env):", re.IGNORECASE)
_INSTRUCTION = re.compile(r"(?![/~])(?!.*(?:\.\.|:|\\))[^\0]*\.(?:md|mdc|txt)", re.IGNORECASE)


def refuse_untrusted(
    wanted: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> None:
    """Refuse what would show a secret to a caller who may not see the stored ones.

    Args:
        wanted: The whole configuration after the change.
        current: What is stored.
        name: What it is, for messages: ``opencode``.

    Raises:
        OpenWorkError: ``secret_redirected``, ``reference_refused`` or ``instruction_refused``, 400.
    """
    _refuse_redirected_secrets(wanted, current, name=name)
    _refuse_new_references(wanted, current, name=name)
    _refuse_new_instructions(wanted, current, name=name)


def _refuse_new_references(
    wanted: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> None:
    waiting: list[tuple[object, object, _Place]] = [(wanted, current, (name,))]
    while waiting:
        new, old, place = waiting.pop()
        if isinstance(new, dict):
            fields = cast("dict[str, object]", new)
            stored = cast("dict[str, object]", old) if isinstance(old, dict) else {}
            for key, each in fields.items():
                if _REFERENCE.search(key) and key not in stored:
                    raise _reference_refused((*place, key))
                waiting.append((each, stored.get(key), (*place, key)))
        elif isinstance(new, list):
            items = cast("list[object]", new)
            kept = cast("list[object]", old) if isinstance(old, list) else []
            waiting += [
                (each, each if each in kept else None, (*place, str(index)))
                for index, each in enumerate(items)
            ]
        elif isinstance(new, str) and new != old and _REFERENCE.search(new):
            raise _reference_refused(place)


def _reference_refused(place: _Place) -> OpenWorkError:
    return OpenWorkError(
        "reference_refused",
        f"{spelled(place)} would read a file or a variable of this machine into the configuration.",
        hint="Ask an owner to add {file:…} and {env:…}.",
        status=400,
    )


def _refuse_new_instructions(
    wanted: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> None:
    new, old = wanted.get("instructions"), current.get("instructions")
    kept = old if isinstance(old, list) else []
    for index, each in enumerate(new if isinstance(new, list) else []):
        if each in kept or (isinstance(each, str) and _INSTRUCTION.fullmatch(each)):
            continue
        place = spelled((name, "instructions", str(index)))
        raise OpenWorkError(
            "instruction_refused",
            f"{place} is no text file of the folder (.md or .txt, by a relative path).",
            hint="Ask an owner to add any other instruction.",
            status=400,
        )


def _refuse_redirected_secrets(
    wanted: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> None:
    """Refuse to keep a stored secret beside a new address or program, which would be given it."""
    waiting: list[tuple[object, object, object, _Place]] = [
        (wanted, current, redact(current), (name,))
    ]
    while waiting:
        new, old, shown, place = waiting.pop()
        if not (isinstance(new, dict) and isinstance(old, dict) and isinstance(shown, dict)):
            continue
        fields, stored = cast("dict[str, object]", new), cast("dict[str, object]", old)
        visible = cast("dict[str, object]", shown)
        moved = [key for key in _RECEIVERS if key in stored and fields.get(key) != stored[key]]
        if moved and _keeps_secret(fields, stored, visible):
            raise OpenWorkError(
                "secret_redirected",
                f"{spelled((*place, moved[0]))} changes while the secrets beside it stay.",
                hint="Give new secrets with it, or ask an owner to make the change.",
                status=400,
            )
        waiting += [
            (each, stored.get(key), visible.get(redact_text(key)), (*place, key))
            for key, each in fields.items()
        ]


def _keeps_secret(new: object, old: object, shown: object) -> bool:
    if isinstance(new, dict) and isinstance(old, dict) and isinstance(shown, dict):
        fields, stored = cast("dict[str, object]", new), cast("dict[str, object]", old)
        visible = cast("dict[str, object]", shown)
        return any(
            _keeps_secret(each, stored.get(key), visible.get(redact_text(key)))
            for key, each in fields.items()
        )
    if isinstance(new, list) and isinstance(old, list) and isinstance(shown, list):
        items, stored_items = cast("list[object]", new), cast("list[object]", old)
        pairs = zip(items, stored_items, cast("list[object]", shown), strict=False)
        return any(_keeps_secret(*each) for each in pairs)
    return isinstance(new, str) and new == old and new != shown
