"""Compare our masks with those of the authors' code, update by update through small trainings.

`make compare-authors AUTHORS=PATH`: minutes on one core. PATH is a checkout of the authors'
repository.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import torch
from arms import ARMS, RANKS, Arm
from differences import Differences, Plan, RankDifferences, compare, compare_ranks, moments
from page import Run, page
from their_code import COMMIT, REPOSITORY, Authors, Missing

from fggp.data import Dataset
from fggp.data.registry import SOURCES, Request

OUT = Path(__file__).parents[2] / "docs/authors-comparison.md"
STARTS = (Fraction(0), Fraction(1, 2))
SPARSITIES = (Fraction(9, 10), Fraction(49, 50))
SEED = 1
ALL = {arm.label: arm for arm in (*ARMS, *RANKS)}


def datasets(images: Path | None) -> Iterator[tuple[str, Dataset]]:
    """Yield the digits, and the images of a folder or an archive where there is one."""
    yield "digits", SOURCES["digits"].read(Request(Path()))
    if images is not None:
        read = SOURCES["folder"].read
        yield images.name.partition(".")[0], read(Request(images.parent, images))


def runs(authors: Authors, images: Path | None, plan: Plan, arms: Sequence[Arm]) -> Iterator[Run]:
    """Train each arm under all conditions, and yield what was found."""
    for name, dataset in datasets(images):
        for start, sparsity, arm in product(STARTS, SPARSITIES, arms):
            ranks = arm in RANKS
            found: Any = RankDifferences() if ranks else Differences()
            for moment in moments(dataset, start, sparsity, plan, SEED):
                found.add((compare_ranks if ranks else compare)(arm, authors, moment))
            yield Run(name, start, sparsity, arm, found)


def main() -> int:
    """Write the page; returns 1 where masks differ beyond ties, 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("authors", type=Path, metavar="PATH", help=f"a checkout of {REPOSITORY}")
    parser.add_argument("--images", type=Path, help="a folder or an archive of images too")
    parser.add_argument("--updates", type=int, default=Plan().updates, help="per training")
    parser.add_argument("--every", type=int, default=Plan().every, help="steps between updates")
    parser.add_argument("--only", action="append", choices=list(ALL), help="just this arm")
    parser.add_argument("--out", type=Path, default=OUT, help="the page (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        authors = Authors(options.authors)
    except Missing as error:
        print(f"compare-authors: {error}", file=sys.stderr)
        return 2
    for file in authors.changed:
        print(
            f"compare-authors: warning: {file} is not the one of commit {COMMIT[:7]}, which is the "
            "commit that is known to work",
            file=sys.stderr,
        )
    plan = Plan(options.updates, options.every)
    made: list[Run] = []
    chosen = [ALL[label] for label in options.only or ALL]
    for run in runs(authors, options.images, plan, chosen):
        made.append(run)
        name = f"{run.data}, {run.start} to {run.sparsity}, {run.arm.label}"
        print(f"{name}: {run.found}", flush=True)
    options.out.write_text(page(made, plan, SEED, authors.changed))
    wrong = [run for run in made if _wrong(run.found)]
    print(f"{len(wrong)} of {len(made)} trainings differ beyond ties; the page is {options.out}")
    print(f"It took {time.process_time():.0f} s of CPU time.")
    return 1 if wrong else 0


def _wrong(found: Differences | RankDifferences) -> int:
    return found.beyond if isinstance(found, Differences) else found.differ


if __name__ == "__main__":
    sys.exit(main())
