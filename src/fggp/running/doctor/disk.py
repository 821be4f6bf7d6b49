"""Checks of the results folder: writable, lockable, clock in step, enough space and inodes."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fggp.foundation.files import write_bytes
from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.progress.finished_cells import FinishedCells
from fggp.study.costs import study_bytes
from fggp.study.study_folder import run_path

SKEW_SECONDS = 5
LEAST_DESCRIPTORS = 256
FILES = 8
"""The maximum number of files of one cell, from its result to its log."""
ELSEWHERE = "run from a folder on another file system, or link results/ to one"


def writable(place: Place) -> Iterator[Finding]:
    """Write a file next to the results, replace it, and read it back."""
    try:
        with _scratch(place) as folder:
            path = folder / "written"
            for content in (b"old", b"new"):
                write_bytes(path, content)
            if path.read_bytes() != b"new":
                yield wrong(
                    "results", f"{path.parent} returns other bytes than were written", ELSEWHERE
                )
                return
    except OSError as error:
        fix = "change its permissions, make room, or work in another folder"
        yield wrong("results", f"{place.results} is not writable ({error.strerror})", fix)
        return
    yield ok("results", f"{place.results} is writable")


def locks(place: Place) -> Iterator[Finding]:
    """Check that a lock keeps a second holder out: two processes must not train one cell."""
    from filelock import FileLock, Timeout

    try:
        with _scratch(place) as folder, FileLock(folder / "lock", timeout=0):
            try:
                # A second lock object opens the file again, as another process would.
                with FileLock(folder / "lock", timeout=0):
                    said = "the lock does not exclude a second process"
            except Timeout:
                yield ok("locks", "the lock excludes a second process")
                return
    except (OSError, NotImplementedError) as error:
        said = " ".join(str(error).split())[:150]
    yield wrong("locks", f"the file system of {place.results} has no locks: {said}", ELSEWHERE)


def clock(place: Place) -> Iterator[Finding]:
    """Compare the clock of the file system with that of this machine."""
    try:
        with _scratch(place) as folder:
            before = time.time()
            (folder / "touched").touch()
            dated = (folder / "touched").stat().st_mtime
            after = time.time()
    except OSError as error:
        yield unchecked("clock", f"no file could be made ({error.strerror})")
        return
    off = skew(before, dated, after)
    if abs(off) > SKEW_SECONDS:
        fix = "synchronize both clocks by NTP: Snakemake compares the dates of files"
        ahead = "ahead of" if off > 0 else "behind"
        yield warning("clock", f"the file system is {abs(off):.0f} s {ahead} this machine", fix)
    else:
        yield ok("clock", "file system and machine agree")


def skew(before: float, dated: float, after: float) -> float:
    """Return by how much a date lies outside the interval in which it was assigned."""
    return min(0.0, dated - before) + max(0.0, dated - after)


def room(place: Place) -> Iterator[Finding]:
    """Compare the free space with the estimated size of the remaining files."""
    there = _existing(place.results)
    free, files = shutil.disk_usage(there).free, os.statvfs(there)
    if not place.cells:
        yield unchecked("disk", f"{free / 1e9:.1f} GB free; no study was named")
        return
    known = FinishedCells()
    ahead = [it for it in place.cells if known.done(it, run_path(place.results, it)) is None]
    jobs = place.settings.get("jobs", 1) if place.on_slurm else 1
    jobs = jobs if isinstance(jobs, int) else len(ahead)  # Snakemake takes "unlimited" too
    need = study_bytes(ahead, place.size, min(jobs, len(ahead)))
    if need is None:
        found = f"{free / 1e9:.1f} GB free; no estimate for {len(ahead)} cells to train"
        yield unchecked("disk", f"{found}: the size of a network is not on record")
        return
    found = f"{free / 1e9:.1f} GB free, about {need / 1e9:.2g} GB for {len(ahead)} cells to train"
    if need > free:
        yield wrong("disk", found, f"free {(need - free) / 1e9:.2g} GB, or {ELSEWHERE}")
    elif files.f_files and files.f_favail < FILES * len(ahead):
        fix = f"delete other files, or {ELSEWHERE}"
        yield wrong(
            "disk", f"room for {files.f_favail} files, {FILES * len(ahead)} are needed", fix
        )
    elif 2 * need > free:
        yield warning("disk", found, "free more space: the required space is an estimate")
    else:
        yield ok("disk", found)


def descriptors(place: Place) -> Iterator[Finding]:
    """Check the number of files that one process may have open."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < LEAST_DESCRIPTORS:
        fix = (
            f"ulimit -n {LEAST_DESCRIPTORS * 4}"
            if most >= LEAST_DESCRIPTORS * 4
            else "raise the limit"
        )
        yield warning("open files", f"at most {limit} in one process", fix)
    else:
        yield ok("open files", f"{limit} in one process")


@contextmanager
def _scratch(place: Place) -> Iterator[Path]:
    """Make a folder next to the results, and delete it with its content afterwards."""
    there = _existing(place.results)
    folder = Path(tempfile.mkdtemp(prefix=".fggp-doctor-", dir=there))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _existing(path: Path) -> Path:
    """Return a folder, or its nearest parent that exists."""
    return next(it for it in (path, *path.parents) if it.is_dir())
