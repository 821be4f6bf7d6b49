"""``analyse``, ``table``, ``figure``, ``page``: from result files to tables, figures and page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fggp.analysis.catalogue import FIGURES, FORMATS, TABLES
from fggp.cli.arguments import add_partial, number, study_argument, study_folder
from fggp.cli.verbs import verb
from fggp.foundation.validation import nearest

DECLARATIONS = ("config/stats.yaml", "config/claims.yaml")
STYLE_FILES = ("config/colours.yaml",)
ALL = "all"


def add(verbs: Any) -> None:
    """Add the four verbs to the parser."""
    parser = verb(
        verbs,
        "analyse",
        analyse,
        "aggregate a study and write all its tables and figures, and its page",
        "fggp analyse demo --out /tmp/demo\n"
        "  (for an unfinished study: fggp analyse demo --partial)",
    )
    study_argument(parser)
    add_partial(parser)
    parser.add_argument(
        "--out",
        type=_folder,
        metavar="DIR",
        help="write into this folder and leave the study unchanged",
    )
    _add_one(verbs, "table", table, list(TABLES))
    _add_drawing(_add_one(verbs, "figure", figure, list(FIGURES)))
    text = "write the page of an aggregated study, with its tables and figures"
    study_argument(verb(verbs, "page", page, text, "fggp page demo"))


def analyse(options: argparse.Namespace) -> int:
    """Aggregate a study and write all its tables and figures, and its page."""
    from fggp.analysis.collect.aggregate import aggregate
    from fggp.analysis.figures import write_figures
    from fggp.analysis.page import write_page
    from fggp.analysis.tables import write_table

    paths = aggregate(
        study_folder(options.study),
        options.out,
        partial=options.partial,
        allow_mixed_device=options.allow_mixed_device,
    )
    folder = paths[-1].parent
    for name in TABLES:
        paths += write_table(name, folder)
    paths += write_figures(list(FIGURES), folder)
    paths += write_page(folder)
    print(*paths, sep="\n")
    return 0


def _aggregated(study: str) -> Path:
    """Return the folder of an aggregated study, with a warning if its tables are out of date."""
    from fggp.analysis.collect.outdated import outdated

    folder = study_folder(study)
    if told := outdated(folder):
        print(f"fggp: warning: {told}", file=sys.stderr)
    return folder


def table(options: argparse.Namespace) -> int:
    """Write one table, or all, of an aggregated study."""
    from fggp.analysis.tables import write_table

    folder = _aggregated(options.study)
    paths = [path for name in _names(options, TABLES) for path in write_table(name, folder)]
    print(*paths, sep="\n")
    return 0


def figure(options: argparse.Namespace) -> int:
    """Write one figure, or all, of an aggregated study."""
    from fggp.analysis.figures import write_figures

    style = {
        name: given
        for name in ("formats", "width")
        if (given := getattr(options, name)) is not None
    }
    names, folder = _names(options, FIGURES), _aggregated(options.study)
    print(*write_figures(names, folder, titled=options.title, **style), sep="\n")
    return 0


def page(options: argparse.Namespace) -> int:
    """Write the page of an aggregated study."""
    from fggp.analysis.page import write_page
    from fggp.analysis.page.pictures import outdated_figures

    folder = _aggregated(options.study)
    if told := outdated_figures(folder):
        print(f"fggp: warning: {told}", file=sys.stderr)
    print(*write_page(folder), sep="\n")
    return 0


def _names(options: argparse.Namespace, known: Iterable[str]) -> list[str]:
    return list(known) if options.name == ALL else [options.name]


def _add_one(
    verbs: Any, name: str, do: Callable[[argparse.Namespace], int], known: Sequence[str]
) -> argparse.ArgumentParser:
    text = f"write one {name}, or all, of an aggregated study"
    parser = verb(verbs, name, do, text, f"fggp {name} {known[0]} demo")
    parser.add_argument(
        "name", metavar="NAME", type=_one_of(name, known), help=f"{', '.join(known)}, or {ALL}"
    )
    study_argument(parser)
    return parser


def _add_drawing(parser: argparse.ArgumentParser) -> None:
    """Add the options of a figure for a paper."""
    parser.add_argument(
        "--no-title",
        dest="title",
        action="store_false",
        help="leave out the line above the panels that names the study",
    )
    parser.add_argument(
        "--width",
        type=_inches,
        metavar="INCHES",
        help="width of the figure, from 1 to 40 (default: 5.5; one column of a two-column page: "
        "3.25)",
    )
    parser.add_argument(
        "--format",
        dest="formats",
        type=_formats,
        metavar="LIST",
        help="formats to write, such as pdf,svg (default: pdf,png,svg)",
    )


def _inches(text: str) -> float:
    return number(text, lambda it: 1 <= it <= 40, "a number from 1 to 40")


def _folder(text: str) -> Path:
    """Read a folder; an empty name, such as an unset variable, does not mean this folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not the name of a folder")
    return Path(text)


def _formats(text: str) -> list[str]:
    found = list(dict.fromkeys(text.split(",")))
    for form in found:
        if form not in FORMATS:
            known = ", ".join(FORMATS)
            raise argparse.ArgumentTypeError(f"{form!r} is not a figure format; use {known}")
    return found


def _one_of(what: str, known: Sequence[str]) -> Callable[[str], str]:
    def name(text: str) -> str:
        if text not in {*known, ALL}:
            hint = nearest(text, [*known, ALL], f"fggp {what} --help")
            raise argparse.ArgumentTypeError(f"no {what} is called {text!r}{hint}")
        return text

    return name
