"""The Snakefile's view of a study; independent of Snakemake, so that it can be tested."""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from fggp.data.registry import size_of
from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.files import write_text
from fggp.foundation.user_variables import DEVICE, device_named, value_of
from fggp.running.cell_lock import holder
from fggp.running.countdown import work_of
from fggp.running.snakemake_messages import NamedCells
from fggp.study import costs
from fggp.study.cell import Cell
from fggp.study.cell_name import CellName
from fggp.study.config import cells, load
from fggp.study.dependencies import origin
from fggp.study.stored_results import holds, restore, set_aside
from fggp.study.study_folder import (
    RUNS,
    SETTLED,
    changed_words,
    check_images,
    data_path,
    expected_text,
    folder,
    other_settings_message,
    run_path,
    source_changes,
    write_expected,
)

DEFAULT = Path("config/paper.yaml")
PACKING = "cells_per_gpu"


def one_configuration(files: Sequence[Path], overrides: Mapping[str, Any]) -> Path:
    """Return the study that Snakemake was asked for, relative to here if it is below.

    Raises:
        Failure: for several files, which Snakemake would merge, or for single values.

    """
    changed = [key for key in overrides if key != PACKING]
    if changed:
        raise Failure(
            f"--config {changed[0]}=… would change a study without giving it a name; "
            "write a new file with `base: STUDY.yaml` and the changed keys"
        )
    if len(files) > 1:
        raise Failure("give one --configfile: a study is one file, and builds on others by `base:`")
    path = Path(os.path.relpath(files[0])) if files else DEFAULT
    return files[0] if path.parts[0] == ".." else path


