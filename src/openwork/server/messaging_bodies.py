"""What clients send to a workspace's messaging routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from openwork.server.wire import WireModel

LONGEST_TEXT = 500


class Tokens(WireModel):
    """``POST …/telegram-token`` takes ``token``, ``POST …/slack-tokens`` the other two."""

    token: str = Field(default="", max_length=LONGEST_TEXT)
    bot_token: str = Field(default="", max_length=LONGEST_TEXT)
    app_token: str = Field(default="", max_length=LONGEST_TEXT)


class TelegramSwitch(WireModel):
    """``POST …/telegram-enabled``."""

    enabled: bool
    clear_token: bool = False


class Identity(Tokens):
    """``POST …/identities/CHANNEL``: ``private`` bots talk only to who gives the pairing code.

    Access and pairing are Telegram's: a Slack app is for who is in its Slack workspace.
    """

    id: str | None = Field(default=None, max_length=LONGEST_TEXT)
    enabled: bool = True
    access: Literal["public", "private"] = "public"
    pairing_code: str | None = Field(default=None, max_length=LONGEST_TEXT)


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
