"""What happened and what waits: audit, reload events, approvals."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openwork.server.answers.parts import OPEN, Actor, FullPath, TimeMs, WorkspaceId
from openwork.server.audit import AuditOutcome
from openwork.server.reload_events import Reason

Hash = Annotated[str, Field(description="SHA-256, hexadecimal.", examples=["0" * 64])]


class AuditEntry(TypedDict):
    """One act; each is chained to the one before by a hash."""

    id: str
    workspaceId: str
    actor: Actor
    action: Annotated[str, Field(examples=["config.patch"])]
    target: str
    summary: str
    timestamp: TimeMs
    outcome: AuditOutcome
    decidedBy: NotRequired[Annotated[Actor, Field(description="Who allowed or denied it.")]]
    reason: NotRequired[str]
    torn: NotRequired[Annotated[str, Field(description="Of lines before it that a crash cut.")]]
    previous: Hash
    hash: Hash


@with_config(OPEN)
class LegacyAuditEntry(TypedDict):
    """An act that a server before this one recorded: not chained."""

    id: str
    action: str
    timestamp: float


class AuditPage(TypedDict):
    """Entries, newest first."""

    items: list[AuditEntry | LegacyAuditEntry]
    nextBefore: NotRequired[Annotated[str, Field(description="The before of the next page.")]]


class BadEntry(TypedDict):
    """The first line that is not as it was written."""

    line: int
    reason: str


class AuditVerdict(TypedDict):
    """Whether the log is as it was written."""

    ok: bool
    entries: int
    legacy: Annotated[int, Field(description="Entries of a server before, which ours vouch for.")]
    torn: Annotated[int, Field(description="Lines that a crash cut short.")]
    head: Hash
    firstBad: NotRequired[BadEntry]


class ReloadCause(TypedDict):
    """What was changed."""

    type: str
    name: NotRequired[str]
    action: NotRequired[Literal["added", "removed", "updated"]]
    path: NotRequired[str]


class ReloadEvent(TypedDict):
    """The engine should read something again."""

    id: str
    seq: int
    workspaceId: WorkspaceId
    reason: Reason
    trigger: NotRequired[ReloadCause]
    timestamp: TimeMs


class ReloadEventList(TypedDict):
    """Events, oldest first."""

    items: list[ReloadEvent]
    cursor: Annotated[int, Field(description="The since that asks for those after them.")]
    workspaceId: WorkspaceId
    disabled: bool
    lastReloadAt: TimeMs | None


class WaitingChange(TypedDict):
    """A change that waits for the host."""

    id: str
    workspaceId: WorkspaceId
    action: str
    summary: str
    detail: NotRequired[Annotated[str, Field(description="What would be written, no secrets.")]]
    paths: list[FullPath]
    createdAt: TimeMs
    actor: Actor
    waitingMs: int
    expiresAt: TimeMs


class WaitingChanges(TypedDict):
    """What waits, oldest first."""

    items: list[WaitingChange]


class ApprovalAnswer(TypedDict):
    """The decision as it was taken."""

    ok: Literal[True]
    allowed: bool
