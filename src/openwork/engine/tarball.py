"""A package's tarball: check it against its pin, take exactly one file out of it.

Nothing here unpacks a tree: the one member is streamed to a file whose name we choose, so no name
inside the archive can decide where bytes land.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

CHUNK_BYTES = 1 << 20
BINARY_MODE = 0o755
MAX_BINARY_BYTES = 1 << 30
_ALGORITHMS = ("sha512", "sha384", "sha256")


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Extracted:
    """The binary that came out.

    Attributes:
        sha256: Its hash, hex.
        size_bytes: Its size.
    """

    sha256: str
    size_bytes: int


def check_integrity(
    tarball: Path, integrity: str, *, label: str, tick: Callable[[int], None]
) -> None:
    """Hash ``tarball`` and compare it with ``integrity``.

    Args:
        tarball: The file.
        integrity: ``sha512-BASE64`` or ``sha256-BASE64`` (Subresource Integrity, as npm has it).
        label: What it is, for the error: package and version.
        tick: Called with the bytes hashed so far; may raise to stop.

    Raises:
        OpenWorkError: ``engine_integrity`` when they differ.
        ValueError: ``integrity`` is not of that form.
    """
    algorithm, _, expected = integrity.partition("-")
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"unknown integrity {integrity!r}")
    try:
        base64.b64decode(expected, validate=True)
    except binascii.Error as error:
        raise ValueError(f"unknown integrity {integrity!r}") from error
    digest = hashlib.new(algorithm)
    with tarball.open("rb") as stream:
        _pump(stream, digest, None, tick)
    actual = f"{algorithm}-{base64.b64encode(digest.digest()).decode()}"
    if actual != integrity:
        raise OpenWorkError(
            "engine_integrity",
            f"What npm delivered for {label} is not the engine OpenWork expects.\n"
            f"  expected {integrity}\n  received {actual}",
            hint="Nothing was kept. Check which registry and proxy npm is configured for; "
            "if it keeps happening, somebody may be tampering with the download.",
            details={"package": label, "expected": integrity, "actual": actual},
        )


def extract_member(
    tarball: Path, member: str, destination: Path, *, tick: Callable[[int], None]
) -> Extracted:
    """Write the regular file ``member`` of ``tarball`` to ``destination``, synced and executable.

    Args:
        tarball: A gzip-compressed tar archive.
        member: Exact name inside; the first entry of that name counts.
        destination: A file that does not exist yet.
        tick: Called with the bytes written so far; may raise to stop.

    Raises:
        OpenWorkError: ``engine_package`` when the member is missing, is a link or not a regular
            file, is far too large, or the archive is damaged. ``destination`` may hold a part then.
        OSError: ``destination`` cannot be written.
    """
    try:
        with tarfile.open(tarball, "r|gz") as archive:
            for entry in archive:
                if entry.name == member:
                    return _write_entry(archive, entry, tarball, destination, tick)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _bad_package(tarball, f"it is damaged ({error})") from error
    raise _bad_package(tarball, f"it holds no {member}")


def _write_entry(
    archive: tarfile.TarFile,
    entry: tarfile.TarInfo,
    tarball: Path,
    destination: Path,
    tick: Callable[[int], None],
) -> Extracted:
    source = archive.extractfile(entry) if entry.isreg() else None
    if source is None:
        raise _bad_package(tarball, f"{entry.name} in it is not a regular file")
    if entry.size > MAX_BINARY_BYTES:
        raise _bad_package(tarball, f"{entry.name} in it claims {entry.size} bytes")
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with source, os.fdopen(os.open(destination, flags, 0o600), "wb") as out:
        written = _pump(source, digest, out, tick)
        out.flush()
        os.fchmod(out.fileno(), BINARY_MODE)
        os.fsync(out.fileno())
    if written != entry.size:
        raise _bad_package(tarball, f"{entry.name} in it ends after {written} bytes")
    return Extracted(digest.hexdigest(), written)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex: about 0.2 s for the engine's 185 MB."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pump(
    source: IO[bytes], digest: _Hash, out: IO[bytes] | None, tick: Callable[[int], None]
) -> int:
    done = 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        if out is not None:
            out.write(chunk)
        done += len(chunk)
        tick(done)
    return done


def _bad_package(tarball: Path, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "engine_package",
        f"The engine's package {tarball.name} cannot be used: {reason}.",
        hint="Nothing was kept. Start again; if it keeps happening, report it with this message.",
    )
