"""Check that the largest training of a study fits into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fggp.running.doctor.context import Place
from fggp.running.doctor.devices import IN_A_JOB
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.study.costs import needed_mb

MEMINFO = Path("/proc/meminfo")
SMALLER = "reduce training.batch_size or the width, or use a larger one"


def fits_memory(place: Place) -> Iterator[Finding]:
    """Compare the estimated memory of the largest training with the free memory."""
    if not place.cells:
        yield unchecked("memory", "no study was named")
        return
    if place.on_slurm and not place.probed.gpus:
        yield unchecked("memory", "trainings run on other nodes", IN_A_JOB)
        return
    # The figures are those of the memory requested from Slurm, without its minimum.
    on_gpu = _on_gpu(place)
    known = ((needed_mb(cell, place.size, on_gpu=on_gpu), cell) for cell in place.cells)
    needed = [(mb, cell) for mb, cell in known if mb is not None]
    if len(needed) < len(place.cells):
        yield unchecked("memory", "no estimate: a network could not be measured")
        return
    mb, largest = max(needed, key=lambda it: it[0])
    need = mb * 1e6
    where, free, total = _free(place)
    if not total:
        yield unchecked("memory", "this system does not report its memory")
        return
    found = f"{need / 2**30:.1f} GiB by an estimate for {largest.id}"
    if need > total:
        yield wrong("memory", f"{found}, {where} has {total / 2**30:.1f}", SMALLER)
    elif need > free:
        fix = "stop other programs that use it, or set a smaller training.batch_size"
        yield warning("memory", f"{found}, {where} has {free / 2**30:.1f} free now", fix)
    elif (most := _recorded(place)) > free:
        found = f"{found}, {most / 2**30:.1f} with CUDA graphs; {where} has {free / 2**30:.1f} free"
        fix = f"training works without CUDA graphs but is slower; to use them, {SMALLER}"
        yield warning("memory", found, fix)
    else:
        yield ok("memory", f"{found}; {where} has {free / 2**30:.1f} free")


def _recorded(place: Place) -> float:
    """Return the bytes of the largest training with recorded steps; 0 without a GPU."""
    if not _on_gpu(place):
        return 0
    needed = (needed_mb(it, place.size, on_gpu=True, recorded=True) for it in place.cells)
    return 1e6 * max(mb or 0 for mb in needed)


def _on_gpu(place: Place) -> bool:
    """Return whether trainings use a GPU, which is then the first one."""
    return bool(place.probed.gpus) and not place.probed.gpus[0].trouble


def _free(place: Place) -> tuple[str, float, float]:
    """Return the device that trains, with its free and its total bytes; 0 if these are unknown."""
    if _on_gpu(place):
        first = place.probed.gpus[0]
        return "the GPU", first.free, first.memory
    try:
        lines = MEMINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "this machine", 0, 0
    kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines if ":" in line}
    available, total = (int(kilobytes.get(k, 0)) * 1024 for k in ("MemAvailable", "MemTotal"))
    return "this machine", available, total
