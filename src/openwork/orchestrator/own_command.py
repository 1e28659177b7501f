"""How to call ``openwork`` from another terminal, so that the line works as it stands."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from openwork.common.paths import default_data_dir


def own_command(*words: str, data_dir: Path) -> str:
    """A command line for a shell.

    Args:
        words: What comes after ``openwork``.
        data_dir: The data folder it must look into; named when it is not the usual one.
    """
    if data_dir != Path(os.path.realpath(default_data_dir())):
        words = (*words, "--data-dir", str(data_dir))
    return shlex.join([*_program(), *words])


def _program() -> list[str]:
    """``openwork`` when that is this one, else its full path."""
    ours = Path(sys.executable).with_name("openwork")
    found = shutil.which("openwork")
    if found is not None and ours.exists() and Path(found).samefile(ours):
        return ["openwork"]
    return [str(ours)] if ours.exists() else [sys.executable, "-m", "openwork"]
