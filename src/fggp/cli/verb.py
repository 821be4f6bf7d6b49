"""What the verbs share: their parser with an example, and the argument that names a study."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fggp.complaints import nearest
from fggp.config import Study, load
from fggp.errors import Failure
from fggp.reading import studies

CONFIG = Path("config")


def verb(
    verbs: Any, name: str, do: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    """Add a verb: its first help line is ``text``, its last lines are the example."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(do=do)
    return parser


def study_argument(parser: argparse.ArgumentParser) -> None:
    """Add the STUDY argument."""
    parser.add_argument(
        "study", metavar="STUDY", help="a study: config/demo.yaml, or just demo, or results/demo"
    )


def study_file(name: str) -> Path:
    """Return the configuration file of a study named by file, by stem or by results folder."""
    given = Path(name)
    if given.suffix in {".yaml", ".yml"}:
        return given
    path = CONFIG / f"{given.name}.yaml"
    if not path.exists():
        known = [study.stem for study in studies(CONFIG)]
        raise Failure(f"{path}: no such study{nearest(given.name, known)}")
    return path


def study_folder(name: str) -> Path:
    """Return the results folder of a study named by file, by stem or by results folder."""
    given = Path(name)
    if (given / "cells.json").exists():
        return given
    from fggp.study import folder

    return folder(study_file(name))


def load_study(name: str) -> tuple[Path, Study]:
    """Return the configuration file of a study, and the study."""
    path = study_file(name)
    return path, load(path)
