"""The engine's routes and what each of them needs: one table. No I/O.

Viewers read what is listed here and nothing else; a route of tomorrow is for owners until somebody
has looked at it. Source of the routes: OpenCode 1.18, ``GET /doc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from openwork.server.scope import Scope

if TYPE_CHECKING:
    from openwork.server.engine_bodies import Inspection

Listing = Literal["plain", "pages"]
AnswerKind = Literal["secrets", "projects"]
Told = Literal["command", "keys"]


@dataclass(frozen=True)
class EngineRule:
    """How one kind of request is treated.

    Attributes:
        least: The lowest scope that may make it.
        inspect: What its JSON body must be checked for before it is passed on, or None.
        is_permission_reply: A person answers a tool call: recorded in the audit log.
        hides: What is taken out of the answer: ``secrets`` for all but owners, ``projects`` of
            other folders for everybody.
        reads_file: It answers with a file's content.
        listing: It lists sessions, which is narrowed to one folder; ``pages`` with a cursor that
            could widen it again.
        events: It streams the events of every folder of the engine.
        prompts: It sets the agent to work.
        acts: It changes something although it is a GET.
        stops: A read-only server lets it through: it ends what runs and changes no file.
        beyond: It reaches past one folder by its nature: refused to everybody.
        records: Under which name an audit entry is written although it needs no owner.
        tells: What the audit entry says of the body.
    """

    least: Scope
    inspect: Inspection | None = None
    is_permission_reply: bool = False
    hides: AnswerKind | None = None
    reads_file: bool = False
    listing: Listing | None = None
    events: bool = False
    prompts: bool = False
    acts: bool = False
    stops: bool = False
    beyond: bool = False
    records: str = ""
    tells: Told | None = None

    @property
    def holds_secrets(self) -> bool:
        """Whether keys are blotted out of the answer for all but owners."""
        return self.hides == "secrets"


Routes: TypeAlias = tuple[tuple[str, EngineRule], ...]

VIEW = EngineRule(Scope.VIEWER)
WORK = EngineRule(Scope.COLLABORATOR)
OWN = EngineRule(Scope.OWNER)
REPLY = EngineRule(Scope.OWNER, is_permission_reply=True)
SECRETS = EngineRule(Scope.VIEWER, hides="secrets")
FILE = EngineRule(Scope.VIEWER, reads_file=True)
BEYOND = EngineRule(Scope.OWNER, beyond=True)
TERMINAL = EngineRule(Scope.OWNER, acts=True)
STOP = EngineRule(Scope.COLLABORATOR, stops=True)

READS: Routes = (
    # What the page, `opencode run --attach`, `opencode attach` and the engine's web page read.
    (r"/global/health|/event|/doc|/path|/formatter|/lsp|/permission|/question", VIEW),
    (r"/session/status|/session/[^/]+(/(children|todo|message(/[^/]+)?))?", VIEW),
    (r"/file(/status)?|/find/(file|symbol)|/vcs(/status)?", VIEW),
    (r"/project/current|/provider/auth|/pty/shells", VIEW),
    (r"/experimental/(capabilities|console|tool/ids|workspace(/status)?)", VIEW),
    (r"/file/content|/api/fs/read/.+", FILE),
    (r"/session|/experimental/session", EngineRule(Scope.VIEWER, listing="plain")),
    (r"/global/event|/api/event", EngineRule(Scope.VIEWER, events=True)),
    (r"/project|/project/[^/]+/directories", EngineRule(Scope.VIEWER, hides="projects")),
    # Keys stand in the configuration, and in whatever is made from it; lines and diffs are files.
    (r"/(global/)?config(/providers)?|/provider|/agent|/command|/skill|/mcp", SECRETS),
    (r"/experimental/resource|/find|/vcs/diff|/session/[^/]+/diff", SECRETS),
    # The newer family.
    (r"/api/(health|location|fs/(find|list)|(permission|question)/request)", VIEW),
    (r"/api/(agent|command|mcp|model|reference|skill|config)", SECRETS),
    (r"/api/(provider|integration)(/.*)?", SECRETS),
    (r"/api/session", EngineRule(Scope.VIEWER, listing="pages")),
    (r"/api/session/active", BEYOND),
    (r"/api/session/[^/]+(/(context|event|history))?", VIEW),
    (r"/api/session/[^/]+/(message|permission|question)(/[^/]+)?", VIEW),
    # A terminal is a shell with no questions asked, although it is opened with a GET.
    (r"/(api/)?pty/[^/]+/connect", TERMINAL),
    # Takes a request out of the queue that steers the engine's own terminal interface.
    (r"/tui/control/next", TERMINAL),
)  # fmt: skip
WRITES: Routes = (
    (r"POST /permission/[^/]+/reply", REPLY),
    (r"POST /session/[^/]+/permissions/[^/]+", REPLY),
    (r"POST /api/session/[^/]+/permission/[^/]+/reply", REPLY),
    (r"\w+ /session", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (r"DELETE /session/[^/]+", EngineRule(Scope.COLLABORATOR, records="session.delete")),
    (r"\w+ /session/[^/]+", EngineRule(Scope.COLLABORATOR, inspect="session")),
    (
        r"\w+ /session/[^/]+/(message|prompt_async)",
        EngineRule(Scope.COLLABORATOR, inspect="prompt", prompts=True),
    ),
    (
        r"\w+ /session/[^/]+/command",
        EngineRule(Scope.COLLABORATOR, inspect="command", prompts=True),
    ),
    (
        r"\w+ /session/[^/]+/init",
        EngineRule(Scope.COLLABORATOR, inspect="prompt", prompts=True),
    ),
    (r"POST /session/[^/]+/abort", STOP),
    # The engine reads its configuration again, as POST /workspace/ID/engine/reload has it do.
    (r"POST /instance/dispose", EngineRule(Scope.OWNER, stops=True)),
    (r"POST /api/session/[^/]+/interrupt", EngineRule(Scope.OWNER, stops=True)),
    # Puts the workspace's files back as they were before a message.
    (r"\w+ /session/[^/]+/revert", EngineRule(Scope.COLLABORATOR, records="session.revert")),
    (r"\w+ /session/[^/]+/unrevert", EngineRule(Scope.COLLABORATOR, records="session.unrevert")),
    (r"\w+ /session/[^/]+/(fork|summarize)", WORK),
    (
        r"\w+ /session/[^/]+/shell",
        EngineRule(Scope.OWNER, records="session.shell", tells="command"),
    ),
    # Publishes the conversation on the engine vendor's site.
    (r"\w+ /session/[^/]+/share", EngineRule(Scope.OWNER, records="session.share")),
    (
        r"\w+ /session/[^/]+/message/[^/]+(/part/[^/]+)?",
        EngineRule(Scope.COLLABORATOR, inspect="part"),
    ),
    (r"\w+ /question/[^/]+/(reply|reject)", WORK),
    (r"POST /log", WORK),
    (r"\w+ /(global/)?config", EngineRule(Scope.OWNER, tells="keys")),
    (r"\w+ /api/session", EngineRule(Scope.OWNER, inspect="location")),
    # They copy, move and replay conversations between folders.
    (r"\w+ /sync(/.*)?|\w+ /experimental/(control-plane|workspace)(/.*)?", BEYOND),
    (r"\w+ /experimental/.*", EngineRule(Scope.OWNER, inspect="location")),
)
