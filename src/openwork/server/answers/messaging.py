"""What the messaging router says, passed on: its own fields are open, ours are not."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openwork.server.answers.parts import OPEN


@with_config(OPEN)
class RouterHealth(TypedDict):
    """The messaging router's own account."""

    ok: bool


@with_config(OPEN)
class RouterAnswer(TypedDict):
    """A JSON object of the messaging router."""


@with_config(OPEN)
class RouterIdentity(TypedDict):
    """An identity as the messaging router describes it, without secrets."""

    id: str


@with_config(OPEN)
class RouterBinding(TypedDict):
    """A conversation that works in a folder."""

    identityId: str


class IdentityList(TypedDict):
    """The workspace's identity in a channel, if it has one."""

    ok: Literal[True]
    items: list[RouterIdentity]


class BindingList(TypedDict):
    """Which conversations work in which folder."""

    ok: Literal[True]
    items: list[RouterBinding]


class TelegramState(TypedDict):
    """The workspace's Telegram identity in short."""

    ok: Literal[True]
    configured: bool
    enabled: bool
    bot: Annotated[Any, Field(description="The bot's account, when the router knows it.")]


class _Applied(TypedDict):
    """The router keeps it, and whether it works with it already."""

    ok: Literal[True]
    persisted: Literal[True]
    applied: bool
    applyError: NotRequired[Annotated[str, Field(description="Why it does not.")]]
    applyStatus: NotRequired[Annotated[int, Field(description="The status it refused with.")]]


class TelegramApplied(_Applied):
    """A Telegram identity after a change."""

    telegram: RouterAnswer


class SlackApplied(_Applied):
    """A Slack identity after a change."""

    slack: RouterAnswer


IdentityApplied = TelegramApplied | SlackApplied


class TelegramSwitched(_Applied):
    """Whether the Telegram bot is on."""

    enabled: bool
