"""What a configuration must not gain from somebody who may not see its secrets.

Such a caller could make the engine hand them over: by a new address beside a stored key, by a
reference to a file or variable of this machine where values are shown, or by an instruction file
that the agent then quotes.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.hidden_values import spelled
from openwork.workspace.secrets import redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from openwork.workspace.jsonc import JsonValue

_Place = tuple[str, ...]
# What decides who is given the secrets of a server or a program.
_RECEIVERS = ("url", "command", "args", "cwd", "environment", "env", "headers", "baseURL", "npm",
              "api", "type")  # fmt: skip
# And a provider's key, which may lie in its environment or among the sign-ins.
_PROVIDER_RECEIVERS = frozenset({"api", "npm", "env", "provider", "options", "headers"})
_OWNERS_ONLY = "Give new secrets with it, or ask an owner to make the change."
# The engine replaces these in the text of its configuration: https://opencode.ai/docs/config
_REFERENCE = re.compile(r"\{(?:file|env):", re.IGNORECASE)
_INSTRUCTION = re.compile(r"(?![/~])(?!.*(?:\.\.|:|\\))[^\0\n]*\.(?:md|mdc|txt)", re.IGNORECASE)


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
    _refuse_redirected_providers(wanted, current, name=name)
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
        moved = [key for key in _RECEIVERS if fields.get(key) != stored.get(key)]
        if moved and not _secrets_of(stored, visible).isdisjoint(_texts_of(fields)):
            raise OpenWorkError(
                "secret_redirected",
                f"{spelled((*place, moved[0]))} changes while the secrets beside it stay.",
                hint=_OWNERS_ONLY,
                status=400,
            )
        waiting += [
            (each, stored.get(key), visible.get(redact_text(key)), (*place, key))
            for key, each in fields.items()
        ]


def _refuse_redirected_providers(
    wanted: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> None:
    waiting: list[tuple[object, object, _Place]] = [
        (wanted.get("provider"), current.get("provider"), (name, "provider"))
    ]
    while waiting:
        new, old, place = waiting.pop()
        if not isinstance(new, dict):
            continue
        stored = cast("dict[str, object]", old) if isinstance(old, dict) else {}
        for key, each in cast("dict[str, object]", new).items():
            # Of a model the options are how it answers; what it is asked with is the provider's.
            of_model = len(place) > len(("opencode", "provider", "ID")) and key == "options"
            named = len(place) > len(("opencode", "provider")) and not of_model
            if named and key in _PROVIDER_RECEIVERS and each != stored.get(key):
                raise OpenWorkError(
                    "secret_redirected",
                    f"{spelled((*place, key))} decides who is given the provider's key.",
                    hint="Ask an owner to make the change.",
                    status=400,
                )
            waiting.append((each, stored.get(key), (*place, key)))


def _secrets_of(old: object, shown: object) -> set[str]:
    """The texts in ``old`` that ``shown`` hides, and those that stand for something elsewhere."""
    found: set[str] = set()
    waiting: list[tuple[object, object]] = [(old, shown)]
    while waiting:
        each, visible = waiting.pop()
        if isinstance(each, dict):
            fields = cast("dict[str, object]", each)
            seen = cast("dict[str, object]", visible) if isinstance(visible, dict) else {}
            waiting += [(value, seen.get(redact_text(key))) for key, value in fields.items()]
        elif isinstance(each, list):
            seen_items = cast("list[object]", visible) if isinstance(visible, list) else []
            items = cast("list[object]", each)
            waiting += zip_longest(items, seen_items[: len(items)])
        elif isinstance(each, str) and (each != visible or _REFERENCE.search(each)):
            found.add(each)
    return found


def _texts_of(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += cast("dict[str, object]", each).values()
        elif isinstance(each, list):
            waiting += cast("list[object]", each)
        elif isinstance(each, str):
            yield each
