"""The folder of a demo run: there while it runs, gone afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PREFIX = "openwork-demo-"
# Held by the living host. The kernel lets go of it whatever way the host ends.
LOCK_NAME = "host.lock"

logger = logging.getLogger("openwork.demo")


@contextmanager
def demo_folder(*, wanted: bool) -> Generator[Path | None]:
    """A new temporary folder, removed with all it holds; None when no demo is ``wanted``.

    What demos that were killed left behind goes too. Enter it where stop signals are handled
    already, so that none leaves it behind.
    """
    if not wanted:
        yield None
        return
    sweep_demo_folders(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        _remove(folder)


def sweep_demo_folders(base: Path) -> None:
    """Remove the folders in ``base`` that demos of this user left when they were killed."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK_NAME).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
        except OSError:  # a demo that runs holds its lock; one without is just being made
            continue


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        logger.warning("The demo's folder %s could not be removed: %s", folder, error)
