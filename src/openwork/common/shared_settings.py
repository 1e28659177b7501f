"""Settings that several commands take, with one meaning everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwork.common import settings as s

if TYPE_CHECKING:
    from openwork.common.settings import Setting

DEFAULT_APPROVAL_TIMEOUT_MS = 30_000
LONGEST_APPROVAL_TIMEOUT_MS = 24 * 3600 * 1000

APPROVAL: Setting[str] = s.Setting(
    "approval",
    s.one_of("manual", "auto"),
    "manual",
    "Ask the host before each change, or allow changes at once.",
    env=("OPENWORK_APPROVAL_MODE",),
    file="approval.mode",
    choices=("manual", "auto"),
)
APPROVAL_TIMEOUT: Setting[int] = s.Setting(
    "approval_timeout",
    s.integer(1, LONGEST_APPROVAL_TIMEOUT_MS),
    DEFAULT_APPROVAL_TIMEOUT_MS,
    "Milliseconds a change waits for approval before it is refused.",
    env=("OPENWORK_APPROVAL_TIMEOUT_MS",),
    file="approval.timeoutMs",
)
CORS: Setting[tuple[str, ...]] = s.Setting(
    "cors",
    s.words,
    ("*",),
    "Web origins that may use a token here; * allows any (a token is still needed).",
    env=("OPENWORK_CORS_ORIGINS",),
    file="corsOrigins",
    repeatable=True,
)
READ_ONLY: Setting[bool] = s.Setting(
    "read_only",
    s.boolean,
    False,  # noqa: FBT003  # the table's column says what it is
    "Refuse every change.",
    env=("OPENWORK_READONLY",),
    file="readOnly",
    is_flag=True,
)
LOG_FORMAT: Setting[str] = s.Setting(
    "log_format",
    s.one_of("pretty", "json"),
    "pretty",
    "Log lines for people, or JSON lines in the OpenTelemetry shape.",
    env=("OPENWORK_LOG_FORMAT",),
    file="logFormat",
    choices=("pretty", "json"),
)
LOG_LEVELS = ("auto", "debug", "info", "warning", "error")
LOG_LEVEL: Setting[str] = s.Setting(
    "log_level",
    s.one_of(*LOG_LEVELS),
    "auto",
    "The mildest log lines shown; auto is info, and warning where a person reads along.",
    env=("OPENWORK_LOG_LEVEL",),
    file="logLevel",
    choices=LOG_LEVELS,
)
VERBOSE: Setting[bool] = s.Setting(
    "verbose",
    s.boolean,
    False,  # noqa: FBT003
    "As --log-level debug: more log lines, and the settings in use.",
    env=("OPENWORK_VERBOSE",),
    is_flag=True,
)
RUN_ID: Setting[str] = s.Setting(
    "run_id", s.text, "", "Correlates the logs of one run.", env=("OPENWORK_RUN_ID",)
)


def log_level(resolved: s.Resolved, *, quiet: bool = False) -> str:
    """The level that ``--log-level`` and ``--verbose`` come to; ``quiet`` where a person reads."""
    named = resolved.get(LOG_LEVEL)
    if named != "auto":
        return named
    if resolved.get(VERBOSE):
        return "debug"
    return "warning" if quiet else "info"
