"""What the OpenAPI document says in words. Read only when the document is made."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

DESCRIPTION = """\
A workspace is a folder that an agent (OpenCode) works in. This server gives clients its
configuration, skills, commands, agents, files and automations; each change goes through one gate:
scope, the host's approval, the change itself, an audit entry, a reload event.

**Who may call.** `Authorization: Bearer TOKEN`: a token has the scope `viewer`, `collaborator` or
`owner`, each with all that the one before may; `x-scope` names the least an operation needs.
Operations with `hostToken` are the host's: its token, or that of an owner. A client may name itself
in `X-OpenWork-Client-Id`; the audit log tells it.

**Mounts.** Every path also answers below `/w/{workspace_id}`, for that workspace alone: an unknown
one is 404 `workspace_not_found`. The engine answers below `/opencode`: it is not told here.

**Failures** have one shape, `ErrorBody`; their `code` is stable. Before an operation is looked for,
a request may be refused with 421 (a Host header that is not this server's) or 431 (a head too
long), and a body that no operation takes with 413.
"""

TAGS = {
    "server": "The server itself: is it up, what can it do, who is the caller.",
    "tokens": "Tokens that the host issues to clients.",
    "workspaces": "Make, name, choose and remove workspaces.",
    "config": "The engine's configuration of a workspace, and ours.",
    "bundles": "A workspace's configuration as one value: export, preview, import.",
    "engine": "The engine reads its configuration again.",
    "events": "Reload events: what the engine should read again.",
    "audit": "Who changed what: append-only, chained by hashes.",
    "approvals": "Changes that wait for the host.",
    "skills": "Skills: folders with a SKILL.md that tells the agent how to do something.",
    "hub": "Skills of a GitHub repository.",
    "commands": "Commands: prompts with a name.",
    "agents": "Agents: their prompt, model and tools.",
    "plugins": "Plugins of the engine.",
    "mcp": "MCP servers of the engine.",
    "sessions": "Sessions of the engine; all but deletion goes through /opencode.",
    "scheduler": "Jobs of the opencode-scheduler plugin.",
    "runtime": "Versions and upgrades of what the host runs.",
    "router": "The messaging router, for its host: passed on as it is.",
    "messaging": "A workspace's messaging: its bots, and who talks to them.",
    "inbox": "Files that people hand to the agent.",
    "artifacts": "Files that the agent hands to people.",
    "files": "Files of a workspace: text, catalog, batches.",
    "automations": "Prompts that run on a schedule.",
}

SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The configured client token, or one that the host issued (owt_…).",
    },
    "hostToken": {
        "type": "apiKey",
        "in": "header",
        "name": "X-OpenWork-Host-Token",
        "description": "The host's token.",
    },
}

# By name, or by tag and name where that means something of its own.
PARAMETERS = {
    "workspace_id": "The workspace's id.",
    "workspaces.target_id": "The workspace's id.",
    "token_id": "The token's id, as listed; not its secret.",
    "persist": "Keep the choice in the settings file too.",
    "approval_id": "The id of the waiting change.",
    "skills.name": "The skill's name: lower-case letters, digits and hyphens, at most 64.",
    "hub.name": "The skill's name: lower-case letters, digits and hyphens, at most 64.",
    "commands.name": "The command's name: letters, digits, _ and -.",
    "agents.name": "The agent's name, which is its file's without .md.",
    "plugins.name": "The plugin's package or path; a version is not looked at.",
    "mcp.name": "The MCP server's name.",
    "scheduler.name": "The job's name or slug.",
    "messaging.name": "The identity's id: the workspace's own.",
    "sessions.session_id": "The id of the engine's session.",
    "files.session_id": "The id of the file session.",
    "item_id": "The item's id, as listed: base64url of its path.",
    "artifact_id": "The artifact's id, as listed: base64url of its path.",
    "automation_id": "The automation's id: letters, digits, _ and -, at most 80.",
    "router.path": "The path below the messaging router's root.",
    "includeGlobal": "true: also the user's own, which hold in every workspace.",
    "commands.scope": "global: the user's own instead; only for the host.",
    "hub.owner": "The repository's owner on GitHub; blank for the default.",
    "hub.repo": "The repository's name; blank for the default.",
    "hub.ref": "Its branch, tag or commit; blank for the default.",
    "events.since": "The number of the last event that is known; 0 or blank for all that are kept.",
    "last-event-id": "The id of the last event that was received: goes on behind it.",
    "audit.limit": "At most so many entries: 50 by default, at most 200.",
    "audit.before": "Only entries before this id, time in milliseconds, or nextBefore of a page.",
    "audit.action": "Only this action, or with * behind it those that begin so: config.*",
    "audit.actor": "Only of this client id, scope, or first digits (6 or more) of a token's hash.",
    "audit.format": "jsonl: the entries as they are stored; csv: a table.",
    "bundles.sensitive": "What looks like a secret: auto asks (409), exclude leaves it out, "
    "include gives it to owners.",
    "bundles.preview": "true: tell what would change, and change nothing.",
    "inbox.path": "Where to, below the inbox; blank for the form's path, else the file's own name.",
    "files.path": "The Markdown file, relative to the workspace.",
    "files.prefix": "Only what lies in this folder, relative to the workspace; blank for all.",
    "files.after": "Only what comes behind this path: nextAfter of the page before.",
    "files.limit": "At most so many items: 2,000 by default, at most 10,000.",
    "files.includeDirs": "false: files only.",
    "files.includeIgnored": "true: also .git and node_modules.",
    "files.since": "The number of the last change that is known; 0 or blank for all that are kept.",
    "messaging.channel": "telegram or slack; a list of conversations may leave it out.",
    "messaging.identityId": "The workspace's own identity; blank means it.",
    "automations.plan": "true: also tell when each runs next.",
}

EXAMPLES = {
    "workspace_id": "ws_0123456789ab",
    "target_id": "ws_0123456789ab",
    "skills.name": "weekly-report",
    "commands.name": "standup",
    "agents.name": "reviewer",
    "plugins.name": "opencode-wakatime",
    "mcp.name": "notion",
    "automation_id": "nightly",
    "item_id": "bm90ZXMudHh0",
    "artifact_id": "cmVwb3J0cy9xMS5jc3Y",
    "audit.action": "config.*",
    "audit.actor": "collaborator",
    "files.path": "docs/report.md",
    "files.prefix": "docs",
    "inbox.path": "notes/today.txt",
}

FAILURES = {
    400: "The request is not as it must be: the code says what of it.",
    401: "No token, or one that is not known.",
    403: "The scope is too low, the server is read-only, the change was denied, or the file or "
    "workspace is out of bounds.",
    404: "It is not there.",
    409: "It is not as the request supposes: changed meanwhile, in the way, to be decided first.",
    413: "The body, or a file, is too large.",
    416: "None of the bytes that were asked for is in the file.",
    422: "A file of the workspace or a setting cannot be read as what it should be.",
    429: "Too many wrong tokens from this address, or too much that waits already.",
    500: "The server failed; its log tells more under the id in details.",
    501: "This server was not started by a host that can do it.",
    502: "A service that the server depends on did not do what it was asked.",
    503: "A service that the server depends on does not answer, or nothing can be recorded now.",
}


def failure_name(status: int) -> str:
    """The name of a failure among the document's components: ``NotFound``."""
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")
