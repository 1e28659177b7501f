"""What clients send to a workspace's messaging routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from openwork.server.wire import WireModel

LONGEST_TEXT = 500
# The router takes a text that starts so for the path of a file to send.
FILE_MARK = "FILE:"


class TelegramToken(WireModel):
    """``POST …/telegram-token``."""

    token: str = Field(default="", max_length=LONGEST_TEXT)


class SlackTokens(WireModel):
    """``POST …/slack-tokens``."""

    bot_token: str = Field(default="", max_length=LONGEST_TEXT)
    app_token: str = Field(default="", max_length=LONGEST_TEXT)


class TelegramSwitch(WireModel):
    """``POST …/telegram-enabled``."""

    enabled: bool
    clear_token: bool = False


class TelegramIdentity(TelegramToken):
    """``POST …/identities/telegram``: ``private`` bots talk only to who gives the pairing code."""

    id: str | None = Field(default=None, max_length=LONGEST_TEXT)
    enabled: bool = True
    access: Literal["public", "private"] = "public"
    pairing_code: str | None = Field(default=None, max_length=LONGEST_TEXT)


class SlackIdentity(SlackTokens):
    """``POST …/identities/slack``."""

    id: str | None = Field(default=None, max_length=LONGEST_TEXT)
    enabled: bool = True


class Binding(WireModel):
    """``POST …/bindings``: a conversation works in a folder; without one it is let go."""

    channel: str = ""
    peer_id: str = Field(default="", max_length=LONGEST_TEXT)
    directory: str | None = None
    identity_id: str | None = Field(default=None, max_length=LONGEST_TEXT)


class OutgoingText(WireModel):
    """``POST …/send``: to one conversation, or to all bound to the folder."""

    channel: str = ""
    text: str = ""
    peer_id: str | None = Field(default=None, max_length=LONGEST_TEXT)
    directory: str | None = None
    auto_bind: bool | None = None
    identity_id: str | None = Field(default=None, max_length=LONGEST_TEXT)
