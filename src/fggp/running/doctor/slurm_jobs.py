"""Check whether Slurm would accept, and ever start, the jobs of a study, without submitting any."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from fggp.foundation.validation import nearest
from fggp.running.commands import Ran
from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.doctor.slurm import answers
from fggp.running.doctor.slurm_output import Partition, partitions
from fggp.running.snakemake_grid import Grid

NAME_ONE = "set slurm_partition in default-resources of slurm/config.yaml"


class Job(NamedTuple):
    """The resources of the largest job of a study."""

    gpus: int
    threads: int
    memory_mb: int
    minutes: int

    def options(self, gpu: str) -> list[str]:
        """Return the options of sbatch, with ``gpu`` as the pattern of the GPU option."""
        gpus = [gpu.format(self.gpus)] if self.gpus else []
        return [
            *gpus,
            f"--cpus-per-task={self.threads}",
            f"--mem={self.memory_mb}",
            f"--time={self.minutes}",
        ]


def partition(place: Place) -> Iterator[Finding]:
    """Check that the partition exists, has GPUs, and allows time for the longest training."""
    if not answers(place):
        return
    known = _partitions(place)
    chosen = _chosen(place, known)
    if isinstance(chosen, Finding):
        yield chosen
        return
    job = largest(place)
    limit = "no time limit" if chosen.minutes is None else f"{chosen.minutes:.0f} min at most"
    found = f"{chosen.name}: {chosen.gpus} GPUs per node, {limit}"
    others = ", ".join(it.name for it in known if it.gpus and it is not chosen) or "none"
    if not chosen.up:
        yield wrong("partition", f"{chosen.name} is down", "wait, or name another one")
    elif job is None:
        yield ok("partition", found)
    elif job.gpus and not chosen.gpus:
        yield wrong("partition", found, f"{NAME_ONE}; with GPUs: {others}")
    elif chosen.minutes is not None and job.minutes > chosen.minutes:
        fix = f"use a longer one, or `set-resources: {{train: {{runtime: {chosen.minutes:.0f}}}}}`"
        asked = f"{found}; {job.minutes} min are requested, so the job would wait forever"
        yield wrong("partition", asked, fix)
    else:
        yield ok("partition", found)


def gpu_types(place: Place) -> Iterator[Finding]:
    """Check that a requeued training continues on the type of GPU that it began on."""
    if not answers(place):
        return
    chosen, job = _chosen(place, _partitions(place)), largest(place)
    if isinstance(chosen, Finding) or job is None or not job.gpus or not any(chosen.types):
        return
    named = [kind or "others" for kind in sorted(chosen.types, reverse=True)]
    found = f"{chosen.name}: {', '.join(named)}"
    if len(named) == 1 or _one_type(place):
        yield ok("gpu types", found)
    else:
        fix = (
            f"put `set-resources: {{train: {{gpu_model: {named[0]}}}}}` into {place.profile_file}, "
            "or export SBATCH_CONSTRAINT"
        )
        text = f"{found}; a requeued training may continue on another, with other bits"
        yield warning("gpu types", text, fix)


def _one_type(place: Place) -> bool:
    """Whether the profile or the environment asks for one type of GPU."""
    if os.environ.get("SBATCH_CONSTRAINT"):
        return True
    text = str([place.settings.get(name) for name in ("set-resources", "default-resources")])
    return re.search(r"gpu_model|constraint|gpu:[A-Za-z]", text) is not None


def accepted(place: Place) -> Iterator[Finding]:
    """Ask Slurm whether it would accept the largest job, without submitting it."""
    if not answers(place):
        return
    job = largest(place)
    if job is None:
        yield unchecked("job", "no study was named")
        return
    ran = _try(place, job.options("--gpus={}"))
    if ran.status == 0:
        yield ok("job", f"would be accepted: {' '.join(job.options('--gpus={}'))}")
        return
    said = ran.said.removeprefix("sbatch: ")[:200]
    if job.gpus and _try(place, job.options("--gres=gpu:{}")).status == 0:
        fix = 'put `set-resources: {train: {gpu: 0, gres: "gpu:1"}}` into slurm/config.yaml'
        yield wrong("job", f"--gpus is refused ({said}), --gres is not", fix)
    else:
        yield wrong("job", f"would be refused: {said}", _fix(said))


def largest(place: Place) -> Job | None:
    """Return the most that any training asks for at its first attempt; None without a study."""
    if place.study_file is None or place.study is None:
        return None
    grid = Grid(place.study_file)
    asked = [cell.name for cell in place.cells]
    return Job(
        gpus=grid.gpus,
        threads=max(cell.training.threads for cell in place.cells),
        memory_mb=max(grid.memory_mb(wildcards, 1) for wildcards in asked),
        minutes=max(grid.minutes(wildcards, 1) for wildcards in asked),
    )


def _partitions(place: Place) -> list[Partition]:
    return partitions(place.ask("sinfo", "--noheader", "--format=%P|%a|%l|%G").out)


def _chosen(place: Place, known: list[Partition]) -> Partition | Finding:
    name = place.resource("partition")
    if not known:
        return warning("partition", "sinfo lists none", "ask the administrators")
    if name is None:
        default = [it for it in known if it.default]
        if default:
            return default[0]
        listed = ", ".join(it.name for it in known)
        return wrong("partition", f"none is named, and Slurm has no default ({listed})", NAME_ONE)
    matching = [it for it in known if it.name == name]
    if matching:
        return matching[0]
    hint = nearest(name, [it.name for it in known])
    return wrong("partition", f"there is no {name!r}{hint}", NAME_ONE)


def _try(place: Place, options: list[str]) -> Ran:
    named = [
        f"--{key}={value}" for key in ("partition", "account") if (value := place.resource(key))
    ]
    return place.ask("sbatch", "--test-only", *named, *options, "--wrap=true")


def _fix(said: str) -> str:
    lowered = said.lower()
    if "account" in lowered:
        return "set slurm_account in default-resources of slurm/config.yaml"
    if "partition" in lowered:
        return NAME_ONE
    return "request less with set-resources in slurm/config.yaml, or name another partition there"
