"""The whole check: its parts in order, reported as they run, and stored in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, wrong
from fggp.running.gpu_check.facts import facts, machine, watts
from fggp.running.gpu_check.gpu_tests import gpu_tests
from fggp.running.gpu_check.parts import Bench, Part, masks, side_by_side, step_times, trainings
from fggp.study.gpu_measurements import Check, Measured, write

PARTS: tuple[tuple[str, Part], ...] = (
    ("PyTorch, driver and GPU", machine),
    ("the tests that need a GPU", gpu_tests),
    ("trainings: recorded, plain, stopped and resumed", trainings),
    ("two cells at once", side_by_side),
    ("masks, compared with the CPU's", masks),
    ("milliseconds of a training step", step_times),
)


class Checked(NamedTuple):
    """The outcome of a check: its findings and their file."""

    findings: list[Finding]
    path: Path
    measured: Measured


def check(
    place: Place,
    device: str,
    *,
    heading: Callable[[str], None] = lambda text: None,
    tell: Callable[[Finding], None] = lambda finding: None,
    parts: Sequence[tuple[str, Part]] = PARTS,
) -> Checked:
    """Run all parts of the check and write its file.

    Args:
        place: subject of the examination; it has a study.
        device: "cuda", or "cpu" to see that the check works.
        heading: called before each part, with its number and its subject.
        tell: called with each finding as soon as it is made.
        parts: parts in order; if the first one finds an error, the others are skipped.

    """
    findings: list[Finding] = []
    with TemporaryDirectory(prefix="fggp-gpu-check-") as home:
        bench = Bench(place, device, Path(home))
        for number, (text, part) in enumerate(parts):
            heading(f"[{number + 1}/{len(parts)}] {text}")
            for finding in _guarded(part, bench):
                findings.append(finding)
                tell(finding)
            if number == 0 and any(it.state == "error" for it in findings):
                break
    measured = _measured(bench, findings)
    return Checked(findings, write(measured), measured)


def last_line(checked: Checked, seconds: float) -> str:
    """Return the last line of the output: the outcome, the device, and the file."""
    failed = [it.name for it in checked.findings if it.state == "error"]
    skipped = sum(it.state == "skipped" for it in checked.findings)
    done = len(checked.findings) - skipped
    took = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    left = f", {skipped} skipped" if skipped else ""
    where = f"on {checked.measured.device_name} in {took}; see {checked.path}"
    if failed:
        return f"gpu-check FAILED: {len(failed)} of {done} ({', '.join(failed)}){left}, {where}"
    return f"gpu-check passed: all {done}{left}, {where}"


def _guarded(part: Part, bench: Bench) -> Iterator[Finding]:
    """Run a part; an error in it becomes a separate finding."""
    try:
        yield from part(bench)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        name = part.__name__.replace("_", " ")
        yield wrong(name, f"the check failed: {reason}", "fix that, and check again")


def _measured(bench: Bench, findings: Sequence[Finding]) -> Measured:
    place, now = bench.place, datetime.now(UTC).isoformat(timespec="seconds")
    gpu = place.probed.gpus[0].name if place.probed.gpus and bench.device == "cuda" else ""
    return Measured(
        device="cuda" if gpu else "cpu",
        device_name=gpu or "the CPU",
        made=now,
        passed=not any(it.state == "error" for it in findings),
        watts=watts(place) if gpu else None,
        facts=facts(place),
        checks=tuple(Check(name=it.name, state=it.state, found=it.found) for it in findings),
        steps=tuple(bench.steps),
    )
