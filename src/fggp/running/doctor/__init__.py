"""Checks that this machine can run a study; see `examine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fggp.running.doctor.context import Place
from fggp.running.doctor.devices import cpu, gpus, sharing, torch_build
from fggp.running.doctor.disk import clock, descriptors, locks, room, writable
from fggp.running.doctor.finding import Finding, wrong
from fggp.running.doctor.images import images
from fggp.running.doctor.memory import fits_memory
from fggp.running.doctor.slurm import commands, controller, preemption, requeue, status_checks
from fggp.running.doctor.slurm_jobs import accepted, gpu_types, partition
from fggp.running.doctor.software import packages, python, source
from fggp.running.doctor.workflow import profile, snakemake_locks, study

__all__ = ["CHECKS", "Finding", "Place", "examine"]

Check = Callable[[Place], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    *(study, python, packages, source),
    *(torch_build, cpu, gpus, sharing, fits_memory),
    *(images, writable, locks, clock, room, descriptors),
    *(snakemake_locks, profile),
    *(commands, controller, status_checks, requeue, preemption, partition, gpu_types, accepted),
)


def examine(place: Place, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Run all checks; one that raises becomes a finding."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check(place))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = " ".join(str(error).split())[:200]
            name = check.__name__.replace("_", " ")
            findings.append(
                wrong(name, f"the check failed: {type(error).__name__}: {reason}", "fix that")
            )
    return findings
