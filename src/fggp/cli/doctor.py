"""``doctor``: whether this machine can run a study."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fggp.cli.arguments import study_file
from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure
from fggp.foundation.quantities import count
from fggp.study.config import load

if TYPE_CHECKING:
    from fggp.running.doctor import Finding, Place

WIDE = 34
"""Width of the column of names in the GPU check, which is printed before all are known."""


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "doctor",
        do,
        "check that this machine can run a study",
        "fggp doctor paper --profile slurm\n"
        "  (only on this machine: fggp doctor demo)\n"
        "  (five minutes on a GPU: srun --gpus=1 -c 4 --mem=24G -t 15 "
        "fggp doctor paper --gpu)",
    )
    parser.epilog = (
        "exit status:\n"
        "  0  no errors (there may be warnings)\n"
        "  1  errors; each line names the fix\n\n"
        "Without --gpu, nothing is submitted, trained or kept. Estimates are rough.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument(
        "study",
        metavar="STUDY",
        nargs="?",
        help="a study, as in `plan` (default: check only the machine)",
    )
    parser.add_argument(
        "--profile",
        default="",
        help="also check the settings of `snakemake --profile PROFILE`, and Slurm",
    )
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="check the GPU instead, in about five minutes: short trainings with CUDA graphs, "
        "plain and resumed, two at once, masks, milliseconds per step; stored in results/gpu-check",
    )
    parser.add_argument(
        "--device",
        choices=("cuda", "cpu"),
        default="cuda",
        help="with --gpu: cpu only shows that the check itself works (default: cuda)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def do(options: argparse.Namespace) -> int:
    """Examine the machine, and print the findings."""
    if options.gpu:
        return _check_gpu(options)
    from fggp.running.doctor import examine

    findings = examine(_place(options.study, options.profile))
    print(_json(findings) if options.json else _table(findings))
    return int(any(it.state == "error" for it in findings))


def _place(name: str | None, profile: str) -> Place:
    from fggp.running.doctor import Place

    if name is None:
        return Place(profile=profile)
    try:
        path = study_file(name)
    except Failure as failure:
        return Place(study_file=Path(name), complaint=str(failure), profile=profile)
    try:
        return Place(study_file=path, study=load(path), profile=profile)
    except Failure as failure:
        return Place(study_file=path, complaint=str(failure), profile=profile)


def _check_gpu(options: argparse.Namespace) -> int:
    """Check the GPU, and print each finding as it comes."""
    from fggp.running.gpu_check.check import check, last_line

    place = _place(options.study or "paper", options.profile)
    if place.study is None:
        raise Failure(place.complaint)
    began = time.monotonic()
    if options.json:
        checked = check(place, options.device)
        print(_json(checked.findings))
    else:
        checked = check(
            place,
            options.device,
            heading=lambda text: print(text, flush=True),
            tell=lambda it: print(*_lines(it, WIDE), sep="\n", flush=True),
        )
        print(f"\n{last_line(checked, time.monotonic() - began)}")
    return int(not checked.measured.passed)


def _table(findings: Sequence[Finding]) -> str:
    wide = max(len(it.name) for it in findings)
    lines = []
    for it in findings:
        lines += _lines(it, wide)
    counts = {state: sum(it.state == state for it in findings) for state in ("error", "warning")}
    return "\n".join(
        [*lines, f"\n{', '.join(count(number, name) for name, number in counts.items())}"]
    )


def _lines(it: Finding, wide: int) -> list[str]:
    """Return the lines of a finding; names are padded to ``wide`` columns."""
    lines = [f"{it.state:<7}  {it.name:<{wide}}  {it.found}"]
    if it.fix:
        word = "to run this check" if it.state == "skipped" else "fix"
        lines.append(f"{'':<7}  {'':<{wide}}  {word}: {it.fix}")
    return lines


def _json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(it) for it in findings], indent=1)
