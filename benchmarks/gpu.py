"""Measurements on a machine with a GPU; see README.md next to this file.

``python benchmarks/gpu.py`` writes tables into results/benchmarks-gpu. With ``--device cpu --tiny``
it only shows that everything runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from suite import gpu_steps, packed, whole
from suite.machine import machine
from suite.report import run
from suite.work import Options, Row

OUT = Path("results/benchmarks-gpu")
NAMES = ("steps", "updates", "whole", "packing", "trace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the requested measurements and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/gpu.py",
        description="Measure training steps, mask updates and cells per hour on a GPU.",
        epilog="example:\n  python benchmarks/gpu.py --only steps updates",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    parser.add_argument("--out", type=Path, metavar="DIR", default=OUT, help=f"default: {OUT}")
    parser.add_argument("--threads", type=int, default=1, help="per process; default: 1")
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--tiny", action="store_true", help="a quick check that it runs")
    given = parser.parse_args(arguments)
    from fggp.foundation.errors import Failure
    from fggp.training.device import choose_device

    try:
        _, name = choose_device(given.device)
    except Failure as failure:
        print(f"fggp: {failure}", file=sys.stderr)
        return 1
    options = Options(threads=given.threads, rounds=given.rounds, tiny=given.tiny)
    measured: dict[str, Callable[[], list[Row]]] = {
        "steps": lambda: gpu_steps.steps(given.device, options),
        "updates": lambda: gpu_steps.updates(given.device, options),
        "whole": lambda: whole.measure(given.device, options),
        "packing": lambda: packed.measure(given.device, options),
        "trace": lambda: gpu_steps.trace(given.device, options, given.out),
    }
    about = machine(given.threads) | {"device": name}
    run(given.only, lambda wanted: measured[wanted](), about, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
