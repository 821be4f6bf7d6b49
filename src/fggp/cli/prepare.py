"""``prepare``: make the data file of a study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fggp.cli.arguments import load_study, study_argument
from fggp.cli.verbs import verb
from fggp.data import load, shared_words
from fggp.data.listing import identity
from fggp.study.config import Data, Study
from fggp.study.study_folder import (
    DATA,
    changed_words,
    check_images,
    data_path,
    folder,
    source_changes,
    source_path,
)


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "prepare",
        do,
        "make the data file of a study; keep it if the images have not changed",
        "fggp prepare demo",
    )
    study_argument(parser)


def do(options: argparse.Namespace) -> int:
    """Prepare the data of a study and print the path."""
    path, study = load_study(options.study)
    out, made = _prepared(path, study)
    print(out)
    if not made:
        _warn_of_shared(out)
    return 0


def prepare_data(study_file: Path, study: Study) -> Path:
    """Prepare the images of a study, with a progress bar on a terminal, and return their file.

    Images that changed since they were prepared are prepared again, and test images that are
    among the training images are counted; both are reported on stderr.

    Raises:
        Failure: if they cannot be used, or the study asks for more than there are.

    """
    return _prepared(study_file, study)[0]


def _prepared(study_file: Path, study: Study) -> tuple[Path, bool]:
    """Return the data file, and whether it was made now."""
    out, changed = data_path(study.data.name), source_changes(study.data)
    if changed is None:
        check_images(study_file, study)
        if out.exists():
            return out, False  # the folder may be read-only for this user
    else:
        print(f"fggp: {changed_words(study.data, changed)}; preparing it again", file=sys.stderr)
    before = identity(out) if changed is not None else None
    _make(study.data, out)
    check_images(study_file, study)
    _warn_of_shared(out)
    if changed is not None and identity(out) == before:
        print(f"fggp: {out} has the same images as before", file=sys.stderr)
    elif changed is not None:
        print(
            f"fggp: {out} has other images than before; results of the earlier images stay, but do "
            f"not share tables with new ones: delete {folder(study_file)} to retrain everything",
            file=sys.stderr,
        )
    return out, True


def _warn_of_shared(out: Path) -> None:
    words = shared_words(load(out))
    if words:
        print(f"fggp: {out}: {words}; remove them from one of the two", file=sys.stderr)


def _make(data: Data, out: Path) -> None:
    from filelock import FileLock
    from tqdm import tqdm

    from fggp.data import prepare

    out.parent.mkdir(parents=True, exist_ok=True)
    quiet = not sys.stderr.isatty()
    with (
        FileLock(out.with_name(f".{out.name}.lock")),  # two trainings may start at once
        tqdm(desc=f"preparing {data.name}", unit=" images", disable=quiet, leave=False) as bar,
    ):

        def progress(images: int) -> None:
            bar.update(images - bar.n)

        def note(line: str) -> None:
            tqdm.write(f"fggp: {line}", file=sys.stderr)

        prepare(data.kind, out, source_path(data), root=DATA, progress=progress, note=note)
