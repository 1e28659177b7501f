"""The server itself: health, status, workspaces, tokens, engine, runtime."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openwork.common.settings import Source
from openwork.server.answers.parts import (
    OPEN,
    Actor,
    ErrorBody,
    FullPath,
    Ok,
    ScopeName,
    TimeMs,
    WorkspaceId,
)
from openwork.workspace.presets import Preset

__all__ = ["ErrorBody", "Ok"]


class Health(TypedDict):
    """The server is up."""

    ok: Literal[True]
    version: str
    uptimeMs: int


class WhoAmI(TypedDict):
    """The caller as the server sees it."""

    ok: Literal[True]
    actor: Actor


class WorkspaceEngine(TypedDict):
    """Where a workspace's engine answers; its password is told to nobody."""

    baseUrl: str
    directory: NotRequired[FullPath]


class WhyUnavailable(TypedDict):
    """Why a workspace cannot be served, and the next step."""

    reason: str
    hint: str


class WorkspaceInfo(TypedDict):
    """A workspace; one that cannot be served tells why."""

    id: WorkspaceId
    name: str
    path: FullPath
    workspaceType: Literal["local", "remote"]
    displayName: NotRequired[str]
    preset: NotRequired[Preset]
    baseUrl: NotRequired[str]
    opencode: NotRequired[WorkspaceEngine]
    directory: NotRequired[str]
    remoteType: NotRequired[str]
    openworkHostUrl: NotRequired[str]
    openworkWorkspaceId: NotRequired[str]
    openworkWorkspaceName: NotRequired[str]
    sandboxBackend: NotRequired[str]
    sandboxRunId: NotRequired[str]
    sandboxContainerName: NotRequired[str]
    unavailable: NotRequired[WhyUnavailable]


class ApprovalSettings(TypedDict):
    """Whether changes wait for the host, and how long."""

    mode: Literal["manual", "auto"]
    timeoutMs: int


class ListeningAddress(TypedDict):
    """Where the server listens, and its settings file."""

    host: str
    port: int
    configPath: FullPath


class TokenSources(TypedDict):
    """Where the tokens were set."""

    client: Source
    host: Source


class Status(TypedDict):
    """The server's state."""

    ok: Literal[True]
    version: str
    uptimeMs: int
    readOnly: bool
    approval: ApprovalSettings
    corsOrigins: list[str]
    workspaceCount: int
    activeWorkspaceId: WorkspaceId | None
    workspace: WorkspaceInfo | None
    authorizedRoots: list[FullPath]
    server: ListeningAddress
    tokenSource: TokenSources


class ReadWrite(TypedDict):
    """What is possible with a resource."""

    read: bool
    write: bool


class SkillsCapability(ReadWrite):
    """What is possible with skills."""

    source: Literal["openwork"]


class HubRepository(TypedDict):
    """Where the hub's skills come from by default."""

    owner: str
    name: str
    ref: str


class HubSkillsCapability(TypedDict):
    """What is possible with the hub's skills."""

    read: bool
    install: bool
    repo: HubRepository


class HubCapability(TypedDict):
    """What is possible with the hub."""

    skills: HubSkillsCapability


class SandboxCapability(TypedDict):
    """Whether the engine runs in a sandbox."""

    enabled: bool
    backend: Literal["none", "docker", "container"]


class UiCapability(TypedDict):
    """Which pages are served."""

    toy: bool


class TokensCapability(TypedDict):
    """Which tokens there are."""

    scoped: bool
    scopes: list[ScopeName]


class ProxyCapability(TypedDict):
    """What is behind the server."""

    opencode: bool
    opencodeRouter: bool


class BrowserCapability(TypedDict):
    """Whether the agent has a browser."""

    enabled: bool
    placement: str
    mode: str


class FilesCapability(TypedDict):
    """Whether people and the agent may hand files to each other."""

    injection: bool
    outbox: bool
    inboxPath: str
    outboxPath: str
    maxBytes: int


class ToolProviders(TypedDict):
    """Tools beside the engine's own."""

    browser: BrowserCapability
    files: FilesCapability


class Capabilities(TypedDict):
    """What this server can do."""

    schemaVersion: Literal[1]
    serverVersion: str
    skills: SkillsCapability
    hub: HubCapability
    plugins: ReadWrite
    mcp: ReadWrite
    commands: ReadWrite
    config: ReadWrite
    approvals: ApprovalSettings
    sandbox: SandboxCapability
    ui: UiCapability
    tokens: TokensCapability
    proxy: ProxyCapability
    toolProviders: ToolProviders


class WorkspaceList(TypedDict):
    """The workspaces, the active one first."""

    items: list[WorkspaceInfo]
    activeId: WorkspaceId | None


class ChangedWorkspaces(TypedDict):
    """The workspaces after a change, and whether it is in the settings file."""

    activeId: WorkspaceId | None
    workspaces: list[WorkspaceInfo]
    persisted: bool


class ActiveWorkspace(TypedDict):
    """The workspace that is the active one now."""

    activeId: WorkspaceId
    workspace: WorkspaceInfo
    persisted: bool


class DeletedWorkspace(WorkspaceList):
    """The workspaces that are left."""

    ok: Literal[True]
    deleted: Literal[True]
    persisted: bool


class TokenInfo(TypedDict):
    """An issued token, without its secret."""

    id: str
    scope: ScopeName
    createdAt: TimeMs
    label: NotRequired[str]


class TokenList(TypedDict):
    """The issued tokens, newest first."""

    items: list[TokenInfo]


class NewTokenSecret(TokenInfo):
    """A new token with its secret, which is told once."""

    token: Annotated[str, Field(examples=["owt_0123456789abcdef"])]


class EngineReloaded(TypedDict):
    """The engine reads its configuration again."""

    ok: Literal[True]
    reloadedAt: TimeMs


class EngineRestarted(EngineReloaded):
    """Whose engine it was."""

    workspaceIds: list[WorkspaceId]


@with_config(OPEN)
class RuntimeAnswer(TypedDict):
    """What the host's control endpoint says of the services it runs."""

    ok: NotRequired[bool]
