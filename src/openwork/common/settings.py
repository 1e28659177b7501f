"""Settings: flag > environment > file > default, each value with where it came from.

A command's settings are one table of :class:`Setting`. The table is the only place that knows a
setting's flag, variable, key in the file, default, type and help; the command line, the error
messages, ``openwork config show`` and the documentation are made from it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast
from urllib.parse import urlsplit

from openwork.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Source = Literal["cli", "env", "file", "default", "generated"]
T = TypeVar("T")

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One thing a user can set.

    Attributes:
        name: Its name in Python and, with ``-``, its flag: ``openwork_port``, ``--openwork-port``.
        parse: Turns the text of a flag or variable, or the JSON value of a file, into the value;
            raises ValueError saying what is allowed.
        default: The value when nothing is said.
        help: One line for ``--help``.
        env: Environment variables that set it, the first one named in help; () for none.
        file: Dotted key in the settings file, or None.
        choices: The allowed words, for help and completion.
        secret: Never shown: not by ``config show``, not in a log.
        is_flag: A switch: ``--read-only`` / ``--no-read-only``.
        repeatable: May be given more than once; the value is a tuple.
    """

    name: str
    parse: Callable[[object], T]
    default: T
    help: str
    env: tuple[str, ...] = ()
    file: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    is_flag: bool = False
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """The command-line option, ``--openwork-port``."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Resolved:
    """The settings of one run.

    Attributes:
        values: Value by setting name.
        sources: Where each value came from, by setting name.
        origins: The flag, variable or file key that gave the value, for messages.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, Source]
    origins: Mapping[str, str]

    def get(self, setting: Setting[T]) -> T:
        """The value of ``setting``, with its type."""
        return cast("T", self.values[setting.name])

    def source(self, setting: Setting[Any]) -> Source:
        """Where the value of ``setting`` came from."""
        return self.sources[setting.name]


def resolve(
    table: Iterable[Setting[Any]],
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Mapping[str, Any] | None = None,
    file_name: str = "",
) -> Resolved:
    """Settle every setting of ``table``.

    Args:
        table: The settings of the command.
        flags: Values given on the command line by setting name; None and () mean not given.
        environ: The environment.
        file: The parsed settings file, or None.
        file_name: Its path, for messages.

    Raises:
        UsageError: A value is not one the setting takes; names the flag, variable or key.
    """
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    origins: dict[str, str] = {}
    for setting in table:
        source, origin, raw = _first_given(setting, flags, environ, file, file_name)
        if source == "default":
            values[setting.name] = setting.default
        else:
            values[setting.name] = _parse(setting, origin, raw)
        sources[setting.name], origins[setting.name] = source, origin
    return Resolved(values, sources, origins)


def _first_given(
    setting: Setting[Any],
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Mapping[str, Any] | None,
    file_name: str,
) -> tuple[Source, str, object]:
    given = flags.get(setting.name)
    if given is not None and given != ():
        return "cli", setting.flag, given
    for variable in setting.env:
        if environ.get(variable, "") != "":
            return "env", variable, environ[variable]
    if setting.file is not None and file is not None:
        value = _dig(file, setting.file)
        if value is not None:
            return "file", f"{setting.file} in {file_name}", value
    return "default", "default", None


def _dig(tree: Mapping[str, Any], dotted: str) -> object:
    node: object = tree
    for key in dotted.split("."):
        if not isinstance(node, dict):
            return None
        node = cast("dict[str, object]", node).get(key)
    return node


def _parse(setting: Setting[T], origin: str, raw: object) -> T:
    try:
        return setting.parse(raw)
    except ValueError as error:
        shown = "the given value" if setting.secret else repr(raw)
        raise UsageError(
            f"{origin}: {shown} is not allowed: {error}", hint=f"{setting.flag}: {setting.help}"
        ) from error


def text(raw: object) -> str:
    """A non-empty string."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("expected some text")
    return raw.strip()


def boolean(raw: object) -> bool:
    """true/1/yes/on or false/0/no/off, or a JSON boolean."""
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("expected true or false")


def one_of(*words: str) -> Callable[[object], str]:
    """One of ``words``."""

    def parse(raw: object) -> str:
        if raw not in words:
            raise ValueError(f"expected {' or '.join(words)}")
        return str(raw)

    return parse


def integer(least: int, most: int) -> Callable[[object], int]:
    """A whole number from ``least`` to ``most``."""

    def parse(raw: object) -> int:
        message = f"expected a whole number from {least} to {most}"
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise ValueError(message)  # noqa: TRY004  # what resolve() explains
        try:
            value = int(raw)
        except ValueError:
            raise ValueError(message) from None
        if not least <= value <= most:
            raise ValueError(message)
        return value

    return parse


def words(raw: object) -> tuple[str, ...]:
    """Several strings: a list, a JSON array in a string, or parts divided by ``,`` or ``;``."""
    items: list[object]
    if isinstance(raw, list | tuple):
        items = list(cast("list[object]", raw))
    elif isinstance(raw, str) and raw.lstrip().startswith("["):
        try:
            items = list(json.loads(raw))
        except ValueError:
            raise ValueError("expected a JSON array of strings") from None
    elif isinstance(raw, str):
        items = list(re.split(r"[,;]", raw))
    else:
        raise ValueError("expected a list of strings")  # what resolve() explains
    if not all(isinstance(item, str) for item in items):
        raise ValueError("expected strings")
    return tuple(item for item in (str(item).strip() for item in items) if item)


def http_origin(raw: object) -> str:
    """An ``http://`` or ``https://`` address of a host, with no path, query or user."""
    value = text(raw).rstrip("/")
    try:
        fits = re.fullmatch(r"https?://[^/\s?#@]+", value) and urlsplit(value).port != 0
    except ValueError:  # a port beyond 65535, or none
        fits = False
    if not fits:
        raise ValueError("expected an address like http://127.0.0.1:4096, with no path")
    return value
