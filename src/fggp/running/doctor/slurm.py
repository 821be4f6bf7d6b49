"""Check that Slurm answers and is configured as Snakemake needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.doctor.slurm_output import fields, seconds, settings

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
FIRST_POLL_SECONDS = 40
"""The plugin's own slurm-init-seconds-before-status-checks."""
FIRST_POLL = "slurm-init-seconds-before-status-checks"
STATUS = "slurm-status-command"


def commands(place: Place) -> Iterator[Finding]:
    """Check that Slurm's commands are installed."""
    if not place.on_slurm:
        yield unchecked("slurm", "not requested", "fggp doctor STUDY --profile slurm")
        return
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        fix = "log in to a submit node of the cluster, or load its Slurm module"
        yield wrong("slurm", f"not found: {', '.join(missing)}", fix)
    else:
        version = place.ask("sinfo", "--version").said
        yield ok("slurm", version or "its commands are installed")


def controller(place: Place) -> Iterator[Finding]:
    """Check that the controller answers."""
    if _absent(place):
        return
    said = place.ask("scontrol", "ping").said
    if answers(place):
        yield ok("controller", said)
    else:
        fix = "wait until it answers, or ask the administrators"
        yield wrong("controller", said[:150] or "no answer", fix)


def answers(place: Place) -> bool:
    """Whether there is a Slurm that answers."""
    return not _absent(place) and " is UP" in place.ask("scontrol", "ping").out


def status_checks(place: Place) -> Iterator[Finding]:
    """Check that Snakemake will notice the end of a job: squeue must know it for long enough."""
    config = _config(place)
    if config is None:
        return
    kind = config.get("AccountingStorageType", "")
    accounting = kind.endswith("slurmdbd")
    by_squeue = place.settings.get(STATUS) == "squeue"
    age = seconds(config.get("MinJobAge", "")) or 0
    poll = int(place.settings.get(FIRST_POLL, FIRST_POLL_SECONDS))
    state = "on" if accounting else "off"
    found = f"accounting is {state}, ended jobs are known for {age} s, first check after {poll} s"
    if by_squeue and age >= 3 * poll:
        yield ok("job status", found)
    elif accounting:
        yield ok("job status", f"{found}; Snakemake asks sacct")
    elif not by_squeue:
        fix = (
            f"put `{STATUS}: squeue` into {place.profile_file}: with sacct, Snakemake would wait "
            "forever"
        )
        yield wrong("job status", found, fix)
    elif age >= 3:
        fix = (
            f"put `{FIRST_POLL}: {age // 3}` into {place.profile_file}, or Snakemake will wait "
            "forever"
        )
        yield wrong("job status", found, fix)
    else:
        fix = "ask the administrators for a MinJobAge of 120 or more, or for accounting"
        yield wrong("job status", found, fix)


def requeue(place: Place) -> Iterator[Finding]:
    """Check that a preempted job is queued again."""
    config = _config(place)
    if config is None:
        return
    if config.get("JobRequeue") == "0" and not place.settings.get("slurm-requeue"):
        fix = f"put `slurm-requeue: true` into {place.profile_file}"
        yield warning("requeue", "ended jobs are not queued again", fix)
    else:
        yield ok("requeue", "jobs may be queued again")


def preemption(place: Place) -> Iterator[Finding]:
    """Check what happens to a preempted job."""
    config = _config(place)
    if config is None:
        return
    if config.get("PreemptType", "preempt/none").endswith("none"):
        yield ok("preemption", "jobs are not preempted")
        return
    rows = fields(place.ask("scontrol", "show", "partition", "--oneliner").out)
    modes = {row.get("PartitionName", "?"): row.get("PreemptMode", "") for row in rows}
    cancelled = sorted(name for name, mode in modes.items() if "CANCEL" in mode.upper())
    if cancelled or "CANCEL" in config.get("PreemptMode", "").upper():
        names = ", ".join(cancelled) or "by default"
        fix = "use another partition, or run the same command again until all is done"
        yield warning("preemption", f"preempted jobs are cancelled and not requeued ({names})", fix)
    else:
        yield ok("preemption", f"preempted jobs: {config.get('PreemptMode', 'unknown')}")


def _config(place: Place) -> dict[str, str] | None:
    if not answers(place):
        return None
    return settings(place.ask("scontrol", "show", "config").out)


def _absent(place: Place) -> bool:
    return not place.on_slurm or shutil.which("scontrol") is None
