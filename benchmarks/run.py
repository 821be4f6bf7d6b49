"""Ours compared with its peers in one run: speed, memory, start and planning.

``python benchmarks/run.py`` writes a table and a figure into results/benchmarks; README.md next to
this file describes the comparisons, and how to get the peers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from suite import (
    augmentation,
    files,
    inference,
    planning,
    shrinking,
    starting,
    stepping,
    training,
    updating,
)
from suite.granet import for_cpu
from suite.machine import machine
from suite.report import run
from suite.work import Options, Row

BENCHMARKS: dict[str, Callable[[Options], list[Row]]] = {
    "augmentation": augmentation.measure,
    "stepping": stepping.measure,
    "updating": updating.measure,
    "training": training.measure,
    "starting": starting.measure,
    "files": files.measure,
    "inference": inference.measure,
    "shrinking": shrinking.measure,
    "planning": planning.measure,
}
OUT = Path("results/benchmarks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the requested benchmarks and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/run.py",
        description="Measure ours and its peers side by side, on the CPU.",
        epilog="example:\n  python benchmarks/run.py --only updating --granet ../GraNet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    only = {"nargs": "+", "choices": BENCHMARKS, "default": list(BENCHMARKS)}
    parser.add_argument("--only", metavar="NAME", help=", ".join(BENCHMARKS), **only)
    parser.add_argument("--granet", type=Path, metavar="PATH", help="a clone of VITA-Group/GraNet")
    parser.add_argument("--out", type=Path, metavar="DIR", default=OUT, help=f"default: {OUT}")
    parser.add_argument("--threads", type=int, default=1, help="per process; default: 1")
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--tiny", action="store_true", help="a quick check that it runs")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        copy = for_cpu(given.granet, Path(folder)) if given.granet else None
        options = Options(copy, given.threads, given.rounds, given.tiny)
        about = machine(given.threads)
        run(given.only, lambda name: BENCHMARKS[name](options), about, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
