"""Command-line options made from a table of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from openwork.common.settings import Setting

Command = TypeVar("Command", bound="Callable[..., Any]")


def settings_options(
    table: Iterable[Setting[Any]], *, hide: frozenset[str] = frozenset()
) -> Callable[[Command], Command]:
    """Give a command one option for each setting.

    An option that is not given is None, so that environment, file and default can follow; values
    are checked where the setting is resolved, with one wording for every source.

    Args:
        table: The settings.
        hide: Names left out of ``--help``; they still work.
    """

    def add(command: Command) -> Command:
        for setting in reversed(list(table)):
            command = _option(setting, hidden=setting.name in hide)(command)
        return command

    return add


def _option(setting: Setting[Any], *, hidden: bool) -> Callable[[Command], Command]:
    notes: list[str] = []
    if setting.env:
        notes.append(f"env: {setting.env[0]}")
    shown = _default_text(setting)
    if shown:
        notes.append(f"default: {shown}")
    text = f"{setting.help}  [{'; '.join(notes)}]" if notes else setting.help
    name = setting.name.replace("_", "-")
    if setting.is_flag:
        return click.option(
            f"--{name}/--no-{name}", setting.name, default=None, help=text, hidden=hidden
        )
    kind: click.ParamType[Any] = click.Choice(setting.choices) if setting.choices else click.STRING
    return click.option(
        f"--{name}",
        setting.name,
        type=kind,
        multiple=setting.repeatable,
        default=() if setting.repeatable else None,
        help=text,
        hidden=hidden,
        metavar=None if setting.choices else _metavar(setting),
    )


def _default_text(setting: Setting[Any]) -> str:
    default: object = setting.default
    if setting.secret or default in ("", (), None):
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ", ".join(str(each) for each in cast("tuple[object, ...]", default))
    return str(default)


def _metavar(setting: Setting[Any]) -> str:
    return "N" if isinstance(setting.default, int) else "TEXT"
