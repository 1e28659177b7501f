"""What a secret looks like: the one table of names and shapes, for hiding and for finding. No I/O.

Hiding (``redact``) is generous: whatever stands under a secret's name goes. Finding
(``find_secrets``) is for telling a person what they are about to share, so it leaves out
placeholders, references such as ``{env:NAME}``, and prose.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

from openwork.workspace.secret_shapes import SHAPES, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "HIDDEN",
    "SHAPES",
    "Finding",
    "find_secrets",
    "flag_before",
    "is_placeholder",
    "is_reference",
    "looks_like_secret",
    "looks_random",
    "names_a_secret",
    "redact",
    "redact_text",
    "shape_of",
    "shapes_in",
]

HIDDEN = "***"
MIN_RANDOM_CHARACTERS = 16
MIN_ASSIGNED_CHARACTERS = 12
MIN_RANDOM_BITS_PER_CHARACTER = 3.0
_MAX_PROSE_WORDS = 6
_MIN_SHAPE_CHARACTERS = 7  # ``a://:b@``
_SHORT_CHARACTERS = 64
_MAX_PLACEHOLDER_CHARACTERS = 200

_MARKS = tuple((mark, position) for position, shape in enumerate(SHAPES) for mark in shape.marks)
_UNMARKED = {position for position, shape in enumerate(SHAPES) if not shape.marks}
_UNMARKED_SHAPES = tuple(SHAPES[position] for position in sorted(_UNMARKED))

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a secret stands, never what it is.

    Attributes:
        path: Keys and positions from the outside in.
        kind: ``github-token``, ``password``, …: a name of the tables below.
    """

    path: Path
    kind: str


