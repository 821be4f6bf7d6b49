"""``run``: a study on one machine, without a scheduler."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shlex import quote
from typing import Any

from fggp.cli.arguments import (
    add_device,
    add_writers,
    device_for,
    load_study,
    not_negative,
    positive_count,
    study_argument,
    warn_of_other_settings,
)
from fggp.cli.failures import complain
from fggp.cli.prepare import prepare_data
from fggp.cli.verbs import verb
from fggp.data.registry import size_of
from fggp.foundation.errors import Failure
from fggp.foundation.quantities import count
from fggp.foundation.user_variables import WRITERS
from fggp.running.countdown import Countdown, work_of
from fggp.running.signals import ending_at_once, stopping
from fggp.running.summary_writers import named
from fggp.running.workers import Task, Workers
from fggp.study import costs
from fggp.study.config import Study, cells
from fggp.study.dependencies import origin
from fggp.study.stored_results import restore
from fggp.study.study_folder import data_path, folder, run_path, write_expected
from fggp.training.given_gpu import given_gpu


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "run",
        do,
        "train the remaining cells of a study on this machine",
        "fggp run mini --minutes 60 --jobs 2\n"
        "  (the same command continues; Snakemake reuses the results)",
    )
    study_argument(parser)
    parser.add_argument(
        "--minutes",
        type=not_negative,
        default=float("inf"),
        help="stop cleanly after this many minutes",
    )
    parser.add_argument("--jobs", type=positive_count, default=1, help="cells at once (default: 1)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only the cells whose name contains TEXT"
    )
    add_writers(parser)
    add_device(parser)


def do(options: argparse.Namespace) -> int:
    """Train the remaining cells; returns 0 if all are done, 1 on failures, 75 if time is up."""
    deadline = time.monotonic() + options.minutes * 60
    path, study = load_study(options.study)
    if not any(options.only in cell.id for cell in cells(study)):
        raise Failure(f"no cell of {path} contains {options.only!r}; see fggp plan --cells")
    device = device_for(options, study)
    _refuse_unusable(device)
    named(options.writers)  # raises Failure once here, not for every cell
    home = folder(path)
    write_expected(study, home / "cells.json")
    prepare_data(path, study)
    with _alone(home, options.only), stopping() as stop:
        tasks = _unfinished(study, home, options.only)
        warn_of_other_settings(home, [task.cell for task in tasks])
        workers = Workers(
            *(options.jobs, deadline, device),
            stop=stop,
            environment={WRITERS: options.writers},
            trained=_counted(tasks, study),
        )
        ended = workers.train(tasks)
    complain(ended)
    if ended.waiting:
        print(f"{count(len(ended.waiting), 'cell')} left; run the same command to continue")
    elif not ended.failed and options.only and (others := _unfinished(study, home, "")):
        print(
            f"all cells with {options.only!r} are trained; {count(len(others), 'cell')} of the "
            f"study left: fggp run {quote(options.study)}"
        )
    elif not ended.failed:
        print(f"all cells are trained; next: fggp analyse {quote(str(home))}")
    return ended.status


def _refuse_unusable(device: str) -> None:
    """Raise Failure if every cell would fail for lack of a GPU; loads PyTorch only if needed."""
    if device == "cuda" or (device == "auto" and given_gpu()):
        with ending_at_once():
            from fggp.training.device import usable

        usable(device)


def _counted(tasks: list[Task], study: Study) -> Callable[[Task], str]:
    """Return a function that describes the outcome of a trained task and the time left."""
    size = size_of(study.data.kind, data_path(study.data.name))
    device = costs.device_for(study.training)
    countdown = Countdown(work_of([task.cell for task in tasks], size, device))
    return lambda task: countdown.finish(task.cell.id, task.out)


def _unfinished(study: Study, home: Path, only: str) -> list[Task]:
    tasks = []
    for cell in cells(study):
        out = run_path(home, cell)
        if only in cell.id and not restore(cell, out):
            before = origin(cell)
            after = before.id if before else None
            tasks.append(Task(cell, data_path(study.data.name), out, after))
    return tasks


@contextmanager
def _alone(home: Path, only: str) -> Iterator[None]:
    """Refuse to train a whole study twice at once; parts of it (``only``) may run side by side."""
    from filelock import FileLock, Timeout

    lock = FileLock(home / ".run.lock", timeout=0) if not only else nullcontext()
    try:
        with lock:
            yield
    except Timeout:
        raise Failure(
            f"{home}: another `fggp run` is training this study; wait for it, or stop it"
        ) from None
