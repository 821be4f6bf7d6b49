"""``prepare``: make the data file of a study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fggp.cli.arguments import load_study, study_argument
from fggp.cli.verbs import verb
from fggp.study.config import Data, Study
from fggp.study.study_folder import DATA, check_images, data_path


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "prepare",
        do,
        "make the data file of a study; a file that is there already is kept",
        "fggp prepare demo",
    )
    study_argument(parser)


def do(options: argparse.Namespace) -> int:
    """Prepare the data of a study and print where they lie."""
    print(prepare_data(*load_study(options.study)))
    return 0


def prepare_data(study_file: Path, study: Study) -> Path:
    """Prepare the images of a study, with a progress bar on a terminal; returns their file.

    Raises:
        Failure: where they cannot be used, or where the study asks for more than there are.

    """
    check_images(study_file, study)
    out = _prepared(study.data)
    check_images(study_file, study)
    return out


def _prepared(data: Data) -> Path:
    from filelock import FileLock
    from tqdm import tqdm

    from fggp.data import prepare

    out = data_path(data.name)
    if out.exists():
        return out  # already checked; the folder may be one that only others write to
    source = DATA / data.path if data.path else None
    out.parent.mkdir(parents=True, exist_ok=True)
    quiet = not sys.stderr.isatty()
    with (
        FileLock(out.with_name(f".{out.name}.lock")),  # two trainings may start at once
        tqdm(desc=f"preparing {data.name}", unit=" images", disable=quiet, leave=False) as bar,
    ):

        def progress(images: int) -> None:
            bar.update(images - bar.n)

        return prepare(data.kind, out, source, root=DATA, progress=progress)
