"""Keeping freed memory: asked of the C library once, and never against the environment."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from fggp.training.malloc import keep_freed_memory
print(keep_freed_memory())

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    piece = bytearray(64 << 20)

step()
before = faults()
for _ in range(8):
    step()
print(faults() - before)
"""

gnu = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU library only")


def kept(**environment: str) -> tuple[bool, int]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if name != "GLIBC_TUNABLES" and not name.startswith("MALLOC_")
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=clean | environment,
    )
    answer, faults = done.stdout.split()
    return answer == "True", int(faults)


@gnu
def test_memory_that_was_freed_is_not_asked_for_again() -> None:
    answer, faults = kept()
    assert answer
    assert faults < 1000  # eight times 64 MB are 131 072 pages


@gnu
@pytest.mark.parametrize(
    "environment",
    [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}],
    ids=["variable", "tunable"],
)
def test_an_environment_that_sets_malloc_up_has_its_way(environment: dict[str, str]) -> None:
    assert kept(**environment)[0] is False
