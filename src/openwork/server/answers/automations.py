"""Automations and their runs."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openwork.server.answers.parts import OPEN, Path, TimeMs
from openwork.workspace.automation_log import Outcome

Hour = Annotated[int, Field(ge=0, le=23)]
Minute = Annotated[int, Field(ge=0, le=59)]


class EveryInterval(TypedDict):
    """Every so many seconds."""

    kind: Literal["interval"]
    seconds: int


class EveryDay(TypedDict):
    """At a time of every day, in the host's time zone."""

    kind: Literal["daily"]
    hour: Hour
    minute: Minute


class EveryWeek(TypedDict):
    """At a time of one weekday, in the host's time zone; 1 is Monday."""

    kind: Literal["weekly"]
    weekday: Annotated[int, Field(ge=1, le=7)]
    hour: Hour
    minute: Minute


@with_config(OPEN)
class AutomationInfo(TypedDict):
    """An automation as its file has it, with what other programs wrote there."""

    id: str
    name: str
    prompt: str
    enabled: bool
    schedule: EveryInterval | EveryDay | EveryWeek
    lastRunSessionId: NotRequired[str | None]


class AutomationPlan(TypedDict):
    """When an automation runs next."""

    nextRunAt: TimeMs | None
    runningSince: TimeMs | None
    lastOutcome: Outcome | None


class AutomationPlans(TypedDict):
    """When each automation runs next, by id."""

    zone: Annotated[str, Field(description="The host's time zone.", examples=["Europe/Berlin"])]
    items: dict[str, AutomationPlan]


class AutomationList(TypedDict):
    """The automations of a workspace."""

    items: list[AutomationInfo]
    updatedAt: TimeMs
    plan: NotRequired[AutomationPlans]


class AutomationRun(TypedDict):
    """A run that has begun."""

    ok: Literal[True]
    automationId: str
    sessionId: str | None
    ranAt: TimeMs


class AutomationLog(TypedDict):
    """The log of one automation."""

    id: Annotated[str, Field(description="The automation's.")]
    path: Path
    size: int
    updatedAt: TimeMs


class AutomationLogs(TypedDict):
    """Logs, newest first."""

    items: list[AutomationLog]


class AutomationLogText(TypedDict):
    """The log of one automation: JSON lines, one a run, oldest first."""

    id: str
    content: str
