"""The receipt beside an installed engine, and whether the copy still is what was installed.

Wire format of ``receipt.json``: our own, version 1.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from openwork.common.files import replace_file
from openwork.engine.tarball import file_sha256

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from openwork.engine.pin import EnginePin

RECEIPT_NAME = "receipt.json"
RECEIPT_MODE = 0o644

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receipt:
    """What was installed.

    Not a pydantic model: it is read before every start of the engine, and loading pydantic would
    take a tenth of a second of it.

    Attributes:
        version: The package's version.
        package: npm package it came from.
        integrity: Hash of the tarball it came out of: the pin at that time.
        sha256: Hash of the binary, hex.
        size_bytes: Size of the binary.
        mtime_ns: Its modification time, nanoseconds.
        inode: Its inode number.
        reported_version: What ``opencode --version`` said; None before it was run here.
    """

    version: str
    package: str
    integrity: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    inode: int
    reported_version: str | None = None

    def same_file(self, stat: os.stat_result) -> bool:
        """Whether ``stat`` is of the very file the receipt was written for, untouched since."""
        seen = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        return seen == (self.size_bytes, self.mtime_ns, self.inode)

    def write(self, binary: Path) -> None:
        """Put it beside ``binary``, atomically.

        Raises:
            OSError: The folder cannot be written.
        """
        fields = {wire: getattr(self, name) for wire, (name, _) in _WIRE_FIELDS.items()}
        text = json.dumps(fields, indent=2) + "\n"
        replace_file(binary.with_name(RECEIPT_NAME), text.encode(), mode=RECEIPT_MODE)


_TEXT, _NUMBER = (str,), (int,)
_WIRE_FIELDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "version": ("version", _TEXT),
    "package": ("package", _TEXT),
    "integrity": ("integrity", _TEXT),
    "sha256": ("sha256", _TEXT),
    "sizeBytes": ("size_bytes", _NUMBER),
    "mtimeNs": ("mtime_ns", _NUMBER),
    "inode": ("inode", _NUMBER),
    "reportedVersion": ("reported_version", (str, type(None))),
}


@dataclass(frozen=True)
class Copy:
    """What a look at an installed engine found.

    Attributes:
        binary: Where it is or would be.
        state: ``good``; ``missing``; ``damaged`` when it must not be used.
        reason: Why it is not good, or "".
        receipt: Its receipt when good.
    """

    binary: Path
    state: Literal["good", "missing", "damaged"]
    reason: str = ""
    receipt: Receipt | None = None


def verify_engine(binary: Path, pin: EnginePin, *, full: bool = False) -> Copy:
    """Whether ``binary`` is the engine that was installed from ``pin``'s tarball.

    At every start size, modification time and inode are compared with the receipt: microseconds,
    and it catches a replaced, truncated or rewritten file. When they differ, or when ``full`` is
    asked for, the whole file is hashed (about 0.2 s for 185 MB); if only the times or the inode
    changed (a restored backup, a container layer) the receipt is brought up to date. The receipt is
    as trustworthy as its folder: this finds damage, not an attacker who may write there.
    """
    try:
        stat = binary.stat(follow_symlinks=False)
    except FileNotFoundError:
        return Copy(binary, "missing", f"there is no {binary}")
    receipt = _read(binary.with_name(RECEIPT_NAME))
    if isinstance(receipt, str):
        return Copy(binary, "damaged", receipt)
    if (receipt.package, receipt.integrity) != (pin.package, pin.integrity):
        return Copy(binary, "damaged", f"its receipt is for another package, {receipt.package}")
    if stat.st_size != receipt.size_bytes:
        reason = f"it has {stat.st_size} bytes instead of {receipt.size_bytes}"
        return Copy(binary, "damaged", reason)
    if receipt.same_file(stat) and not full:
        return Copy(binary, "good", receipt=receipt)
    if (actual := file_sha256(binary)) != receipt.sha256:
        reason = f"its SHA-256 is {actual} instead of {receipt.sha256}"
        return Copy(binary, "damaged", reason)
    if not receipt.same_file(stat):
        receipt = refresh(binary, receipt, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)
    return Copy(binary, "good", receipt=receipt)


def refresh(binary: Path, receipt: Receipt, **changes: int | str) -> Receipt:
    """``receipt`` with ``changes``, written where the folder allows it.

    A read-only folder (an image with the engine inside) is fine: the next start hashes again.
    """
    receipt = replace(receipt, **changes)
    try:
        receipt.write(binary)
    except OSError as error:
        logger.debug("Kept the old receipt of %s: %s", binary, error)
    return receipt


def _read(path: Path) -> Receipt | str:
    """The receipt, or why there is none."""
    try:
        told = json.loads(path.read_bytes())
        values = {name: told.get(wire) for wire, (name, _) in _WIRE_FIELDS.items()}
    except FileNotFoundError:
        return f"it has no {path.name} (an installation was interrupted)"
    except (ValueError, AttributeError):
        return f"its {path.name} is damaged"
    for wire, (name, kinds) in _WIRE_FIELDS.items():
        if type(values[name]) not in kinds:
            return f"its {path.name} is damaged ({wire})"
    return Receipt(**values)
