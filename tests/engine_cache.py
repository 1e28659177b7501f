"""The real engine for tests: installed once per machine by OpenWork itself, then shared."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from openwork.engine.install import engine_path, install_engine
from openwork.engine.pin import pin_for
from openwork.engine.platforms import this_machine
from openwork.engine.receipt import verify_engine

if TYPE_CHECKING:
    from openwork.engine.progress import Progress

# The engine's own list names 8,000 models: reading it takes each new engine a second and 300 MB.
SHORT_LIST_OF_MODELS = {"OPENCODE_MODELS_PATH": str(Path(__file__).with_name("models.json"))}


def cache_dir() -> Path:
    """``OPENWORK_TEST_CACHE``, or ``~/.cache/openwork-tests``: a sidecar folder."""
    chosen = os.environ.get("OPENWORK_TEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "openwork-tests"


def cached_engine() -> Path:
    """The path of a verified engine. Safe in parallel workers and inside a running event loop."""
    pin = pin_for(this_machine().target)
    binary = engine_path(cache_dir(), pin)
    if verify_engine(binary, pin).state == "good":
        return binary
    failures: list[BaseException] = []

    def ignore(_: Progress) -> None:
        return

    def install() -> None:
        try:
            asyncio.run(install_engine(cache_dir(), ignore, pin=pin, environ=os.environ))
        except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
            failures.append(error)

    # A thread of its own: the caller may already run an event loop.
    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return binary
