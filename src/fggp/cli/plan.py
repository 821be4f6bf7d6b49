"""``plan``: the cells of a study, in training order, and their expected cost."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fggp.cli.arguments import (
    add_costs,
    chosen,
    load_study,
    positive_count,
    study_argument,
    warn_of_other_settings,
)
from fggp.cli.units import hours, kwh
from fggp.cli.verbs import verb
from fggp.data.registry import size_of
from fggp.foundation.quantities import duration, size
from fggp.running.progress.finished_cells import Done, FinishedCells
from fggp.running.progress.pace import Pace, device_of
from fggp.study import costs
from fggp.study.cell import Cell
from fggp.study.config import Study, cells
from fggp.study.dependencies import origin
from fggp.study.study_folder import check_images, data_path, folder, run_path, write_expected


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "plan",
        do,
        "check a study, list its cells in training order and estimate their cost",
        "fggp plan paper --gpus 4 --device a100\n  (every cell by name: fggp plan paper --cells)",
    )
    study_argument(parser)
    parser.add_argument(
        "--cells", action="store_true", help="print every cell, not only the counts"
    )
    parser.add_argument("--write", action="store_true", help="write results/STUDY/cells.json")
    parser.add_argument(
        "--gpus",
        type=positive_count,
        default=1,
        metavar="N",
        help="trainings at once, each on its own GPU or core (default: 1)",
    )
    add_costs(parser)


def do(options: argparse.Namespace) -> int:
    """Print the plan of a study."""
    path, study = load_study(options.study)
    check_images(path, study)
    listed = cells(study)
    home = folder(path)
    there = FinishedCells()
    results = {
        cell.id: result
        for cell in listed
        if (result := there.done(cell, run_path(home, cell))) is not None
    }
    warn_of_other_settings(home, [cell for cell in listed if cell.id not in results])
    if options.write:
        write_expected(study, home / "cells.json")
    if options.cells:
        for cell in listed:
            print(f"{'done' if cell.id in results else 'to do'}  {cell.id}")
    for label, count in Counter(cell.label for cell in listed).items():
        print(f"{label:<24} {count:>6} cells")
    print(f"{'all':<24} {len(listed):>6} cells, {len(results)} done, {study.description}")
    print(*_estimate(options, study, results), sep="\n")
    return 0


def _estimate(
    options: argparse.Namespace,
    study: Study,
    results: Mapping[str, Done],
) -> list[str]:
    """Return the expected cost of the remaining cells, in lines."""
    found, listed = results.values(), cells(study)
    device = chosen(options, device_of(study.training, found), study.training, found)
    images = size_of(study.data.kind, data_path(study.data.name))
    pace = Pace(device, images, ((it, results[it.id]) for it in listed if it.id in results))
    ahead = [cell for cell in listed if cell.id not in results]
    if not ahead:
        return ["all cells are done"]
    assumed = ""
    if not images.known:
        assumed = (
            f"; {images.train:_} training images assumed (`fggp prepare` counts them)".replace(
                "_", " "
            )
        )
    basis = [f"basis: {line}{assumed}" for line in pace.basis(listed)]
    seconds = {cell.id: pace.seconds(cell) for cell in ahead}
    each = {name: it for name, it in seconds.items() if it is not None}
    disk = costs.study_bytes(ahead, images, options.gpus)
    room = "" if disk is None else f"; about {size(disk)} on disk"
    if len(each) < len(seconds):
        return [f"remaining: {len(ahead)} cells; no estimate of the time{room}", *basis]
    units = device.count(study.training)
    total, wall = sum(each.values()), _wall(ahead, each, options.gpus)
    at_once = "one after the other" if options.gpus == 1 else f"{options.gpus} at once"
    return [
        f"remaining (estimate): {len(ahead)} cells, {hours(units * total)} {device.unit} "
        f"({device.name}); {at_once}: {duration(wall)}{room}",
        f"energy (estimate): {kwh(units * total, device)}",
        *basis,
    ]


def _wall(ahead: Sequence[Cell], each: Mapping[str, float], at_once: int) -> float:
    """Return the minimum seconds until all is done: all in parallel, or the longest chain."""
    chains = []
    for cell in ahead:
        before = origin(cell)
        chains.append(each[cell.id] + (each.get(before.id, 0.0) if before else 0.0))
    return max(sum(each.values()) / at_once, *chains)
