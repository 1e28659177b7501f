"""Lays the sample office files out in a folder."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path


def lay_out(folder: Path) -> list[Path]:
    """Copy the sample files into ``folder``, leaving every file that is already there as it is.

    Args:
        folder: Where to; it and its parents are created when missing.

    Returns:
        The files that were created, in name order; empty when all were there.

    Raises:
        OpenWorkError: ``demo_folder_unusable`` when the folder cannot be made or written to.
    """
    created: list[Path] = []
    for parts, source in _samples(resources.files("openwork.demo").joinpath("files"), ()):
        target = folder.joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                stream.write(source.read_bytes())
        except FileExistsError:
            if target.parent.is_dir():
                continue
            raise _unusable(target.parent, "a file of that name is in the way") from None
        except OSError as error:
            raise _unusable(target, error.strerror or str(error)) from error
        created.append(target)
    return created


def _samples(
    folder: Traversable, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        parts = (*above, entry.name)
        if entry.is_dir():
            yield from _samples(entry, parts)
        else:
            yield parts, entry


def _unusable(path: Path, reason: str) -> OpenWorkError:
    return OpenWorkError(
        "demo_folder_unusable",
        f"Cannot lay out the sample files at {path}: {reason}",
        hint="Choose an empty folder, or one you can write to.",
    )
