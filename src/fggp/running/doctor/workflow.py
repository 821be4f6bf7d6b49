"""Checks of the study itself, of Snakemake's locks and of its profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong

LOCKS = Path(".snakemake/locks")


def study(place: Place) -> Iterator[Finding]:
    """Check that the study can be read."""
    if place.study_file is None:
        fix = "name one: fggp doctor demo"
        yield unchecked("study", "none was named", fix)
    elif place.study is None:
        found, _, fix = place.complaint.rpartition("; ")
        yield wrong("study", found or fix, fix)
    else:
        yield ok("study", f"{place.study_file}: {len(place.cells)} cells")


def snakemake_locks(place: Place) -> Iterator[Finding]:
    """Check for locks of a Snakemake that is running here or was killed."""
    held = sorted(LOCKS.glob("*")) if LOCKS.is_dir() else []
    if held:
        fix = "wait for that Snakemake; if none is running: snakemake --unlock"
        yield warning("snakemake", f"{len(held)} locks in {LOCKS}", fix)
    else:
        yield ok("snakemake", "no locks here")


def profile(place: Place) -> Iterator[Finding]:
    """Check that Snakemake can find and read the profile."""
    file = place.profile_file
    if file is None:
        yield unchecked("profile", "none was named", "name one: --profile slurm")
        return
    if not file.is_file():
        fix = "run in the repository root, which has slurm/config.yaml"
        yield wrong("profile", f"{file} does not exist", fix)
        return
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield wrong(
            "profile", f"{file}: {' '.join(str(error).split())[:150]}", "fix the YAML there"
        )
        return
    if not isinstance(content, dict):
        yield wrong("profile", f"{file} contains no settings", "use the one of the repository")
    else:
        yield ok("profile", str(file))
