"""A study's folder: the paths of its files, and the list of cells that it should have."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from fggp.data import Changes, changes, check_source
from fggp.data.registry import size_of
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.foundation.validation import of_file
from fggp.methods.plugins import load_plugins
from fggp.models.open_networks import register_files
from fggp.study.cell import Cell, MethodSettings, Training
from fggp.study.config import Data, Study, cells, check_size
from fggp.study.stored_results import StoredResult, filled_method, stored_cell, with_earlier

RESULTS = Path("results")
RUNS = "runs"
CELLS = "cells.json"
SETTLED = ".settled"
"""The mark of ``cells.json`` that all results were compared with it, see `Grid.settle`."""
DATA = Path("data")


def folder(study_file: Path) -> Path:
    """Return the results folder of a study, named by its file stem."""
    return RESULTS / study_file.stem


def argument(study_folder: Path) -> str:
    """Return the argument with which commands find a folder: its name below results/, or a path."""
    below = RESULTS / study_folder.name
    return study_folder.name if study_folder == below else str(study_folder)


def run_path(study_folder: Path, cell: Cell) -> Path:
    """Return the path of a cell's result file."""
    return study_folder / RUNS / f"{cell.id}.json"


def count_with_other_settings(study_folder: Path, listed: Iterable[Cell]) -> int:
    """Return the number of cells whose result file has other settings; damaged files not counted.

    Training such a cell replaces the file.
    """
    return sum(_has_other_settings(run_path(study_folder, cell), cell) for cell in listed)


def _has_other_settings(path: Path, cell: Cell) -> bool:
    try:
        return not StoredResult.read(path).belongs_to(cell)
    except ResultError:
        return False


def other_settings_message(study_folder: Path, number: int) -> str:
    """Return a sentence about a number of results with other settings."""
    return (
        f"results in {study_folder} with other settings than the study now has: {number}; their "
        "cells are trained again"
    )


def log_path(run: Path) -> Path:
    """Return the path of the log of a result file: in the study's folder, else next to the file."""
    folders = run.absolute().parents
    if len(folders) < 6 or folders[4].name != RUNS:
        return run.with_suffix(".log")
    return beside_runs(run, "logs").with_suffix(".log")


def beside_runs(run: Path, name: str) -> Path:
    """Return a cell's path in another folder of its study, or next to a file that is in none."""
    folders = run.absolute().parents
    if len(folders) < 6 or folders[4].name != RUNS:
        return run.with_name(f"{run.stem}.{name}")
    below = run.absolute().relative_to(folders[4]).with_suffix("")
    return Path(os.path.relpath(folders[5] / name / below))


def data_path(name: str) -> Path:
    """Return the path of a prepared data set."""
    return DATA / f"{name}.npz"


def check_images(study_file: Path, study: Study) -> None:
    """Check a study against its data file, if that has been prepared.

    Raises:
        Failure: where the file is damaged or has the images of another source, or where the study
            asks for more images than it has.

    """
    data = study.data
    path = data_path(data.name)
    if path.exists():
        check_source(data.kind, path, source_path(data), DATA)
        with of_file(study_file):
            check_size(study, size_of(data.kind, path))


def source_path(data: Data) -> Path | None:
    """Return the folder or archive of a study's images, if it names one."""
    return DATA / data.path if data.path else None


def source_changes(data: Data) -> Changes | None:
    """Return how the source of a study's images changed since they were prepared, if it did.

    Raises:
        Failure: where the data file is damaged or has the images of another source, or the source
            cannot be read.

    """
    path, source = data_path(data.name), source_path(data)
    if not path.exists():
        return None
    check_source(data.kind, path, source, DATA)
    return changes(source, path)


def changed_words(data: Data, changed: Changes) -> str:
    """Return how the source of a study's images changed, in words."""
    return f"{source_path(data)} has changed since {data_path(data.name)} was made: {changed}"


def expected_text(study: Study, name: str) -> str:
    """Return the text of ``cells.json``: the study as checked, and its cells."""
    content = {
        "study": name,
        "configuration": study.model_dump(mode="json"),
        "cells": [cell.plain() for cell in cells(study)],
    }
    return json.dumps(content, indent=1) + "\n"


def write_expected(study: Study, path: Path) -> None:
    """Write ``cells.json``; an equal file is left untouched.

    With another file, Snakemake has to compare all results with the study again.
    """
    text = expected_text(study, path.parent.name)
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        path.with_name(SETTLED).unlink(missing_ok=True)
        write_text(path, text)


def read_expected(study_folder: Path) -> tuple[dict[str, Any], list[Cell]]:
    """Return the configuration and the cells of ``cells.json``, with newer settings filled in."""
    with listing(study_folder) as content:
        return _filled(content["configuration"]), [stored_cell(it) for it in content["cells"]]


def read_protocol(study_folder: Path) -> tuple[Data, Training]:
    """Return the data set and the training protocol of the configuration in ``cells.json``."""
    with listing(study_folder) as content:
        found = _filled(content["configuration"])
        return Data.model_validate(found["data"]), Training.model_validate(found["training"])


def read_configuration(study_folder: Path) -> dict[str, Any]:
    """Return the configuration in ``cells.json`` like `read_expected`, without making cells."""
    with listing(study_folder) as content:
        return _filled(content["configuration"])


def _filled(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return a stored configuration with the settings that are newer than it.

    Methods from outside the package are imported first if their files exist, and networks are found
    by the names of their modules.
    """
    load_plugins(it for it in configuration.get("plugins", ()) if Path(it).exists())
    sources = (it.get("source") or "" for it in configuration.get("backbones", {}).values())
    files = (Path(it.rpartition(":")[0]) for it in sources)
    register_files(it for it in files if it.suffix == ".py" and it.exists())
    configuration = with_earlier(Study, configuration)
    methods = {
        label: filled_method(MethodSettings(**own)).model_dump() if "name" in own else own
        for label, own in configuration.get("methods", {}).items()
    }
    return {**configuration, "methods": methods}


def study_name(study_folder: Path) -> str:
    """Return the name in ``cells.json``: that of the study, wherever its files are."""
    with listing(study_folder) as content:
        return str(content["study"])


@contextmanager
def listing(study_folder: Path) -> Iterator[dict[str, Any]]:
    """Provide the content of ``cells.json``; errors in it become a ResultError."""
    path = study_folder / CELLS
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{path}: not the list of a study's cells ({reason}); "
            f"write it with `fggp plan {quote(study_folder.name)} --write`"
        ) from None
