"""What the Snakefile needs to know of a study; free of Snakemake, so that it can be tested."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from fggp.cell import Cell
from fggp.config import cells, load
from fggp.errors import Failure
from fggp.matching import cell_of, restore
from fggp.origin import origin
from fggp.results import ResultError, read
from fggp.study import data_path, expected_text, folder, run_path, write_expected

DEFAULT = Path("config/paper.yaml")


def one_configuration(files: Sequence[Path], overrides: Mapping[str, Any]) -> Path:
    """Return the study that Snakemake was asked for, relative to here where it lies below.

    Raises:
        Failure: for several files, which Snakemake would merge, or for single values.

    """
    if overrides:
        raise Failure(
            f"--config {next(iter(overrides))}=… would change a study without giving it a name; "
            "write a new file with `base: STUDY.yaml` and the changed keys"
        )
    if len(files) > 1:
        raise Failure("give one --configfile: a study is one file, and builds on others by `base:`")
    path = Path(os.path.relpath(files[0])) if files else DEFAULT
    return files[0] if path.parts[0] == ".." else path


def set_environment(source: Path) -> None:
    """Let jobs find ``python -m fggp``: this interpreter outside of conda, this source in both."""
    python_path = filter(None, [str(source), os.environ.get("PYTHONPATH")])
    os.environ["PYTHONPATH"] = os.pathsep.join(python_path)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


class Grid:
    """A study as the workflow sees it.

    Args:
        path: the configuration.

    Raises:
        fggp.complaints.ConfigError: with one line, before any rule is made.

    """

    def __init__(self, path: Path) -> None:
        self.study = load(path)
        self.home = str(folder(path))
        self.name = path.stem
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
        """What the data file is made from."""
        return f"{self.study.data.kind} {self.study.data.path or ''}".strip()

    @property
    def run_files(self) -> list[str]:
        """The result files of all cells."""
        return [str(run_path(Path(self.home), cell)) for cell in self._cells.values()]

    @cached_property
    def digest(self) -> str:
        """A checksum of everything that ``cells.json`` says."""
        return hashlib.sha256(expected_text(self.study, self.name).encode()).hexdigest()

    def cell(self, wildcards: Any) -> Cell:
        """Return the cell that the wildcards of rule ``train`` name."""
        w = wildcards
        name = f"{w.backbone}/s{w.sparsity}/i{w.start}/{w.label}/seed{w.seed}"
        if name not in self._cells:
            raise Failure(f"study {self.name} has no cell {name}; see python -m fggp plan --cells")
        return self._cells[name]

    def origin(self, wildcards: Any) -> list[str]:
        """Return the result that a training has to wait for, in a list of one or none."""
        before = origin(self.cell(wildcards))
        return [] if before is None else [str(run_path(Path(self.home), before))]

    @property
    def gpus(self) -> int:
        """GPUs of one training; the digits are too small to need one."""
        return 0 if self.study.data.kind == "digits" else 1

    def memory_mb(self, wildcards: Any, attempt: int) -> int:
        """Return the memory to ask for, more on every attempt."""
        return 8000 * attempt

    def minutes(self, wildcards: Any, attempt: int) -> int:
        """Return the time to ask for, more on every attempt."""
        per_epoch = {"vgg19": 1, "resnet50": 3}[self.cell(wildcards).backbone.name]
        return 30 + per_epoch * self.study.training.epochs * attempt

    def settle(self) -> None:
        """Make the files agree with a configuration that changed since ``cells.json`` was written.

        Snakemake sees such a change by itself only for files that it made. Results of other
        settings are taken away, those of these settings brought back: a copy of each result stays
        beside it until its cell is trained anew.
        """
        home = Path(self.home)
        listing = home / "cells.json"
        if not listing.exists() or listing.read_text() == expected_text(self.study, self.name):
            return
        outdated = 0
        for cell in self._cells.values():
            path = run_path(home, cell)
            if path.exists() and not _holds(path, cell):
                path.unlink()
                outdated += not restore(cell, path)
            elif not path.exists():
                restore(cell, path)
        write_expected(self.study, listing)
        if outdated:
            print(
                f"fggp: results in {home} that have other settings than the study now has: "
                f"{outdated}; their cells are trained anew",
                file=sys.stderr,
            )


def _holds(path: Path, wanted: Cell) -> bool:
    try:
        return cell_of(read(path)) == wanted
    except ResultError:
        return False
