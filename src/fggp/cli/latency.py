"""``latency``: the inference time of trained networks on this CPU, compared with dense code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fggp.cli.arguments import positive_count, study_folder
from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "latency",
        do,
        "measure the milliseconds of pruned networks on this CPU, compiled and dense",
        "fggp latency demo --only vgg19/s95",
    )
    parser.epilog = (
        "A pruned network is compiled to machine code that multiplies its kept weights alone\n"
        "(fggp.compile, which needs llvmlite). It takes turns with the same network in torch, in\n"
        "torch with channels last, and in onnxruntime if that and onnx are installed. If\n"
        "fggp.shrink makes it clearly smaller, as after filter pruning, the shrunk network is\n"
        "measured as well, in torch and compiled. Each is called once per round;\n"
        "the minimum and the median over rounds are kept. With one\n"
        "thread this is processor time, with several it is wall-clock time. Batches of 1\n"
        "and of 32. 'fggp batched' computes the last layers of 16 images at once.\n\n"
        "For a study, the first seed of each setting and label is measured if its weights are\n"
        "present, and results/STUDY/latency.json holds the numbers; the table and the figure\n"
        "'latency' show them. For a packed file, they are in FILE.latency.json. Measuring again\n"
        "replaces the numbers. Measure on a quiet machine.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument(
        "source", metavar="STUDY|FILE", help="a study, or a file written by `fggp.pack`"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only cells whose name contains TEXT, such as vgg19/s98",
    )
    parser.add_argument(
        "--rounds", type=positive_count, default=7, help="rounds of each combination (default: 7)"
    )
    parser.add_argument(
        "--side", type=positive_count, default=32, metavar="PIXELS",
        help="side of the images in pixels, for a file (default: 32); a study has its own",
    )  # fmt: skip
    parser.add_argument(
        "--one-thread", action="store_true", help="skip the measurement with all cores"
    )


def do(options: argparse.Namespace) -> int:
    """Measure the networks, print each as it is done, and keep the numbers."""
    from tqdm import tqdm

    from fggp.fast.stopwatch import BATCHES
    from fggp.running.latency import Subject, lines, measure, subjects, thread_counts
    from fggp.study.latency_file import LATENCY, write_latency

    path = Path(options.source)
    if path.is_file() and path.suffix not in {".yaml", ".yml"}:
        measured = [Subject(path.name, path, options.side)]
        out = path.with_name(f"{path.name}.{LATENCY}")
    else:
        folder = study_folder(options.source)
        if not folder.exists():
            raise Failure(f"{folder}: does not exist; train it with `fggp run`")
        measured, out = subjects(folder, options.only), folder / LATENCY
    threads = [1] if options.one_thread else thread_counts()
    total = len(measured) * len(threads) * len(BATCHES) * options.rounds
    with tqdm(total=total, unit=" rounds", disable=not sys.stderr.isatty(), leave=False) as bar:

        def tick() -> None:
            bar.update()

        for subject in measured:
            rows = measure(subject, rounds=options.rounds, threads=threads, tick=tick)
            write_latency(out, rows)
            kept = f"{rows[0].kept} of {rows[0].weights} weights"
            tqdm.write(f"{subject.name}: {kept}, {rows[0].processor}, torch {rows[0].torch}")
            tqdm.write("\n".join(lines(rows)))
    print(out)
    return 0
