"""Which engine OpenWork runs: the one place with its version, packages and their integrity."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openwork.common.errors import OpenWorkError

ENGINE_VERSION = "1.18.33"
SUPPORTED_MAJOR_MINOR = (1, 18)

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


@dataclass(frozen=True)
class EnginePin:
    """One platform's engine package, fixed by the hash of its tarball.

    Attributes:
        target: Platform id, the name of its folder: ``linux-x64``.
        package: npm package that holds the binary.
        integrity: Hash of the package's tarball in the form of Subresource Integrity,
            ``sha512-BASE64`` as npm publishes it or ``sha256-BASE64``.
        tarball_bytes: About how large the tarball is, for progress and the free-space check.
        version: The package's version.
        requested: What npm is asked for, where that is not ``package@version``.
    """

    target: str
    package: str
    integrity: str
    tarball_bytes: int
    version: str = ENGINE_VERSION
    requested: str = ""

    @property
    def spec(self) -> str:
        """What npm is asked for: ``opencode-linux-x64@1.18.33``."""
        return self.requested or f"{self.package}@{self.version}"

    @property
    def binary_name(self) -> str:
        """``opencode``, or ``opencode.exe`` for Windows."""
        return "opencode.exe" if self.target.startswith("windows-") else "opencode"

    @property
    def member(self) -> str:
        """Where the binary lies in the tarball."""
        return f"package/bin/{self.binary_name}"


def _pin(target: str, integrity: str, tarball_bytes: int) -> EnginePin:
    return EnginePin(target, f"opencode-{target}", integrity, tarball_bytes)


# The sha512 values are npm's own. A registry that lacked the other packages at this version left
# only the sha256 that others published of their tarballs; theirs of linux-x64 is right. Replace one
# as soon as a registry tells it: npm view PACKAGE@VERSION dist.integrity
PINS: dict[str, EnginePin] = {
    pin.target: pin
    for pin in (
        _pin(
            "linux-x64",
            "sha512-q/t/3p2CTxOT9y2kvjesb/LZab2+1eqlhhWA02Be6mjTtmYtNBcBsrI5yDo4Fw7ZSPBW2oyMIGMNRqiKQjiAWw==",
            60_275_143,
        ),
        _pin(
            "linux-x64-baseline",
            "sha512-1KQGBiiDDeL/VHHbHkOvvFo8Jr97WT5+C1tear+p7IcDTnXgVHXqIjU4O4jM4mHQzykTP2i884FCnW5LDa+zCA==",
            60_000_000,
        ),
        _pin("linux-arm64", "sha256-GW0MrxwFU/zRLvFf8UQ56n5rx6TofqUji8tXu+blS5M=", 60_060_899),
        _pin("darwin-arm64", "sha256-zSxwStZTE3timSvKKzI4P42qMbPJRi5WYnjh77oHsx0=", 46_045_337),
        _pin("darwin-x64", "sha256-4jzzbU20YhTb+Ue3t4usY9Lwqebph8XW5HxXPYu2/zI=", 48_221_422),
        _pin("windows-x64", "sha256-/Ha9Sg8lgCdZT2qJAOIg/Qb3NFy15n9z3DtPU7o/WA4=", 60_196_031),
        _pin("windows-arm64", "sha256-IIU7O5Lp3D6c+fWGfg9dDVBQZlV4jlCDl+RoAnH5zoU=", 58_509_317),
    )
}


def pin_for(target: str) -> EnginePin:
    """The pinned package of a platform.

    Raises:
        OpenWorkError: ``engine_platform`` when OpenWork has no verified engine for it.
    """
    pin = PINS.get(target)
    if pin is None:
        raise OpenWorkError(
            "engine_platform",
            f"OpenWork has no verified engine for this platform ({target}); it knows "
            f"{', '.join(PINS)}.",
            hint=f"Install OpenCode {ENGINE_VERSION} yourself and name it: "
            "--opencode-bin PATH --allow-external",
            details={"target": target, "known": list(PINS)},
        )
    return pin


def is_supported(version: str) -> bool:
    """Whether OpenWork speaks to an engine of this version: any 1.18.x, no other.

    OpenCode 2 drops these routes and answers them with its web page, so an unknown major or minor
    must be refused rather than tried.
    """
    match = _VERSION.fullmatch(version.strip())
    return match is not None and (int(match[1]), int(match[2])) == SUPPORTED_MAJOR_MINOR
