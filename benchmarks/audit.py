"""How long a page of the audit log takes at a million entries, and a check of them all."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import FULL, Comparison, Effort, alternate
from openwork.server.audit_chain import GENESIS, check, seal
from openwork.server.audit_pages import EVERYTHING, AuditFilter, read_page

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES, QUICK_ENTRIES, SMALL_ENTRIES = 1_000_000, 20_000, 100
PAGE = 50
REPEATS = 5
ACTOR = {"type": "remote", "clientId": "desk", "tokenHash": "ab" * 32, "scope": "collaborator"}


def measure(effort: Effort) -> list[Comparison]:
    """Beside reading the last lines of a small file, and beside hashing the file's bytes."""
    count = ENTRIES if effort == FULL else QUICK_ENTRIES
    with tempfile.TemporaryDirectory(prefix="openwork-benchmark-") as folder:
        large, small = Path(folder) / "large.jsonl", Path(folder) / "small.jsonl"
        _fill(small, SMALL_ENTRIES)
        _fill(large, count)
        rounds = effort.rounds * REPEATS
        rare = AuditFilter(action="skills.delete")
        plain, tail, middle, filtered = alternate(
            rounds,
            lambda: _ms(lambda: _last_lines(small)),
            lambda: _ms(lambda: read_page(large, PAGE, EVERYTHING)),
            lambda: _ms(lambda: read_page(large, PAGE, EVERYTHING, str(1000 * count // 2))),
            lambda: _ms(lambda: read_page(large, PAGE, rare)),
        )
        hashed, checked = alternate(
            max(2, effort.rounds // 3), lambda: _ms(lambda: _hash(large)), lambda: _check_ms(large)
        )
    name = f"the last {PAGE} lines of a file of {SMALL_ENTRIES}"
    what = f"the audit log at {count:,} entries"
    return [
        Comparison("audit.tail", f"newest page of {what}", "ms", name, plain, tail),
        Comparison("audit.middle", f"a page by time of {what}", "ms", name, plain, middle),
        Comparison(
            "audit.filtered", f"a page with few hits of {what}", "ms", name, plain, filtered
        ),
        Comparison("audit.verify", f"check {what}", "ms", "SHA-256 of the file", hashed, checked),
    ]


def _fill(path: Path, count: int) -> None:
    previous = GENESIS
    with path.open("wb") as stream:
        for n in range(count):
            entry = {
                "id": f"{n:032x}", "workspaceId": "ws_0123456789ab", "actor": ACTOR,
                "action": "skills.delete" if n % 500 == 0 else "config.patch",
                "target": "/home/desk/project/opencode.jsonc",
                "summary": f"Change configuration: model {n}", "timestamp": 1000 * n,
                "outcome": "done", "previous": previous,
            }  # fmt: skip
            line, previous = seal(entry)
            stream.write(line + b"\n")


def _last_lines(path: Path) -> list[object]:
    return [json.loads(line) for line in reversed(path.read_bytes().splitlines()[-PAGE:])]


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_ms(path: Path) -> float:
    def work() -> None:
        with path.open("rb") as stream:
            assert check(stream, path.stat().st_size).bad_line is None

    return _ms(work)


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