def cells_per_gpu(overrides: Mapping[str, Any]) -> int:
    """Return the number of cells that share one allocation, from Snakemake's ``--config``.

    It affects how a study is trained, not its results, so it is not a key of studies.
    """
    value = overrides.get(PACKING, 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Failure(f"--config {PACKING}={value} is not a whole number of at least 1")
    return value


def set_environment(source: Path) -> None:
    """Let jobs find ``python -m fggp``: this interpreter outside conda, this source in any case."""
    python_path = filter(None, [str(source), os.environ.get("PYTHONPATH")])
    os.environ["PYTHONPATH"] = os.pathsep.join(python_path)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


class Grid:
    """A study as the workflow sees it.

    Args:
        path: configuration file.
        together: number of cells that share one allocation.

    Raises:
        fggp.foundation.validation.ConfigError: with one line, before any rule is made.

    """

    def __init__(self, path: Path, together: int = 1) -> None:
        self.path, self.study = path, load(path)
        self.home = str(folder(path))
        self.name = path.stem
        self.together = together
        self._cells = {cell.id: cell for cell in cells(self.study)}

    @property
    def data(self) -> str:
        """The prepared data file."""
        return str(data_path(self.data_name))

    @property
    def data_name(self) -> str:
        """The name of the data set."""
        return self.study.data.name

    @property
    def data_source(self) -> str:
        """The source of the data file."""
        return f"{self.study.data.kind} {self.study.data.path or ''}".strip()

    @property
    def _mark(self) -> Path:
        return Path(self.data).with_name(f".{self.data_name}.npz.changed")

    @property
    def data_marks(self) -> list[str]:
        """The file whose time is that of the last change of the images, if they ever changed."""
        return [str(self._mark)] if self._mark.exists() else []

    @property
    def run_files(self) -> list[str]:
        """The result files of all cells."""
        return [str(run_path(Path(self.home), cell)) for cell in self._cells.values()]

    @cached_property
    def digest(self) -> str:
        """A checksum of the content of ``cells.json``."""
        return hashlib.sha256(expected_text(self.study, self.name).encode()).hexdigest()

    @property
    def settled_mark(self) -> str:
        """The file with the `digest` with which all results were last compared by `settle`."""
        return str(Path(self.home) / SETTLED)

    @property
    def packs(self) -> dict[str, list[str]]:
        """The rules that train, by name, each with the seeds that it trains in one job.

        The cells of a job differ only in their seed, so that they take equally long and none of
        them waits for another. A seed in braces is a wildcard.
        """
        seeds = [str(seed) for seed in self.study.seeds]
        count = math.ceil(len(seeds) / self.together)
        if self.together == 1:
            return {"train": ["{seed}"]}
        return {f"train_{k + 1}": seeds[k::count] for k in range(count)}

    def cell(self, wildcards: Any) -> Cell:
        """Return the cell that the wildcards of a rule name; the first one if they lack a seed.

        Raises:
            Failure: if the study has no such cell.

        """
        return self.members(wildcards, [str(getattr(wildcards, "seed", self.study.seeds[0]))])[0]

    def members(self, wildcards: Any, seeds: Sequence[str]) -> list[Cell]:
        """Return the cells of one job, given the seeds of its rule in `packs`."""
        w, members = wildcards, []
        for pattern in seeds:
            seed = pattern.format(seed=getattr(w, "seed", ""))
            name = str(CellName(w.backbone, w.sparsity, w.start, w.label, seed))
            if name not in self._cells:
                raise Failure(f"study {self.name} has no cell {name}; see fggp plan --cells")
            members.append(self._cells[name])
        return members

    def origins(self, wildcards: Any, seeds: Sequence[str]) -> list[str]:
        """Return the results that the cells of one job have to wait for."""
        before = [origin(cell) for cell in self.members(wildcards, seeds)]
        return [str(run_path(Path(self.home), cell)) for cell in before if cell]

    @property
    def gpus(self) -> int:
        """GPUs of one training."""
        return self.study.gpus

    def set_device(self) -> None:
        """Keep trainings that ask for no GPU off a GPU that happens to be present.

        The others use the GPU of their job, and fail if they cannot use it
        (`fggp.training.device.usable`). ``FGGP_DEVICE`` takes precedence.
        """
        asked = device_named(value_of(DEVICE, "auto"))
        if not self.gpus and asked == "auto":
            os.environ[DEVICE] = "cpu"

    def threads(self, wildcards: Any) -> int:
        """Return the threads of one cell."""
        return self.cell(wildcards).training.threads

    @cached_property
    def size(self) -> Size:
        """The size of the data set."""
        return size_of(self.study.data.kind, Path(self.data))

    @property
    def kind(self) -> costs.Kind:
        """The kind of device of a training."""
        return "gpu" if self.gpus else "cpu"

    def memory_mb(self, wildcards: Any, attempt: int) -> int:
        """Return the memory to request, more on every attempt."""
        return attempt * costs.memory_mb(self.cell(wildcards), self.size, self.kind)

    def minutes(self, wildcards: Any, attempt: int) -> int:
        """Return the time to request, more on every attempt."""
        return costs.minutes(self.cell(wildcards), self.size, self.kind, attempt)

    @property
    def messages(self) -> NamedCells:
        """The filter that names cells in Snakemake's messages."""
        seeds = {rule: len(members) for rule, members in self.packs.items()}
        device = costs.device_for(self.study.training)
        return NamedCells(work_of(self._cells.values(), self.size, device), seeds)

    def settle(self) -> None:
        """Make the files agree with a configuration that changed since the last call.

        Snakemake notices such a change only for files that it made. Results of other settings are
        removed, and those of these settings restored: a copy of each result stays next to it until
        its cell is trained again. So a dry run, which needs the same, loses nothing. `fggp run` and
        `fggp plan` rewrite ``cells.json`` without this, so it has a mark of its own. If cells
        remain to be trained, images that do not fit the study are refused here, before there are
        jobs.
        """
        if not all(Path(path).exists() for path in self.run_files):
            self._look_at_images()
        home = Path(self.home)
        listing = home / "cells.json"
        _date([listing, *map(Path, self.run_files)])
        known, mark = _text(listing), _text(Path(self.settled_mark)).strip()
        if not (known or (home / RUNS).exists()):
            return
        if known == expected_text(self.study, self.name) and mark == self.digest:
            return
        outdated = 0
        for cell in self._cells.values():
            path = run_path(home, cell)
            if path.exists() and not holds(path, cell):
                set_aside(path)
                outdated += not restore(cell, path)
            elif not path.exists():
                restore(cell, path)
        write_expected(self.study, listing)
        with suppress(OSError):  # in the folder of another user, the next call compares again
            write_text(Path(self.settled_mark), f"{self.digest}\n")
        if outdated:
            print(f"fggp: {other_settings_message(home, outdated)}", file=sys.stderr)

    def _look_at_images(self) -> None:
        """Have images prepared again if they changed since; else check them against the study.

        Snakemake only knows times, and the images that a file was made from may be older than it.
        """
        changed = source_changes(self.study.data)
        if changed is None:
            check_images(self.path, self.study)
            return
        words = changed_words(self.study.data, changed)
        # A file name that is not UTF-8 has characters that cannot be encoded.
        words = words.encode(errors="backslashreplace").decode()
        write_text(self._mark, f"{words}\n")
        print(f"fggp: {words}; preparing it again", file=sys.stderr)

    def warn_of_others(self) -> None:
        """Report cells that other processes are training, such as jobs of a killed Snakemake.

        New jobs for these cells wait for them.
        """
        held = {
            name: who
            for name, cell in self._cells.items()
            if (who := holder(run_path(Path(self.home), cell)))
        }
        if not held:
            return
        name, who = next(iter(held.items()))
        jobs = sorted(set(re.findall(r"Slurm job (\S+)\)", " ".join(held.values()))))
        ending = f"scancel {' '.join(jobs)}" if jobs else "stop that process"
        print(
            f"fggp: cells of {self.name} being trained by another run: {len(held)} "
            f"({name}: {who}); new jobs wait for them, and continue from their checkpoints if you "
            f"{ending}",
            file=sys.stderr,
        )


def _text(path: Path) -> str:
    """Return the text of a file, whatever its bytes; empty without one."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _date(paths: Iterable[Path]) -> None:
    """Set future file dates to now: Snakemake fails if an output is older than its input.

    They come from a machine whose clock is ahead, and retraining would not help. Files of another
    user keep their dates.
    """
    present = time.time()
    for path in paths:
        if path.exists() and path.stat().st_mtime > present:
            with suppress(PermissionError):
                os.utime(path)
