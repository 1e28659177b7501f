"""One log stream: JSON lines in the OpenTelemetry shape, or short lines for people.

The JSON record is ``{timeUnixNano, severityText, severityNumber, body, attributes, resource}``.
Secrets are scrubbed here, once, for every line of every service.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import sys
from dataclasses import dataclass
from typing import Any, TextIO

from openwork.common.printable import printable_line
from openwork.version import __version__

SEVERITY_NUMBERS = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}
_LEVEL_NAMES = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "ERROR",
}
_SECRET_PATTERNS = (
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"\b(owt_)[0-9a-f]{8,}"),
    re.compile(r"(?i)([?&#](?:token|auth_token|password|api_?key|key|secret)=)[^&\s\"']+"),
    # What stands before the word is left out: looking for its beginning takes quadratic time.
    re.compile(
        r"(?i)((?:token|password|secret|api_?key|authorization)\b\"?\s*[:=]\s*\"?)"
        r"(?!bearer |basic )[^\s\",}&]{6,}"
    ),
)
# Every pattern needs one of these words: most lines hold none and are done with one search.
_HINT = re.compile(r"(?i)bearer|basic|owt_|token|secret|password|key|authorization")
_RELAYED_SEVERITY = re.compile(r'"severityText": "([A-Z]+)"')
MAX_TEXT_CHARACTERS = 16_384
# They tell of each request, each task, each change of a file: we do that ourselves.
_NOISY = ("asyncio", "aiohttp.access", "uvicorn.access", "uvicorn.error", "watchfiles")
_known_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Never print ``secret`` again, wherever it turns up in a log line."""
    if len(secret) >= 6:  # shorter values would blot out ordinary words
        _known_secrets.add(secret)


def scrub(text: str) -> str:
    """``text`` with credentials replaced by ``***``: known secrets and anything shaped like one.

    What goes beyond ``MAX_TEXT_CHARACTERS`` is cut off.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        more = len(text) - MAX_TEXT_CHARACTERS
        text = f"{text[:MAX_TEXT_CHARACTERS]}… ({more:,} more characters)"
    for secret in _known_secrets:
        text = text.replace(secret, "***")
    if _HINT.search(text) is None:
        return text
    for pattern in _SECRET_PATTERNS:
        text = pattern.sub(lambda match: f"{match.group(1)} ***", text)
    return text


@dataclass(frozen=True)
class LogRecord:
    """One line of a service's log.

    Attributes:
        time_unix_nano: When, nanoseconds since the epoch.
        severity: DEBUG, INFO, WARN or ERROR.
        body: The message, scrubbed.
        attributes: Facts beside the message; keys are dotted names as in OpenTelemetry.
        resource: Who wrote it.
    """

    time_unix_nano: int
    severity: str
    body: str
    attributes: dict[str, Any]
    resource: dict[str, Any]

    def to_json(self) -> str:
        """One JSON line without a line end."""
        return json.dumps(
            {
                "timeUnixNano": str(self.time_unix_nano),
                "severityText": self.severity,
                "severityNumber": SEVERITY_NUMBERS[self.severity],
                "body": self.body,
                "attributes": self.attributes,
                "resource": self.resource,
            },
            ensure_ascii=False,
        )

    def to_pretty(self, *, color: bool = False) -> str:
        """``[component] LEVEL message``; the level is left out for INFO."""
        component = self.attributes.get("service.component", self.resource.get("service.name", ""))
        level = "" if self.severity == "INFO" else f"{self.severity} "
        if color and level:
            tint = {"DEBUG": "2", "WARN": "33", "ERROR": "31"}[self.severity]
            level = f"\x1b[{tint}m{level}\x1b[0m"
        label = f"\x1b[2m[{component}]\x1b[0m" if color else f"[{component}]"
        return f"{label} {level}{printable_line(self.body)}"


def parse_json_line(line: str) -> LogRecord | None:
    """The record in ``line`` when a child already writes this format, else None."""
    if not line.startswith("{"):
        return None
    try:
        value: dict[str, Any] = json.loads(line)
        return LogRecord(
            time_unix_nano=int(value["timeUnixNano"]),
            severity=value["severityText"] if value["severityText"] in SEVERITY_NUMBERS else "INFO",
            body=scrub(str(value["body"])),
            attributes=_scrubbed(dict(value.get("attributes", {}))),
            resource=dict(value.get("resource", {})),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _scrubbed(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: _scrub_value(value) for key, value in attributes.items()}


def _scrub_value(value: object) -> object:
    """Texts are scrubbed; structures as the text they are written as."""
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(json.dumps(value, ensure_ascii=False, default=str))


class _Formatter(logging.Formatter):
    def __init__(self, service: str, run_id: str | None, *, as_json: bool, color: bool) -> None:
        super().__init__()
        self._resource: dict[str, Any] = {
            "service.name": service,
            "service.version": __version__,
            "host.name": platform.node(),
        }
        if run_id:
            self._resource["service.instance.id"] = run_id
        self._run_id = run_id
        self._as_json = as_json
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        relayed: LogRecord | None = getattr(record, "relayed", None)
        ours = relayed or to_record(record, self._resource, self._run_id)
        return ours.to_json() if self._as_json else ours.to_pretty(color=self._color)


def to_record(
    record: logging.LogRecord, resource: dict[str, Any], run_id: str | None = None
) -> LogRecord:
    """The standard library's record in our shape; a logged exception becomes an attribute."""
    attributes: dict[str, Any] = {"process.pid": os.getpid()}
    if run_id:
        attributes["run.id"] = run_id
    extra: dict[str, Any] = getattr(record, "attributes", {})
    attributes.update(_scrubbed(extra))
    attributes.setdefault("service.component", resource["service.name"])
    if record.exc_info and record.exc_info[1]:
        text = logging.Formatter().formatException(record.exc_info)
        attributes["exception.stacktrace"] = scrub(text)
    return LogRecord(
        time_unix_nano=int(record.created * 1e9),
        severity=_LEVEL_NAMES.get(record.levelno, "INFO"),
        body=scrub(record.getMessage()),
        attributes=attributes,
        resource=resource,
    )


def configure(
    service: str,
    *,
    log_format: str = "pretty",
    run_id: str | None = None,
    level: str = "info",
    color: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Send all logs of this process to ``stream`` (standard error) in one format.

    Args:
        service: ``service.name`` of the records, such as ``openwork-server``.
        log_format: ``pretty`` or ``json``.
        run_id: Correlates the services of one run.
        level: The mildest lines written: ``debug``, ``info``, ``warning`` or ``error``.
        color: ANSI colours in pretty lines.
        stream: Where to write; standard error when None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    as_json = log_format == "json"
    handler.setFormatter(_Formatter(service, run_id, as_json=as_json, color=color))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def relay(line: str, *, component: str, stream: str, pid: int, level: int = logging.INFO) -> None:
    """Write a line that a child process printed to this process's log.

    A line already in our JSON shape keeps its time, severity and attributes; any other becomes the
    body of a record of ``component`` at ``level`` (a stream is not a severity).
    """
    severity = _RELAYED_SEVERITY.search(line) if line.startswith("{") else None
    if severity is not None:
        level = logging.getLevelNamesMapping().get(severity.group(1), logging.INFO)
    logger = logging.getLogger("openwork.relay")
    if logger.isEnabledFor(level):  # asked first: parsing a line costs more than all the rest
        extra: dict[str, Any] = {"service.component": component, "stream": stream, "child.pid": pid}
        record = parse_json_line(line)
        logger.log(level, "%s", line, extra={"attributes": extra, "relayed": record})
