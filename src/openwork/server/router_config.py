"""The messaging router's configuration file: the identities in it, with their tokens.

Format: ``{version: 1, channels: {telegram: {enabled?, bots: [{id, token, enabled?, directory?,
access?, pairingCodeHash?}]}, slack: {enabled?, apps: [{id, botToken, appToken, enabled?,
directory?}]}}}``, of opencode-router. The router writes it in place, and other servers of this
machine write it too: it is read anew for each change, under a lock among ours, and whatever is not
changed stays.
"""

from __future__ import annotations

import fcntl
import glob
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError
from openwork.common.files import PRIVATE_FILE_MODE, ensure_private_dir
from openwork.server.router_link import identity_name
from openwork.server.settings_json import damaged_settings, read_settings, write_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from openwork.server.router_link import Fields

VERSION = 1
TOKENS = {"telegram": ("token",), "slack": ("botToken", "appToken")}
_LISTS = {"telegram": "bots", "slack": "apps"}
_KEYS = {
    "telegram": ("id", "token", "enabled", "directory", "access", "pairingCodeHash"),
    "slack": ("id", "botToken", "appToken", "enabled", "directory"),
}
_PREFIX = "opencodeRouter_config"


@dataclass(frozen=True)
class KeptIdentity:
    """One identity as the file has it.

    Attributes:
        channel: ``telegram`` or ``slack``.
        entry: Its fields, tokens among them: never to be shown.
        channel_on: Whether the channel as a whole is on.
    """

    channel: str
    entry: Fields
    channel_on: bool = True

    @property
    def told(self) -> Fields:
        """What the router is sent of it."""
        return {key: self.entry[key] for key in _KEYS[self.channel] if key in self.entry}

    @property
    def secrets(self) -> list[str]:
        """The texts in it that nobody may see."""
        names = (*TOKENS[self.channel], "pairingCodeHash")
        found = [self.entry.get(name) for name in names]
        return [each for each in found if isinstance(each, str) and each]

    @property
    def shown(self) -> Fields:
        """``{id, enabled}`` and for Telegram ``{access, pairingRequired}``."""
        on = self.channel_on and self.entry.get("enabled", True) is not False
        fields: Fields = {"id": identity_name(str(self.entry.get("id", ""))), "enabled": on}
        if self.channel == "telegram":
            private = self.entry.get("access") == "private"
            fields |= {"access": "private" if private else "public", "pairingRequired": private}
        return fields


class RouterConfig:
    """The file at ``path``. Methods block: call them in a thread.

    All raise ``OpenWorkError`` ``invalid_json`` 422 for a damaged file, and
    ``opencodeRouter_config_read_failed`` or ``opencodeRouter_config_write_failed`` 500; the file is
    then as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def identity(self, channel: str, identity: str) -> KeptIdentity | None:
        """One identity, or None when it is not there or has no token."""
        file = read_settings(self.path, _PREFIX) or {}
        return self._kept(file, channel, identity)

    def change(
        self, channel: str, identity: str, fields: Fields, *, add: bool = True
    ) -> KeptIdentity | None:
        """Set fields of an identity; None takes a field away, what is not named stays.

        Args:
            channel: Which list it is in.
            identity: Its id.
            fields: New values. ``enabled: true`` turns the channel on, as the router does itself.
            add: Whether one that is not there is added.

        Returns:
            The identity as it now is, or None when it is not there.
        """
        with self._locked():
            file = read_settings(self.path, _PREFIX) or {"version": VERSION}
            if not add and self._kept(file, channel, identity) is None:
                return None
            before = repr(file)
            section, entries = self._section(file, channel)
            mine = [each for each in entries if _is(each, identity)]
            merged = {**(mine[0] if mine else {}), "id": identity, **fields}
            entry: Fields = {key: value for key, value in merged.items() if value is not None}
            section[_LISTS[channel]] = _with(entries, identity, entry)
            if entry.get("enabled") is True:
                section["enabled"] = True
            if repr(file) != before:
                write_settings(self.path, file, _PREFIX)
            return self._kept(file, channel, identity)

    def remove(self, channel: str, identity: str) -> KeptIdentity | None:
        """Take an identity out; what it was, or None when it was not there."""
        with self._locked():
            file = read_settings(self.path, _PREFIX) or {}
            gone = self._kept(file, channel, identity)
            section, entries = self._section(file, channel)
            left = [each for each in entries if not _is(each, identity)]
            if len(left) != len(entries):
                section[_LISTS[channel]] = left
                write_settings(self.path, file, _PREFIX)
            return gone

    def _kept(self, file: dict[str, Any], channel: str, identity: str) -> KeptIdentity | None:
        section, entries = self._section(file, channel)
        for each in entries:
            tokens = [each.get(name) for name in TOKENS[channel]]
            if _is(each, identity) and all(isinstance(token, str) and token for token in tokens):
                on = section.get("enabled", True) is not False
                return KeptIdentity(channel, dict(each), channel_on=on)
        return None

    def _section(self, file: dict[str, Any], channel: str) -> tuple[dict[str, Any], list[Fields]]:
        """A channel's part of the file and the identities in it; made where it is missing."""
        channels: object = file.setdefault("channels", {})
        if not isinstance(channels, dict):
            raise damaged_settings(self.path, "channels must be an object")
        section = cast("dict[str, object]", channels).setdefault(channel, {})
        if not isinstance(section, dict):
            raise damaged_settings(self.path, f"channels.{channel} must be an object")
        named = _LISTS[channel]
        entries = cast("dict[str, Any]", section).get(named, [])
        if not isinstance(entries, list) or not all(
            isinstance(each, dict) for each in cast("list[object]", entries)
        ):
            raise damaged_settings(
                self.path, f"channels.{channel}.{named} must be a list of objects"
            )
        return cast("dict[str, Any]", section), cast("list[Fields]", entries)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One of our servers at a time; what one left half-written when it was killed goes."""
        real = Path(os.path.realpath(self.path))
        try:
            ensure_private_dir(real.parent)
            lock = os.open(
                real.with_name(f".{real.name}.lock"), os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE
            )
        except OSError as error:
            raise OpenWorkError(
                f"{_PREFIX}_write_failed",
                f"{self.path} cannot be written: {error.strerror or error}",
                hint="Check its folder's owner and permissions. Nothing was changed.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in real.parent.glob(f".{glob.escape(real.name)}.{'?' * 12}.tmp"):
                left.unlink(missing_ok=True)  # it may hold tokens
            yield
        finally:
            os.close(lock)


def _is(entry: Fields, identity: str) -> bool:
    return identity_name(str(entry.get("id", ""))) == identity


def _with(entries: list[Fields], identity: str, entry: Fields) -> list[Fields]:
    """``entries`` with ``entry`` in the place of the identity's first, or at the end."""
    known = [index for index, each in enumerate(entries) if _is(each, identity)]
    if not known:
        return [*entries, entry]
    return [
        entry if index == known[0] else each
        for index, each in enumerate(entries)
        if index not in known[1:]
    ]
