"""The target processor: its vectors, its registers, its name in LLVM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Processor:
    """A kind of processor.

    Attributes:
        lanes: float32 numbers in its widest vector.
        registers: vector registers for sums; half of all, the rest are for operands.
        triple: architecture and system, as LLVM writes them.
        cpu: its name in LLVM.
        features: its further features, as LLVM writes them.
        cache: bytes of the first-level data cache; 32 KiB if not known.

    """

    lanes: int
    registers: int
    triple: str
    cpu: str
    features: str = ""
    cache: int = 32 * 1024

    @property
    def architecture(self) -> str:
        """The architecture of its code: ``x86`` or ``arm``."""
        return "arm" if self.triple.startswith(("aarch64", "arm64")) else "x86"


CACHES = Path("/sys/devices/system/cpu/cpu0/cache/index0")
"""The folder in which Linux describes the first-level cache."""
SHAPES = {"avx512": (16, 16), "avx": (8, 8), "sse": (4, 8), "neon": (4, 16)}
"""Lanes and sums by instruction set."""
NAMED = {
    "x86-64": ("sse", "x86_64-unknown-linux-gnu"),
    "nehalem": ("sse", "x86_64-unknown-linux-gnu"),
    "haswell": ("avx", "x86_64-unknown-linux-gnu"),
    "znver3": ("avx", "x86_64-unknown-linux-gnu"),
    "skylake-avx512": ("avx512", "x86_64-unknown-linux-gnu"),
    "sapphirerapids": ("avx512", "x86_64-unknown-linux-gnu"),
    "znver4": ("avx512", "x86_64-unknown-linux-gnu"),
    "neoverse-n1": ("neon", "aarch64-unknown-linux-gnu"),
    "apple-m1": ("neon", "arm64-apple-darwin"),
}
"""Processors that code can be generated for without running on one."""


def named(cpu: str) -> Processor:
    """Return a processor of `NAMED` by its name in LLVM; raises KeyError for another."""
    kind, triple = NAMED[cpu]
    return Processor(*SHAPES[kind], triple, cpu)


def host(llvm: Any) -> Processor:
    """Return this machine, as the module ``llvmlite.binding`` reports it."""
    has = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    if triple.startswith(("aarch64", "arm64")):
        kind = "neon"
    else:
        kind = "avx512" if has.get("avx512f") else "avx" if has.get("avx") else "sse"
    name, features = llvm.get_host_cpu_name(), has.flatten()
    return Processor(*SHAPES[kind], triple, name, features, _first_cache())


def _first_cache() -> int:
    """Return the size of the first-level data cache, if the system reports it."""
    try:
        kind = (CACHES / "type").read_text(encoding="utf-8").strip()
        size = re.fullmatch(r"(\d+)K", (CACHES / "size").read_text(encoding="utf-8").strip())
    except OSError:
        return Processor.cache
    return 1024 * int(size[1]) if size and kind == "Data" else Processor.cache
