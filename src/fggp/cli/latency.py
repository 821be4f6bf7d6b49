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
        "measure the inference time of pruned networks on this CPU, compiled and dense",
        "fggp latency demo --only vgg19/s95",
    )
    parser.epilog = (
        "A pruned network is compiled to machine code that multiplies only its kept weights\n"
        "(fggp.compile, which needs llvmlite). It is called alternately with the same network in\n"
        "torch, in torch with channels last, and in onnxruntime if that and onnx are installed.\n"
        "If fggp.shrink makes it clearly smaller, as after filter pruning, the shrunk network is\n"
        "measured as well, in torch and compiled. Each is timed once per round; the minimum and\n"
        "the median over rounds are kept. Times are processor times with one thread, and\n"
        "wall-clock times with several. The batch sizes are 1 and 32. 'fggp batched' computes the\n"
        "last layers of 16 images at once.\n\n"
        "For a study, the first seed of each setting and label whose weights are present is\n"
        "measured. The numbers are stored in results/STUDY/latency.json, and the table and the\n"
        "figure 'latency' show them. For a packed file, they are in FILE.latency.json. Measuring\n"
        "again replaces them. Measure on a quiet machine.\n\n"
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
    """Measure the networks, print each when it is done, and store the numbers."""
    from tqdm import tqdm

    from fggp.fast.refusal import CompileError
    from fggp.fast.stopwatch import BATCHES
    from fggp.running.latency import Subject, lines, measure, subjects, thread_counts
    from fggp.study.latency_file import LATENCY, read_latency, write_latency

    path = Path(options.source)
    if path.is_file() and path.suffix not in {".yaml", ".yml"}:
        measured = [Subject(path.name, path, options.side)]
        out = path.with_name(f"{path.name}.{LATENCY}")
    else:
        folder = study_folder(options.source)
        if not folder.exists():
            raise Failure(f"{folder}: does not exist; train it with `fggp run`")
        measured, out = subjects(folder, options.only), folder / LATENCY
    read_latency(out)  # a damaged file is refused before the measurement, and not after it
    threads = [1] if options.one_thread else thread_counts()
    problems: list[CompileError] = []
    total = len(measured) * len(threads) * len(BATCHES) * options.rounds
    with tqdm(total=total, unit=" rounds", disable=not sys.stderr.isatty(), leave=False) as bar:

        def tick() -> None:
            bar.update()

        for subject in measured:
            try:
                rows = measure(subject, rounds=options.rounds, threads=threads, tick=tick)
            except CompileError as error:
                if len(measured) == 1:
                    raise
                tqdm.write(f"skipped {subject.name}: {error}")
                problems.append(error)
                continue
            write_latency(out, rows)
            kept = f"{rows[0].kept} of {rows[0].weights} weights"
            tqdm.write(f"{subject.name}: {kept}, {rows[0].processor}, torch {rows[0].torch}")
            tqdm.write("\n".join(lines(rows)))
    if len(problems) == len(measured):
        raise problems[-1]
    print(out)
    return 0
