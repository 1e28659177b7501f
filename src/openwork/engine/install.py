"""Install the engine: one download however many start at once, and never a half-written binary.

Layout: ``<sidecar dir>/<version>/<target>/`` holds ``opencode``, ``receipt.json``, ``.lock`` and,
while an installation runs, one ``.download-…`` folder with everything unfinished.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import socket
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError
from openwork.engine import npm
from openwork.engine.progress import Progress, Ticker, in_thread, reporting
from openwork.engine.receipt import Receipt, verify_engine
from openwork.engine.tarball import Extracted, check_integrity, extract_member

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from openwork.engine.pin import EnginePin
    from openwork.engine.progress import Report

# npm may take its ten minutes; the one who waits for another's download waits a little longer.
LOCK_TIMEOUT_S = npm.NPM_TIMEOUT_S + 60
LOCK_PAUSE_S = 0.1
# Needed at once, in tarballs: npm's cached copy, the packed copy, and the binary of about three.
SPACE_IN_TARBALLS = 6
WORK_PREFIX = ".download-"


def engine_path(sidecar_dir: Path, pin: EnginePin) -> Path:
    """Where the engine of ``pin`` is installed: ``<sidecar dir>/<version>/<target>/opencode``."""
    return sidecar_dir / pin.version / pin.target / pin.binary_name


async def install_engine(
    sidecar_dir: Path, report: Report, *, pin: EnginePin, environ: Mapping[str, str]
) -> Path:
    """The path of a verified engine in ``sidecar_dir``, downloaded when it is not there.

    When another process (or task) is installing the same engine, its result is awaited and used.
    Cancelling ends npm and removes what was downloaded.

    Args:
        sidecar_dir: Created when missing.
        report: Called on the event loop's thread.
        pin: What to install.
        environ: Our environment, for npm.

    Raises:
        OpenWorkError: ``npm_missing``, ``engine_download_failed``, ``engine_integrity``,
            ``engine_package``, ``engine_disk_full``, ``engine_folder``, or ``engine_locked`` when
            the other installation does not end.
    """
    binary = engine_path(sidecar_dir, pin)
    try:
        _make_folder(binary.parent)
        async with _locked(binary.parent, report):
            copy = await asyncio.to_thread(verify_engine, binary, pin, full=True)
            if copy.state == "good":
                return binary
            if copy.state == "damaged":
                text = f"The engine {binary} is damaged: {copy.reason}. Downloading it again."
                report(Progress("warning", text))
            await _install(binary, report, pin, environ)
    except OSError as error:
        raise _explain(binary.parent, error) from error
    return binary


async def _install(
    binary: Path, report: Report, pin: EnginePin, environ: Mapping[str, str]
) -> None:
    _remove_leftovers(binary.parent)
    _require_space(binary.parent, pin)
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=binary.parent))
    try:
        text = f"Downloading the engine, {pin.package} {pin.version}"
        measure = partial(_downloaded_bytes, work)
        async with reporting(report, "downloading", text, pin.tarball_bytes, measure):
            tarball, client = await npm.pack(npm.find_clients(environ), pin.spec, work, environ)
        report(Progress("note", f"Downloaded {pin.spec} with {client.origin}."))
        extracted = await _check_and_extract(tarball, work / pin.binary_name, report, pin)
        _publish(work / pin.binary_name, binary, extracted, pin)
    finally:
        # What cannot be removed now is removed by the next installation.
        shutil.rmtree(work, ignore_errors=True)
    copy = await asyncio.to_thread(verify_engine, binary, pin, full=True)
    if copy.state != "good":
        raise OpenWorkError(
            "engine_damaged",
            f"The engine {binary} was installed and then read back differently: {copy.reason}.",
            hint="Check the disk, or choose another one with --sidecar-dir.",
        )


async def _check_and_extract(
    tarball: Path, destination: Path, report: Report, pin: EnginePin
) -> Extracted:
    ticker = Ticker()
    async with reporting(
        report, "checking", "Checking the download", pin.tarball_bytes, ticker.read
    ):
        work = partial(check_integrity, tarball, pin.integrity, label=pin.spec, tick=ticker)
        await in_thread(work, ticker)
    ticker = Ticker()
    async with reporting(report, "unpacking", "Unpacking the engine", 0, ticker.read):
        return await in_thread(
            partial(extract_member, tarball, pin.member, destination, tick=ticker), ticker
        )


def _publish(unpacked: Path, binary: Path, extracted: Extracted, pin: EnginePin) -> None:
    """Put the binary in its place at once, then its receipt: without one it is not used."""
    unpacked.replace(binary)
    stat = binary.stat()
    Receipt(
        version=pin.version,
        package=pin.package,
        integrity=pin.integrity,
        sha256=extracted.sha256,
        size_bytes=extracted.size_bytes,
        mtime_ns=stat.st_mtime_ns,
        inode=stat.st_ino,
    ).write(binary)


@contextlib.asynccontextmanager
async def _locked(folder: Path, report: Report) -> AsyncGenerator[None]:
    """Hold ``folder/.lock``; the kernel lets go of it when this process ends in whatever way."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        told = False
        while not _try_lock(descriptor):
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            who = holder or "another process"
            if time.monotonic() > deadline:
                raise OpenWorkError(
                    "engine_locked",
                    f"The engine in {folder} has been being installed by {who} for over "
                    f"{LOCK_TIMEOUT_S / 60:.0f} minutes.",
                    hint="End that process, then start again.",
                )
            if not told:
                text = f"The engine is being installed in {folder} by {who}; waiting for it."
                report(Progress("waiting", text))
                told = True
            await asyncio.sleep(LOCK_PAUSE_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """What an installation that was killed left behind; we hold the lock, so nobody uses it."""
    for path in folder.glob(f"{WORK_PREFIX}*"):
        shutil.rmtree(path)


def _require_space(folder: Path, pin: EnginePin) -> None:
    needed = pin.tarball_bytes * SPACE_IN_TARBALLS
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise npm.disk_full(
            f"{folder} has {free / 1e6:.0f} MB free and the engine needs {needed / 1e6:.0f} MB"
        )


def _downloaded_bytes(work: Path) -> int:
    """How much npm has stored in its cache so far."""
    total = 0
    for folder, _, names in os.walk(work / "cache"):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # npm renames files as it goes
                total += (Path(folder) / name).stat().st_size
    return total


def _explain(folder: Path, error: OSError) -> OpenWorkError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return npm.disk_full(f"Cannot install the engine in {folder}")
    return OpenWorkError(
        "engine_folder",
        f"Cannot install the engine in {folder}: {error}",
        hint="Make that folder writable, or choose another one with --sidecar-dir.",
    )