# Of a key with its words joined by _ in lower case. The text under it is a secret, whatever it is.
NAMES = (
    ("private-key", r".*private_?key"),
    ("api-key", r".*(?:api|access|secret|auth|subscription|master|signing|encryption)_?keys?"),
    ("token", r".*token"),
    ("secret", r".*secrets?"),
    ("password", r".*(?:password|passwd|passphrase)s?|(?:.*_)(?:pwd|pass)"),
    ("authorization", r"(?:proxy_?)?authorization|.*bearer"),
    ("credential", r".*credentials?"),
    ("cookie", r"(?:.*_)?cookie"),
)
_NAMES = tuple((kind, re.compile(pattern)) for kind, pattern in NAMES)
# Hidden as well, but as often harmless: only a random text makes them a finding.
_HIDDEN_TOO = frozenset({"key", "refresh", "access"})
_DOUBTFUL = re.compile(
    r"(?:.*_)?keys?|refresh|access|auth|.*tokens|(?:.*_)?(?:dsn|sas|webhook|session)"
)
_HOLDERS = frozenset({"headers", "env", "environment"})
_REFERENCE = re.compile(
    r"(?:(?:bearer|basic|token)\s+)?(?:\{(?:env|file):[^{}]*\}|\$\{[^{}]*\}|\$\w+|%\w+%|\{\{[^{}]*\}\}|<[^<>]*>)",
    re.IGNORECASE,
)  # fmt: skip
# The engine's own: nobody's password looks like these, as it might like ``$ecret``.
_FIRM_REFERENCE = re.compile(
    r"(?:(?:bearer|basic|token)\s+)?(?:\{(?:env|file):[^{}]*\}|\$\{\w+\})", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"(?:your|insert|enter|replace|example|dummy|fake|sample)[ _-].*|change_?me|example"
    r"|redacted|secret|password|token|none|null|true|false|include|omit|same-origin|required"
    r"|optional|string|todo|(?:[a-z_-]{2,12}[_-])?(.)\1*|[0-9]{1,6}|.*(?:\.{3}|…|\*{3}).*",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.~!@#%^&*-]+")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def looks_like_secret(key: str, text: str) -> str | None:
    """What kind of secret ``text`` under the name ``key`` seems to be; None when it seems none.

    Args:
        key: A key, a variable's or a flag's name; empty when there is none.
        text: Its value.
    """
    shaped = shape_of(text)
    if shaped is not None:
        return shaped
    value = text.strip()
    if is_placeholder(value) or len(value.split()) > _MAX_PROSE_WORDS:
        return None
    name = _joined(key)
    named = _kind_of_name(name)
    if named is not None:
        return named
    return "random-text" if _is_doubtful(key) and looks_random(value) else None


def shape_of(text: str) -> str | None:
    """The kind of the first shape in ``text``, or None."""
    return next((kind for kind, _ in shapes_in(text)), None)


def shapes_in(text: str) -> Iterator[tuple[str, int]]:
    """Every shape in ``text``: its kind, and the line it begins in, from 1."""
    if len(text) < _MIN_SHAPE_CHARACTERS:
        return
    for shape in _shapes_for(text):
        for match in shape.pattern.finditer(text):
            start, end = _secret_span(match)
            if _counts(shape, text[start:end]):
                yield shape.kind, text.count("\n", 0, start) + 1


def find_secrets(value: object) -> list[Finding]:
    """The places in ``value`` (parsed JSON) that seem to hold a secret, in order.

    A key is looked at too: a permission's pattern can be a whole command line. Of a list, an item
    after a flag such as ``--token`` counts as named by it.
    """
    found: list[Finding] = []
    waiting: list[tuple[Path, str, object]] = [((), "", value)]
    while waiting:
        path, name, item = waiting.pop()
        if isinstance(item, dict):
            fields = cast("dict[str, object]", item)
            for key in fields:
                kind = shape_of(key)
                if kind is not None:
                    found.append(Finding((*path, key), kind))
            waiting.extend(((*path, key), key, each) for key, each in reversed(fields.items()))
        elif isinstance(item, list):
            items = cast("list[object]", item)
            waiting.extend(
                ((*path, index), flag_before(items, index) or name, items[index])
                for index in reversed(range(len(items)))
            )
        elif isinstance(item, str):
            kind = looks_like_secret(name, item)
            if kind is not None:
                found.append(Finding(path, kind))
    return found


def redact(value: object, *, hide: bool = False) -> object:
    """A copy of ``value`` (parsed JSON) without secrets; keys stay, but for shapes inside them.

    Texts under a secret's name, behind a flag such as ``--token``, in ``headers`` and environments,
    and every shape inside any other text become ``***``. References such as ``{env:NAME}`` stay.

    Args:
        value: Parsed JSON.
        hide: Whether every text in it is a secret.
    """
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        shown: dict[str, object] = {}
        for key, each in fields.items():
            name = _name(key) if len(key) <= _SHORT_CHARACTERS else _looked_at(key)
            # Here, not one call deeper: an engine's list of models has 400,000 values, most of them
            # numbers and short words.
            if each is None or isinstance(each, (int, float)):
                shown[name.shown] = each
            elif isinstance(each, str) and not hide and name.is_plain:
                shown[name.shown] = redact_text(each)
            else:
                shown[name.shown] = _redact_under(key, each, hide=hide)
        return shown
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [
            _redact_under(flag_before(items, index) or "", each, hide=hide)
            for index, each in enumerate(items)
        ]
    if not isinstance(value, str):
        return value
    if hide and value:
        return value if _FIRM_REFERENCE.fullmatch(value.strip()) else HIDDEN
    return redact_text(value)


def redact_text(text: str) -> str:
    """``text`` with every shape of a secret in it replaced by ``***``."""
    if len(text) < _MIN_SHAPE_CHARACTERS:
        return text
    return _redact_short(text) if len(text) <= _SHORT_CHARACTERS else _redact_shapes(text)


def _redact_shapes(text: str) -> str:
    text = _without_login(text)
    for shape in _shapes_for(text):
        pieces: list[str] = []
        position = 0
        for match in shape.pattern.finditer(text):
            start, end = _secret_span(match)
            if _counts(shape, text[start:end]):
                pieces += [text[position:start], HIDDEN]
                position = end
        if pieces:
            text = "".join((*pieces, text[position:]))
    return text


# An engine's list of models repeats 9,000 keys and words half a million times.
_redact_short = lru_cache(maxsize=16384)(_redact_shapes)


@lru_cache(maxsize=4096)
def _is_doubtful(key: str) -> bool:
    return _DOUBTFUL.fullmatch(_joined(key)) is not None


@lru_cache(maxsize=4096)
def names_a_secret(key: str) -> bool:
    """Whether a text under ``key`` is to be hidden."""
    name = _joined(key)
    return name in _HIDDEN_TOO or _kind_of_name(name) is not None


def is_reference(text: str) -> bool:
    """Whether ``text`` only names where a secret is: ``{env:NAME}``, ``Bearer ${NAME}``, …"""
    return _REFERENCE.fullmatch(text.strip()) is not None


def is_placeholder(text: str) -> bool:
    """Whether ``text`` stands where a secret would: empty, a reference, ``changeme``, ``***``."""
    value = text.strip()
    if len(value) > _MAX_PLACEHOLDER_CHARACTERS:
        return False
    return not value or is_reference(value) or _PLACEHOLDER.fullmatch(value) is not None


def looks_random(text: str, *, least: int = MIN_RANDOM_CHARACTERS) -> bool:
    """Whether ``text`` is one long enough word of letters and digits that nobody would choose."""
    if len(text) < least or _UUID.fullmatch(text) or not _RANDOM.fullmatch(text):
        return False
    if not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text[:1000])
    total = sum(counts.values())
    bits = -sum(count / total * math.log2(count / total) for count in counts.values())
    return bits >= min(MIN_RANDOM_BITS_PER_CHARACTER, math.log2(total) - 1)


