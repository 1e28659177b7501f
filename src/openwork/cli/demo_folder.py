"""The folder of a demo run: there while it runs, gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def demo_folder(*, wanted: bool) -> Generator[Path | None]:
    """A new temporary folder, removed with all it holds; None when no demo is ``wanted``.

    Enter it where stop signals are handled already, so that none leaves it behind.
    """
    if not wanted:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="openwork-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
