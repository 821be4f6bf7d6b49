"""``essential``: how much of the trained dense networks of a study can go without training."""

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
        "measure trained dense networks without their smallest weights, not trained again",
        "fggp essential demo --step 0.05",
    )
    parser.epilog = (
        "Of each dense network of a study whose weights are there, the weights with the smallest\n"
        "magnitude over all layers go at once, at one sparsity after the other, and the test\n"
        "images are counted that it still names rightly. Nothing is trained. The knee is the last\n"
        "sparsity before accuracy first falls more than one point below that of the dense network\n"
        "(essential sparsity, arXiv 2306.03805). results/STUDY/essential.json holds the numbers;\n"
        "the table and the figure 'essential' show them. Measuring again replaces them.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument(
        "study", metavar="STUDY", help="a study: config/demo.yaml, or just demo, or results/demo"
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="cells whose name has this in it: vgg19"
    )
    parser.add_argument(
        "--step", type=_step, default=Fraction(1, 50), metavar="SHARE",
        help="between two sparsities, from 0.001 to 0.5 (default: 0.02)",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="what computes (default: a GPU where there is one)",
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
    """Measure, print each network as it is done, and keep the numbers."""
    from tqdm import tqdm

    from fggp.running.essential import dense_cells, levels, lines, measure
    from fggp.study.essential_file import ESSENTIAL, write_essential

    folder = study_folder(options.study)
    if not folder.exists():
        raise Failure(f"{folder}: does not exist; train it with `fggp run`")
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
