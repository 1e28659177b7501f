"""Which build of the engine fits this machine."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Machine:
    """What decides the build.

    Attributes:
        system: ``linux``, ``darwin``, ``win32``, or another ``sys.platform``.
        machine: The processor as the system names it: ``x86_64``, ``arm64``.
        avx2: Whether the processor has AVX2; matters for Linux on x64 only.
        musl: Whether the C library is musl (Alpine) and not glibc.
    """

    system: str
    machine: str
    avx2: bool = True
    musl: bool = False

    @property
    def target(self) -> str:
        """The platform id: ``linux-x64``, ``linux-x64-baseline``, ``linux-arm64-musl``, ….

        An unknown system or processor keeps its own name, so that an error can tell it.
        """
        machine = self.machine.lower()
        parts = [_SYSTEMS.get(self.system, self.system), _MACHINES.get(machine, machine)]
        if self.system == "linux" and parts[1] == "x64" and not self.avx2:
            parts.append("baseline")
        if self.system == "linux" and self.musl:
            parts.append("musl")
        return "-".join(parts)


def has_avx2(cpu_info: str) -> bool:
    """Whether the first processor in the text of ``/proc/cpuinfo`` lists AVX2."""
    for line in cpu_info.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return "avx2" in value.split()
    return False


def this_machine() -> Machine:
    """The machine we run on. No readable ``/proc/cpuinfo`` means baseline: it runs anywhere."""
    system = sys.platform
    avx2, musl = True, False
    if system == "linux":
        musl = _is_musl()
        try:
            avx2 = has_avx2(CPU_INFO.read_text())
        except OSError:
            avx2 = False
    return Machine(system, platform.machine(), avx2=avx2, musl=musl)


def _is_musl() -> bool:
    try:
        return not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # musl does not know this name
        return True
