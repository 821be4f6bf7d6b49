"""``essential``: the accuracy of the dense networks of a study, pruned without retraining."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from typing import Any

from fggp.cli.arguments import study_folder
from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure
from fggp.foundation.exact import ratio


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "essential",
        do,
        "measure trained dense networks without their smallest weights, without retraining",
        "fggp essential demo --step 0.05",
    )
    parser.epilog = (
        "For each dense network of a study whose weights are available, the weights with the\n"
        "smallest magnitude over all layers are removed at once, for one sparsity after another,\n"
        "and the test images that are still classified correctly are counted. Nothing is trained.\n"
        "The knee is the last sparsity before accuracy first falls more than one point below that\n"
        "of the dense network (essential sparsity, arXiv 2306.03805). The numbers are stored in\n"
        "results/STUDY/essential.json; the table and the figure 'essential' show them. Measuring\n"
        "again replaces them.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument(
        "study", metavar="STUDY", help="a study: config/demo.yaml, or just demo, or results/demo"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only cells whose name contains TEXT, such as vgg19",
    )
    parser.add_argument(
        "--step", type=_step, default=Fraction(1, 50), metavar="SHARE",
        help="step between two sparsities, from 0.001 to 0.5 (default: 0.02)",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="device to compute on (default: a GPU if there is one)",
    )  # fmt: skip


def _step(text: str) -> Fraction:
    try:
        value = ratio(text)
    except (TypeError, ValueError):
        value = Fraction(0)
    if not Fraction(1, 1000) <= value <= Fraction(1, 2):
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0.001 to 0.5")
    return value


def do(options: argparse.Namespace) -> int:
    """Measure the networks, print each when it is done, and store the numbers."""
    from tqdm import tqdm

    from fggp.running.essential import dense_cells, levels, lines, measure
    from fggp.study.essential_file import ESSENTIAL, read_essential, write_essential

    folder = study_folder(options.study)
    if not folder.exists():
        raise Failure(f"{folder}: does not exist; train it with `fggp run`")
    read_essential(folder / ESSENTIAL)  # a damaged file is refused before the measurement
    cells, sparsities = dense_cells(folder, options.only), levels(options.step)
    total = len(cells) * len(sparsities)
    with tqdm(total=total, unit=" networks", disable=not sys.stderr.isatty(), leave=False) as bar:

        def tick() -> None:
            bar.update()

        for cell in cells:
            rows = measure(folder, cell, sparsities, device=options.device, tick=tick)
            write_essential(folder / ESSENTIAL, rows)
            tqdm.write(f"{cell.id}: {rows[0].device_name}, torch {rows[0].torch}")
            tqdm.write("\n".join(lines(rows)))
    print(folder / ESSENTIAL)
    return 0
