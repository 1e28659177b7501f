"""What a workspace holds: configuration, skills, commands, agents, plugins, MCP, bundles, jobs."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from openwork.server.answers.parts import (
    OPEN,
    FileProblem,
    FullPath,
    JsonObject,
    Path,
    Removed,
    TimeMs,
    WorkspaceId,
)
from openwork.workspace.import_plan import Action

__all__ = ["Removed"]

BelowOwner = "Below owner every secret is ***."


class ConfigFiles(TypedDict):
    """Both configuration files, parsed."""

    opencode: Annotated[JsonObject, Field(description=f"opencode.json(c). {BelowOwner}")]
    openwork: Annotated[JsonObject, Field(description=f".opencode/openwork.json. {BelowOwner}")]
    updatedAt: TimeMs | None


class ConfigChanged(TypedDict):
    """When the change was recorded."""

    updatedAt: TimeMs


class SkillInfo(TypedDict):
    """A skill, as its SKILL.md describes it."""

    name: str
    description: str
    path: FullPath
    scope: Literal["project", "global"]
    trigger: NotRequired[str]


class SkillList(TypedDict):
    """The skills a workspace sees."""

    items: list[SkillInfo]
    problems: NotRequired[list[FileProblem]]


class SkillFile(TypedDict):
    """A skill and its file."""

    item: SkillInfo
    content: str


class HubSource(TypedDict):
    """Where a hub's skill lies."""

    owner: str
    repo: str
    ref: str
    path: str


class HubSkillInfo(TypedDict):
    """A skill of a repository."""

    name: str
    description: str
    trigger: NotRequired[str]
    source: HubSource


class HubSkillList(TypedDict):
    """The skills of a repository."""

    items: list[HubSkillInfo]


class InstalledSkill(Removed):
    """What was installed, in counts of files."""

    action: Literal["added", "updated"]
    written: int
    skipped: int


class CommandInfo(TypedDict):
    """A command: a prompt with a name."""

    name: str
    template: str
    description: NotRequired[str]
    agent: NotRequired[str]
    model: str | None
    subtask: bool | None
    scope: Literal["workspace", "global"]


class CommandList(TypedDict):
    """Commands, by name."""

    items: list[CommandInfo]
    problems: NotRequired[list[FileProblem]]


class AgentInfo(TypedDict):
    """An agent, as its file describes it."""

    name: str
    description: NotRequired[str]
    mode: NotRequired[str]
    model: NotRequired[str]
    path: FullPath
    scope: Literal["project", "global"]


class AgentList(TypedDict):
    """The agents a workspace sees."""

    items: list[AgentInfo]
    problems: NotRequired[list[FileProblem]]


class AgentFile(TypedDict):
    """An agent and its file."""

    item: AgentInfo
    content: str


class PluginInfo(TypedDict):
    """A plugin of the engine."""

    spec: str
    source: Literal["config", "dir.project", "dir.global"]
    scope: Literal["project", "global"]
    path: NotRequired[str]


class PluginList(TypedDict):
    """Plugins, and in which order the engine loads their sources."""

    items: list[PluginInfo]
    loadOrder: list[str]


class McpServerInfo(TypedDict):
    """An MCP server; only owners see its keys and headers."""

    name: str
    config: Annotated[JsonObject, Field(description="As the engine takes it.")]
    source: Literal["config.project", "config.global"]
    disabledByTools: NotRequired[Literal[True]]


class McpServerList(TypedDict):
    """The user's MCP servers, then the workspace's."""

    items: list[McpServerInfo]


class BundledSkill(TypedDict):
    """A skill in a bundle."""

    name: str
    description: str | None
    content: str


class BundledCommand(TypedDict):
    """A command in a bundle."""

    name: str
    description: NotRequired[str]
    template: str
    agent: NotRequired[str]
    model: NotRequired[str]
    subtask: NotRequired[bool]


class BundledFile(TypedDict):
    """A file in a bundle."""

    path: Path
    content: str
    encoding: NotRequired[Literal["base64"]]
    executable: NotRequired[Literal[True]]


class ExportedBundle(TypedDict):
    """A workspace's configuration as one value."""

    workspaceId: WorkspaceId
    exportedAt: TimeMs
    opencode: JsonObject
    openwork: JsonObject
    skills: list[BundledSkill]
    commands: list[BundledCommand]
    files: NotRequired[list[BundledFile]]
    problems: NotRequired[list[FileProblem]]


class Imported(TypedDict):
    """All of the bundle is written."""

    ok: Literal[True]


class ImportSummary(TypedDict):
    """Counts of files, by what happens to them."""

    total: int
    create: int
    update: int
    replace: int
    delete: int
    unchanged: int


class ImportChange(TypedDict):
    """What happens to one file."""

    kind: Literal["opencode", "openwork", "skill", "command", "file"]
    action: Action
    path: Path


class ImportPreview(TypedDict):
    """What an import would do."""

    fingerprint: Annotated[str, Field(description="Send it back as previewFingerprint.")]
    summary: ImportSummary
    changes: list[ImportChange]


ImportAnswer = Imported | ImportPreview


@with_config(OPEN)
class SchedulerJob(TypedDict):
    """A job of the opencode-scheduler plugin, with the fields its file has."""

    slug: NotRequired[str]


class SchedulerJobList(TypedDict):
    """Jobs, by name."""

    items: list[SchedulerJob]


class DeletedSchedulerJob(TypedDict):
    """The job that was deleted."""

    job: SchedulerJob
