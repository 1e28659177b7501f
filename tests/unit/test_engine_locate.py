"""Which engine is run: the order of the sources, what is refused, and what the user is told.

External engines are small scripts that print a version; installed ones come through the real npm
client from a tarball on disk.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from openwork.common.errors import OpenWorkError, UsageError
from openwork.engine import probe
from openwork.engine.install import engine_path
from openwork.engine.locate import (
    EngineBinary,
    EngineRequest,
    EngineSource,
    Place,
    locate_engine,
    parse_source,
    places,
)
from openwork.engine.pin import ENGINE_VERSION, EnginePin

if TYPE_CHECKING:
    from openwork.engine.progress import Progress

# Counts its runs in the file RUNS names, so that tests see whether it was run.
ENGINE = b'#!/bin/sh\n[ -z "$RUNS" ] || echo run >> "$RUNS"\necho 1.18.33\n'


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def pin(tmp_path: Path) -> EnginePin:
    tarball = tmp_path / "engine.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        manifest = b'{"name": "openwork-test-engine", "version": "1.18.33"}'
        for name, data in (("package/package.json", manifest), ("package/bin/opencode", ENGINE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    return EnginePin(
        target="linux-x64",
        package="openwork-test-engine",
        integrity=f"sha512-{base64.b64encode(digest).decode()}",
        tarball_bytes=tarball.stat().st_size,
        requested=f"openwork-test-engine@file:{tarball}",
    )


@pytest.fixture
def request_(tmp_path: Path, pin: EnginePin) -> EngineRequest:
    """Nothing installed, no external program on PATH, the download works."""
    (tmp_path / "bin").mkdir()
    environ = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.defpath}"}
    return EngineRequest(tmp_path / "sidecars", environ=environ, pin=pin)


def without_download(request: EngineRequest) -> EngineRequest:
    pin = request.pin
    assert pin is not None
    missing = Path(request.sidecar_dir.parent / "nowhere.tgz")
    return replace(request, pin=replace(pin, requested=f"{pin.package}@file:{missing}"))


async def locate(request: EngineRequest, report: list[Progress] | None = None) -> EngineBinary:
    seen: list[Progress] = [] if report is None else report
    return await locate_engine(request, seen.append)


# --- the order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "named", "allowed", "expected"),
    [
        ("auto", False, False, ("sidecar", "download")),
        ("auto", False, True, ("sidecar", "download", "path")),
        ("auto", True, True, ("explicit",)),
        ("bundled", False, False, ("sidecar",)),
        ("bundled", False, True, ("sidecar",)),
        ("downloaded", False, False, ("sidecar", "download")),
        ("downloaded", False, True, ("sidecar", "download")),
        ("external", False, True, ("path",)),
        ("external", True, True, ("explicit",)),
    ],
)
def test_where_each_source_looks(
    source: EngineSource, named: bool, allowed: bool, expected: tuple[Place, ...]
):
    explicit = Path("/opt/opencode") if named else None

    request = EngineRequest(Path("/s"), explicit=explicit, source=source, allow_external=allowed)

    assert places(request) == expected


@pytest.mark.parametrize(
    ("source", "named", "allowed", "message"),
    [
        ("auto", True, False, "--opencode-bin requires --allow-external"),
        ("bundled", True, False, "--opencode-bin requires --allow-external"),
        ("external", True, False, "--opencode-bin requires --allow-external"),
        ("external", False, False, "--opencode-source external requires --allow-external"),
        ("bundled", True, True, "--opencode-bin contradicts --opencode-source bundled"),
        ("downloaded", True, True, "--opencode-bin contradicts --opencode-source downloaded"),
    ],
)
async def test_options_that_contradict_each_other_are_usage_errors(
    source: EngineSource, named: bool, allowed: bool, message: str
):
    explicit = Path("/opt/opencode") if named else None
    request = EngineRequest(Path("/s"), explicit=explicit, source=source, allow_external=allowed)

    with pytest.raises(UsageError, match=message) as caught:
        await locate(request)

    assert caught.value.hint


def test_a_source_is_one_of_four_words():
    assert [parse_source(word) for word in ("auto", "bundled", "downloaded", "external")]
    with pytest.raises(ValueError, match="auto, bundled, downloaded, external"):
        parse_source("path")


# --- what OpenWork installs ----------------------------------------------------------------------


async def test_without_a_copy_it_is_downloaded_and_then_found(request_: EngineRequest):
    first = await locate(request_)
    seen: list[Progress] = []
    second = await locate(request_, seen)

    assert (first.source, second.source) == ("downloaded", "bundled")
    assert first.path == second.path
    assert first.version == second.version == ENGINE_VERSION
    assert [(each.place, each.outcome) for each in first.tried] == [
        ("sidecar", "not installed"),
        ("download", "taken"),
    ]
    assert seen == []


async def test_a_verified_copy_is_asked_for_its_version_once(
    request_: EngineRequest, tmp_path: Path
):
    runs = tmp_path / "runs"
    request = replace(request_, environ={**request_.environ, "RUNS": str(runs)})

    await locate(request)
    await locate(request)

    assert runs.read_text() == "run\n"


async def test_bundled_never_downloads(request_: EngineRequest):
    seen: list[Progress] = []

    with pytest.raises(OpenWorkError, match=r"sidecar .*: not installed") as caught:
        await locate(replace(request_, source="bundled"), seen)

    assert caught.value.code == "engine_not_found"
    assert "--opencode-source auto" in (caught.value.hint or "")
    assert seen == []
    assert not request_.sidecar_dir.exists()


async def test_bundled_refuses_a_damaged_copy(request_: EngineRequest):
    binary = (await locate(request_)).path
    binary.write_bytes(b"#!/bin/sh\necho 1.18.33 # changed\n")

    with pytest.raises(OpenWorkError, match="is damaged") as caught:
        await locate(replace(request_, source="bundled"))

    assert caught.value.code == "engine_damaged"
    assert "--opencode-source downloaded" in (caught.value.hint or "")


async def test_a_damaged_copy_is_replaced_and_the_user_told(request_: EngineRequest):
    binary = (await locate(request_)).path
    binary.write_bytes(b"#!/bin/sh\necho 1.18.33 # changed\n")
    seen: list[Progress] = []

    found = await locate(request_, seen)

    assert found.source == "downloaded"
    assert binary.read_bytes() == ENGINE
    assert [(each.place, each.error and each.error.code) for each in found.tried] == [
        ("sidecar", "engine_damaged"),
        ("download", None),
    ]
    assert [each.message for each in seen if each.step == "warning"]


async def test_a_wrong_download_ends_the_search_even_with_another_engine_at_hand(
    request_: EngineRequest, pin: EnginePin, tmp_path: Path
):
    script(tmp_path / "bin" / "opencode", "echo 1.18.33")
    request = replace(
        request_, allow_external=True, pin=replace(pin, integrity="sha512-" + "A" * 86 + "==")
    )

    with pytest.raises(OpenWorkError, match="not the engine OpenWork expects") as caught:
        await locate(request)

    assert caught.value.code == "engine_integrity"
    assert [each["place"] for each in caught.value.details["tried"]] == ["sidecar", "download"]
    assert not engine_path(request.sidecar_dir, pin).exists()


async def test_when_nothing_works_every_candidate_is_listed(request_: EngineRequest):
    request = replace(without_download(request_), allow_external=True)

    with pytest.raises(OpenWorkError) as caught:
        await locate(request)

    lines = caught.value.message
    assert caught.value.code == "engine_download_failed"
    assert "sidecar" in lines
    assert "not installed" in lines
    assert "nowhere.tgz" in lines
    assert "path (opencode): not on PATH" in lines
    assert caught.value.hint


async def test_auto_falls_back_to_path_when_that_is_allowed(
    request_: EngineRequest, tmp_path: Path
):
    program = script(tmp_path / "bin" / "opencode", "echo 1.18.33")
    request = without_download(request_)

    found = await locate(replace(request, allow_external=True))
    with pytest.raises(OpenWorkError, match="No engine can be used"):
        await locate(request)

    assert (found.path, found.source) == (program, "external")
    assert [each.place for each in found.tried] == ["sidecar", "download", "path"]
    assert found.tried[-1].outcome == "taken"


# --- what the user brings ------------------------------------------------------------------------


async def test_a_named_engine_is_used(request_: EngineRequest, tmp_path: Path):
    program = script(tmp_path / "mine" / "opencode", "echo 1.18.33")
    seen: list[Progress] = []

    found = await locate(replace(request_, explicit=program, allow_external=True), seen)

    assert (found.path, found.source, found.version) == (program, "external", "1.18.33")
    assert seen == []


async def test_another_1_18_is_used_with_a_warning(request_: EngineRequest, tmp_path: Path):
    program = script(tmp_path / "opencode", "echo 'Performing migration…'", "echo v1.18.40")
    seen: list[Progress] = []

    found = await locate(replace(request_, explicit=program, allow_external=True), seen)

    assert found.version == "1.18.40"
    assert [each.step for each in seen] == ["warning"]
    assert "1.18.40" in seen[0].message
    assert ENGINE_VERSION in seen[0].message


@pytest.mark.parametrize("version", ["2.1.3", "1.17.9", "1.19.0", "0.0.0-dev-1"])
async def test_another_major_or_minor_is_refused(
    request_: EngineRequest, tmp_path: Path, version: str
):
    program = script(tmp_path / "opencode", f"echo {version}")

    with pytest.raises(OpenWorkError) as caught:
        await locate(replace(request_, explicit=program, allow_external=True))

    assert caught.value.code == "engine_unsupported"
    assert f"{program} is OpenCode {version}; OpenWork speaks to 1.18.x" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "lines",
    [("echo hello",), ("echo 1.18.33 >&2",), ("echo 1.18.33", "exit 3"), ("kill -9 $$",), ()],
)
async def test_a_program_that_tells_no_version_is_refused(
    request_: EngineRequest, tmp_path: Path, lines: tuple[str, ...]
):
    program = script(tmp_path / "opencode", *lines)

    with pytest.raises(OpenWorkError, match="cannot be used as engine") as caught:
        await locate(replace(request_, explicit=program, allow_external=True))

    assert caught.value.code == "engine_unusable"
    assert f"{program} --version" in (caught.value.hint or "")


async def test_a_program_that_hangs_is_ended(
    request_: EngineRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 0.2)
    program = script(tmp_path / "opencode", "sleep 600")

    with pytest.raises(OpenWorkError, match="did not end within") as caught:
        await locate(replace(request_, explicit=program, allow_external=True))

    assert caught.value.code == "engine_unusable"
    assert psutil.Process().children(recursive=True) == []


async def test_a_named_engine_that_is_missing_is_an_error_not_another_engine(
    request_: EngineRequest, tmp_path: Path
):
    request = replace(request_, explicit=tmp_path / "gone", allow_external=True)

    with pytest.raises(OpenWorkError, match=f"--opencode-bin {tmp_path / 'gone'}") as caught:
        await locate(request)

    assert caught.value.code == "engine_not_found"
    assert not request.sidecar_dir.exists()


async def test_a_bare_name_is_looked_up_on_path(request_: EngineRequest, tmp_path: Path):
    program = script(tmp_path / "bin" / "my-opencode", "echo 1.18.33")

    found = await locate(replace(request_, explicit=Path("my-opencode"), allow_external=True))

    assert found.path == program


async def test_external_takes_opencode_from_path_by_its_own_name(
    request_: EngineRequest, tmp_path: Path
):
    script(tmp_path / "lib" / "wrapper", 'case "$0" in */opencode) echo 1.18.33;; esac')
    (tmp_path / "bin" / "opencode").symlink_to(tmp_path / "lib" / "wrapper")

    found = await locate(replace(request_, source="external", allow_external=True))

    assert found.path == tmp_path / "bin" / "opencode"


async def test_external_with_nothing_on_path_says_so(request_: EngineRequest):
    with pytest.raises(OpenWorkError, match="not on PATH") as caught:
        await locate(replace(request_, source="external", allow_external=True))

    assert caught.value.code == "engine_not_found"


async def test_an_external_program_gets_the_users_environment_without_our_secrets(
    request_: EngineRequest, tmp_path: Path
):
    program = script(tmp_path / "opencode", f"env > {tmp_path / 'env'}", "echo 1.18.33")
    ours = {"OPENWORK_TOKEN": "t", "OPENCODE_SERVER_PASSWORD": "p", "DEN_KEY": "d"}
    environ = {**request_.environ, **ours, "HOME": str(tmp_path), "ASDF_DIR": "/asdf"}

    await locate(replace(request_, explicit=program, allow_external=True, environ=environ))

    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert not ours.keys() & seen.keys()
    assert seen["HOME"] == str(tmp_path)
    assert seen["ASDF_DIR"] == "/asdf"
