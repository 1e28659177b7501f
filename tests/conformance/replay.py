"""Send the recorded requests to a server, in order, and put the answers into comparable form.

``recorded.jsonl`` holds a case a line: ``{name, method, path, auth, body?, save?, status,
json|text}``. ``{name}`` in a path or a body stands for a value that an earlier case saved: ``save``
maps names to dotted paths in that case's answer. A body that is text is sent as it is;
``{"__file__": [name, text], "__fields__": {…}}`` is sent as a multipart form. What differs from run
to run (ids, times, folders, wording) is replaced by a placeholder such as ``<id>``, on both sides.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from tests import documented
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.jsonl"
DIFFERENCES = HERE / "differences.jsonl"

VOLATILE = frozenset(
    {
        "uptimeMs", "timestamp", "createdAt", "updatedAt", "expiresAt", "ttlMs", "mtimeMs",
        "generatedAt", "reloadedAt", "exportedAt", "version", "serverVersion", "tokenHash",
        "baseUrl", "port", "configPath", "cursor", "corsOrigins", "currentUpdatedAt",
        "hash", "previous", "lastReloadAt", "nextBefore",
    }
)  # fmt: skip
# Numbers of reload events go on across restarts; those of file events begin with 1.
FIRST_CLOCKED_SEQ = 1_000_000
REVISIONS = frozenset({"revision", "previousRevision", "currentRevision", "expectedRevision"})
WORDS = frozenset({"message", "error"})
_ID = re.compile(r"(ws_[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f-]{27}|owt_\w+|ses_\w+)")
_SUBSTITUTES = (
    (re.compile(r"ws_[0-9a-f]{12}"), "<id>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<addr>"),
    (re.compile(r"\d{13}(\.\d+)?:"), "<ms>:"),
)


@dataclass(frozen=True)
class Answer:
    """An answer in comparable form: ``content`` is JSON, or the beginning of a text."""

    status: int
    content: Any


def load(path: Path) -> list[dict[str, Any]]:
    """The cases of a file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def expected(case: Mapping[str, Any]) -> Answer:
    """The answer that a case holds."""
    return Answer(case["status"], case["json"] if "json" in case else case["text"])


def lay_out(folder: Path) -> None:
    """Make the workspace that the cases begin with."""
    outbox = folder / ".opencode" / "openwork" / "outbox" / "reports"
    outbox.mkdir(parents=True)
    (outbox / "q1.csv").write_text("a,b\n1,2\n")
    (folder / "opencode.jsonc").write_text(
        '{\n  // keep this comment\n  "$schema": "https://opencode.ai/config.json",\n'
        '  "permission": { "edit": "ask" }\n}\n'
    )


async def replay(
    base: str, folder: Path, tokens: Mapping[str, str], cases: list[dict[str, Any]]
) -> dict[str, Answer]:
    """The server's answers by the cases' names.

    Args:
        base: ``http://HOST:PORT``.
        folder: The workspace.
        tokens: ``client`` and ``host``.
        cases: In order.
    """
    saved = dict(tokens)
    answers: dict[str, Answer] = {}
    async with aiohttp.ClientSession() as http:
        for case in cases:
            if "__file__" in (case.get("body") or ()):
                await _next_tick(folder.with_name("clock"))
            status, raw = await _send(http, base, case, saved)
            try:
                told = json.loads(raw)
                documented.check(case["method"], _filled(case["path"], saved), status, told)
            except ValueError:
                text = raw[:80].decode("utf-8", "replace")
                answers[case["name"]] = Answer(status, "<html>" if raw[:1] == b"<" else text)
                continue
            answers[case["name"]] = Answer(status, _comparable(told, folder))
            for name, path in case.get("save", {}).items():
                with suppress(KeyError, IndexError, TypeError):  # then what builds on it fails too
                    saved[name] = _dig(told, path)
    return answers


async def _next_tick(probe: Path) -> None:
    """Wait for the file system's clock (ticks of 4 ms on some): the inbox is told newest first."""

    def now() -> int:
        probe.write_bytes(b"")
        return probe.stat().st_mtime_ns

    before = now()
    await until(lambda: now() != before)


async def _send(
    http: aiohttp.ClientSession, base: str, case: Mapping[str, Any], saved: Mapping[str, str]
) -> tuple[int, bytes]:
    body = case.get("body")
    options: dict[str, Any] = {"headers": _authorization(case["auth"], saved)}
    if isinstance(body, str):
        options["data"] = body
        options["headers"]["Content-Type"] = "application/json"
    elif isinstance(body, dict) and "__file__" in body:
        options["data"] = _form(body)
    elif body is not None:
        options["json"] = _filled(body, saved)
    path = _filled(case["path"], saved)
    url = URL(base + path, encoded=True)  # as it is: some paths are escaped on purpose
    async with http.request(case["method"], url, **options) as response:
        return response.status, await response.read()


def _authorization(kind: str, saved: Mapping[str, str]) -> dict[str, str]:
    if kind == "none":
        return {}
    if kind == "host":
        return {"X-OpenWork-Host-Token": saved["host"]}
    return {"Authorization": f"Bearer {saved.get(kind, 'wrong')}"}


def _form(body: Mapping[str, Any]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in body["__fields__"].items():
        form.add_field(name, value)
    if body["__file__"]:
        name, text = body["__file__"]
        form.add_field("file", text, filename=name, content_type="text/plain")
    return form


def _filled(value: Any, saved: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: str(saved.get(found[1], found[0])), value)
    if isinstance(value, dict):
        return {key: _filled(each, saved) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, saved) for each in value]
    return value


def _dig(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def _first_of_each_reason(items: list[Any]) -> list[Any]:
    """Of reload events the first of each reason: how many follow depends on the time."""
    kept: dict[str, Any] = {}
    for position, item in enumerate(items):
        told = isinstance(item, dict) and {"seq", "reason"} <= item.keys()
        kept.setdefault(item["reason"] if told else str(position), item)
    return list(kept.values())


def _comparable(value: Any, folder: Path, key: str | None = None) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(each, folder, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_comparable(each, folder) for each in _first_of_each_reason(value)]
    if key in VOLATILE and value is not None:
        return f"<{key}>"
    if key == "seq" and isinstance(value, int) and value >= FIRST_CLOCKED_SEQ:
        return "<seq>"
    if not isinstance(value, str):
        return value
    if _ID.fullmatch(value):
        return "<id>"
    if key in WORDS:
        return "<text>"
    value = value.replace(str(folder.resolve()), "<ws>").replace(str(folder), "<ws>")
    for pattern, substitute in _SUBSTITUTES:
        value = pattern.sub(substitute, value)
    return re.sub(r"^\d{6,}:", "<ms>:", value) if key in REVISIONS else value