def flag_before(items: list[object], index: int) -> str | None:
    """The name of the flag, as ``--token``, that the item at ``index`` is the value of, or None."""
    if index == 0:
        return None
    flag = items[index - 1]
    if not isinstance(flag, str) or not flag.startswith("-") or "=" in flag:
        return None
    return flag.lstrip("-") or None


@dataclass(frozen=True, slots=True)
class _Name:
    """What a key says of the text under it.

    Attributes:
        shown: The key without shapes of secrets in it.
        is_plain: A text under it is hidden for its shape only.
    """

    shown: str
    is_plain: bool


def _looked_at(key: str) -> _Name:
    return _Name(redact_text(key), not names_a_secret(key) and not _is_doubtful(key))


_name = lru_cache(maxsize=4096)(_looked_at)


def _redact_under(name: str, value: object, *, hide: bool) -> object:
    hidden = hide or _hides(name, value)
    if not hidden and isinstance(value, str) and _is_doubtful(name):
        hidden = looks_random(value.strip())
    return redact(value, hide=hidden)


def _hides(key: str, value: object) -> bool:
    if key.lower() in _HOLDERS:
        return isinstance(value, dict)  # a provider's "env" is a list of variables' names
    return names_a_secret(key)


def _joined(key: str) -> str:
    """``key`` in lower case with ``_`` between its words."""
    return re.sub(r"[\s.-]+", "_", _WORD_START.sub("_", key.strip())).lower()


def _kind_of_name(name: str) -> str | None:
    return next((kind for kind, pattern in _NAMES if pattern.fullmatch(name)), None)


def _shapes_for(text: str) -> tuple[Shape, ...]:
    """The shapes whose marks are in ``text``.

    A configuration may hold a hundred thousand short texts: this is one flat pass over the marks.
    """
    lower = text.lower()
    found = {position for mark, position in _MARKS if mark in lower}
    if not found:
        return _UNMARKED_SHAPES
    return tuple(SHAPES[position] for position in sorted(found | _UNMARKED))


def _secret_span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret" if "secret" in match.re.groupindex else 0)


def _counts(shape: Shape, text: str) -> bool:
    if is_placeholder(text):
        return False
    return not shape.random or looks_random(text, least=MIN_ASSIGNED_CHARACTERS)


def _without_login(text: str) -> str:
    if "://" not in text:
        return text
    return re.sub(r"(\w://)[^/@\s]+@", rf"\1{HIDDEN}@", text)
