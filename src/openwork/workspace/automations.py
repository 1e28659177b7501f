"""The automations of a workspace: ``.opencode/openwork/agentlab/automations.json``.

The file is ``{schemaVersion: 1, updatedAt, items: [{id, name, enabled, schedule, prompt, createdAt,
updatedAt?, lastRunAt?, lastRunSessionId?}]}``, times in milliseconds since the epoch. People and
other programs may edit it: what a change does not name is kept, and a damaged file is never
rewritten. What has run is not written here (``automation_log``), so that running changes no file
that a person edits.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from openwork.common.errors import OpenWorkError
from openwork.workspace.config import PlannedWrite
from openwork.workspace.jsonc import require_json
from openwork.workspace.names import is_device_name
from openwork.workspace.schedules import parse_schedule

if TYPE_CHECKING:
    from openwork.workspace.paths import SafePath, WorkspaceRoot
    from openwork.workspace.schedules import Schedule

FOLDER = (".opencode", "openwork", "agentlab")
FILE_NAME = "automations.json"
SCHEMA_VERSION = 1
MAX_FILE_BYTES = 5_000_000
MAX_ITEMS = 100
LONGEST_NAME = 200
LONGEST_PROMPT = 30_000
ID_PATTERN = r"^[A-Za-z0-9_-]{1,80}$"
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Automation:
    """A prompt that runs on a schedule.

    Attributes:
        id: Letters, digits, ``_`` and ``-``, at most 80.
        name: One line for people.
        prompt: What the agent is told.
        enabled: Whether it runs by itself.
        schedule: When.
        fields: Its JSON object as it stands in the file, with what we do not know.
    """

    id: str
    name: str
    prompt: str
    enabled: bool
    schedule: Schedule
    fields: dict[str, Any]

    @property
    def last_run_ms(self) -> int:
        """When another program says it ran last, 0 when none does."""
        return _time_ms(self.fields.get("lastRunAt")) or 0


@dataclass(frozen=True, slots=True)
class AutomationFile:
    """What the file holds.

    Attributes:
        items: In the file's order.
        updated_at_ms: When it was changed through the API, None when it does not say.
        fields: The file's own fields but ``items``.
        data: Its bytes, None when there is no file.
    """

    items: tuple[Automation, ...]
    updated_at_ms: int | None
    fields: dict[str, Any]
    data: bytes | None

    def get(self, automation_id: str) -> Automation:
        """One of them.

        Raises:
            OpenWorkError: ``automation_not_found`` 404.
        """
        for each in self.items:
            if each.id == automation_id:
                return each
        raise OpenWorkError(
            "automation_not_found",
            f"There is no automation {automation_id!r}.",
            hint="openwork automations list shows those there are.",
            status=404,
        )


@dataclass(frozen=True, slots=True)
class AutomationWrite:
    """What a client wants saved under ``id``, whole."""

    id: str
    name: str
    prompt: str
    enabled: bool
    schedule: Schedule

    def __post_init__(self) -> None:
        if _ID.fullmatch(self.id) is None:
            raise _invalid("id may hold letters, digits, _ and -, at most 80.")
        _require_text("name", self.name, LONGEST_NAME, one_line=True)
        _require_text("prompt", self.prompt, LONGEST_PROMPT, one_line=False)


def automations_path(root: WorkspaceRoot) -> SafePath:
    """Where they are stored."""
    return root.top.child(*FOLDER, FILE_NAME)


def read_automations(root: WorkspaceRoot) -> AutomationFile:
    """The workspace's automations; none when there is no file.

    Raises:
        OpenWorkError: ``invalid_json`` 422 when the file is damaged; others as ``SafePath.read``.
    """
    path = automations_path(root)
    if path.stat() is None:
        return AutomationFile((), None, {"schemaVersion": SCHEMA_VERSION}, None)
    data = path.read_bytes(max_bytes=MAX_FILE_BYTES)
    try:
        return _parse(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    except OpenWorkError as error:
        raise _damaged(path, error.message) from error


def plan_save(root: WorkspaceRoot, write: AutomationWrite, now_ms: int) -> PlannedWrite:
    """Work out the file with the automation added or replaced, without writing.

    Raises:
        OpenWorkError: ``invalid_payload`` 400 when there are too many, or the id of a new one is a
            device's name; as ``read_automations``.
    """
    found = read_automations(root)
    items = [dict(each.fields) for each in found.items]
    fresh = {
        "name": write.name.strip(),
        "enabled": write.enabled,
        "schedule": write.schedule.to_json(),
        "prompt": write.prompt,
        "updatedAt": now_ms,
    }
    for item in items:
        if item["id"] == write.id:
            item.update(fresh)
            break
    else:
        if len(items) >= MAX_ITEMS:
            raise _invalid(f"A workspace holds at most {MAX_ITEMS} automations.")
        if is_device_name(write.id):  # its log is a file of this name
            raise _invalid(f"id: {write.id} is a device name on Windows.")
        items.append({"id": write.id, "createdAt": now_ms, **fresh})
    return _planned(root, found, items, now_ms)


def plan_delete(root: WorkspaceRoot, automation_id: str, now_ms: int) -> PlannedWrite:
    """Work out the file without the automation.

    Raises:
        OpenWorkError: ``automation_not_found`` 404; as ``read_automations``.
    """
    found = read_automations(root)
    gone = found.get(automation_id)
    return _planned(root, found, [each.fields for each in found.items if each != gone], now_ms)


def _planned(
    root: WorkspaceRoot, found: AutomationFile, items: list[dict[str, Any]], now_ms: int
) -> PlannedWrite:
    content = {**found.fields, "updatedAt": now_ms, "items": items}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return PlannedWrite(automations_path(root), found.data, text.encode())


def _parse(data: bytes) -> AutomationFile:
    value: object = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise _invalid("it must hold one JSON object")
    fields = cast("dict[str, Any]", value)
    require_json(fields)
    listed: object = fields.pop("items", None)
    if not isinstance(listed, list):
        raise _invalid("items must be a list")
    items = tuple(_item(each) for each in cast("list[object]", listed))
    if len({each.id for each in items}) < len(items):
        raise _invalid("two items have the same id")
    updated: object = fields.get("updatedAt")
    return AutomationFile(items, _time_ms(updated), fields, data)


def _item(value: object) -> Automation:
    if not isinstance(value, dict):
        raise _invalid("each item must be an object")
    fields = cast("dict[str, Any]", value)
    for name in ("id", "name", "prompt"):
        if not isinstance(fields.get(name), str):
            raise _invalid(f"an item's {name} must be a string")
    enabled: object = fields.get("enabled", True)
    if not isinstance(enabled, bool):
        raise _invalid(f"enabled of {fields['id']!r} must be true or false")
    schedule = parse_schedule(fields.get("schedule"))
    checked = AutomationWrite(fields["id"], fields["name"], fields["prompt"], enabled, schedule)
    return Automation(checked.id, checked.name, checked.prompt, enabled, schedule, fields)


def _time_ms(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _require_text(field: str, text: str, longest: int, *, one_line: bool) -> None:
    if not text.strip():
        raise _invalid(f"{field} must not be empty.")
    if len(text) > longest:
        raise _invalid(f"{field} must not be longer than {longest:,} characters.")
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cs" or (kind == "Cc" and (one_line or character not in "\n\r\t")):
            raise _invalid(f"{field} must not hold control characters or halves of characters.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _damaged(path: SafePath, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "invalid_json",
        f"{path} is damaged: {reason.rstrip('.')}.",
        hint="Repair the file, or move it away to start afresh. Nothing was changed.",
        status=422,
    )


def _invalid(message: str) -> OpenWorkError:
    return OpenWorkError("invalid_payload", message, status=400)
