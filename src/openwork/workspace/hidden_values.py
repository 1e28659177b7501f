"""What becomes of ``***`` when a client sends back a configuration it was shown without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.secrets import HIDDEN, redact, redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openwork.workspace.jsonc import JsonValue

_Place = tuple[str, ...]
_MISSING = object()


def restore_hidden(
    sent: Mapping[str, JsonValue], current: Mapping[str, JsonValue], *, name: str
) -> dict[str, JsonValue]:
    """``sent`` with each hidden value replaced by the secret it stands for in ``current``.

    Args:
        sent: From a client that was shown ``redact(current)``.
        current: What is stored.
        name: What it is, for messages: ``opencode``.

    Raises:
        OpenWorkError: ``hidden_value`` 400 for a ``***`` that stands for nothing stored there.
    """
    restored = _restore(sent, current, redact(current), (name,))
    return cast("dict[str, JsonValue]", restored)


def spelled(place: _Place) -> str:
    """``a.b.c`` for messages; half a surrogate pair is written as its number."""
    return ".".join(place).encode(errors="backslashreplace").decode()


def _restore(sent: object, current: object, shown: object, place: _Place) -> object:
    if isinstance(sent, dict):
        return _restore_object(cast("dict[str, object]", sent), current, shown, place)
    if isinstance(sent, list):
        return _restore_list(cast("list[object]", sent), current, shown, place)
    if not isinstance(sent, str) or HIDDEN not in sent:
        return sent
    if isinstance(current, str) and sent == shown:
        return current
    partly_hidden = isinstance(current, str) and current != shown
    if sent.strip() == HIDDEN or f"://{HIDDEN}@" in sent or partly_hidden:
        raise _stands_for_nothing(place)
    return sent


def _restore_object(
    sent: dict[str, object], current: object, shown: object, place: _Place
) -> dict[str, object]:
    stored = cast("dict[str, object]", current) if isinstance(current, dict) else {}
    visible = cast("dict[str, object]", shown) if isinstance(shown, dict) else {}
    names = {redact_text(key): key for key in stored}
    if len(names) < len(stored) and any(HIDDEN in key for key in sent):
        raise _stands_for_nothing(place)  # two keys look alike: which one is meant?
    restored: dict[str, object] = {}
    for key, value in sent.items():
        real = names.get(key, key) if HIDDEN in key else key
        restored[real] = _restore(
            value,
            stored.get(real, _MISSING),
            visible.get(redact_text(real), _MISSING),
            (*place, key),
        )
    return restored


def _restore_list(sent: list[object], current: object, shown: object, place: _Place) -> object:
    """Item by item; one that has moved is found by what it looks like, when only one does."""
    stored = cast("list[object]", current) if isinstance(current, list) else []
    visible = cast("list[object]", shown) if isinstance(shown, list) else []
    restored: list[object] = []
    for index, value in enumerate(sent):
        alike = [at for at, each in enumerate(visible) if each == value]
        at = index
        if alike and index not in alike:
            at = alike[0] if len(alike) == 1 else len(visible)
        inside = at < len(visible)
        restored.append(
            _restore(
                value,
                stored[at] if inside else _MISSING,
                visible[at] if inside else _MISSING,
                (*place, str(index)),
            )
        )
    return restored


def _stands_for_nothing(place: _Place) -> OpenWorkError:
    return OpenWorkError(
        "hidden_value",
        f"{spelled(place)} holds {HIDDEN}, which stands for a secret that is not stored there.",
        hint="Send the value itself, {env:NAME}, or leave the key as it was shown to you.",
        status=400,
    )
