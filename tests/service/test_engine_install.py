"""The real engine through the real npm client. Downloads about 60 MB once per machine."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from openwork.common.errors import OpenWorkError
from openwork.engine.install import install_engine
from openwork.engine.locate import EngineRequest, locate_engine
from openwork.engine.pin import ENGINE_VERSION, pin_for
from openwork.engine.platforms import this_machine
from openwork.engine.receipt import verify_engine
from tests.engine_cache import cache_dir, cached_engine

if TYPE_CHECKING:
    from pathlib import Path

    from openwork.engine.progress import Progress

# One worker: the others would only wait for its download.
pytestmark = pytest.mark.timeout(600)


async def test_the_real_engine_is_installed_verified_and_found():
    binary = cached_engine()
    seen: list[Progress] = []

    found = await locate_engine(EngineRequest(cache_dir(), source="bundled"), seen.append)

    assert found.path == binary
    assert found.version == ENGINE_VERSION
    assert found.source == "bundled"
    assert seen == []
    assert verify_engine(binary, pin_for(this_machine().target), full=True).state == "good"


async def test_a_version_the_registry_does_not_have_is_told(tmp_path: Path):
    pin = replace(pin_for(this_machine().target), version="99.99.99")

    with pytest.raises(OpenWorkError, match=r"has no opencode-.*@99\.99\.99") as caught:
        await install_engine(tmp_path, lambda _: None, pin=pin, environ=os.environ)

    assert caught.value.code == "engine_download_failed"
    assert {path.name for path in (tmp_path / "99.99.99" / pin.target).iterdir()} == {".lock"}


async def test_what_the_registry_delivers_is_checked_against_the_pin(tmp_path: Path):
    """A small real package in place of the engine: npm is content, OpenWork is not."""
    pin = replace(pin_for(this_machine().target), requested="jsonc-parser@3.3.1")

    with pytest.raises(OpenWorkError) as caught:
        await install_engine(tmp_path, lambda _: None, pin=pin, environ=os.environ)

    assert caught.value.code == "engine_integrity"
    assert caught.value.details["package"] == "jsonc-parser@3.3.1"
    assert caught.value.details["expected"] == pin.integrity
