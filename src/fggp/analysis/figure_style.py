"""The style of figures: one size, one colour per label, reproducible bytes.

Figures are drawn with matplotlib. seaborn draws the heat map of ranks, where it is simpler. The
others show paired seeds, intervals that are computed elsewhere, or lines cut at an axis limit, for
which the functions of seaborn would have to be undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import yaml
from matplotlib.cbook import is_math_text
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.mathtext import MathTextParser
from pandas import DataFrame

from fggp.analysis.catalogue import FORMATS
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_bytes, write_text

WIDTH = 5.5
"""In inches: the text width of a page in the style of NeurIPS; one of two columns takes 3.25."""

DPI = 300
"""The resolution of the PNG files."""

METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""Metadata of each format, so that no file depends on when or where it was written."""

COLOURS = Path("config/colours.yaml")

RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "figure.dpi": 100,
    "font.size": 8,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # Type 3 fonts are refused by many camera-ready checks
    "ps.fonttype": 42,
    "savefig.bbox": None,
    "svg.hashsalt": "fggp",  # makes the names of parts reproducible
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


class Look(NamedTuple):
    """Colour, marker and line style of a label."""

    colour: str
    marker: str
    line: str = "-"


FIXED = {"fggp": Look("#D55E00", "o"), "dense": Look("#777777", "", "--")}
"""Used even if the map of colours cannot be read."""

# Cycled in step; 7, 8 and 21 (lines change every seventh label) repeat only after 168 labels.
SPARE_COLOURS = ("#E69F00", "#CC79A7", "#000000", "#332288", "#999933", "#882255", "#8C510A")
SPARE_MARKERS = ("v", "P", "X", "<", "p", "*", ">", "h")
SPARE_LINES = ("-", "-.", ":")


@contextmanager
def styled(width: float = WIDTH) -> Iterator[None]:
    """Draw and save figures in one style and ``width``, in inches.

    The user's own matplotlibrc is ignored.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC | {"figure.figsize": (width, width)})
        yield


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a distinct style for each label: from the map, else the next unused one.

    Raises ResultError if the map cannot be read.
    """
    listed = FIXED | {label: _look(it) for label, it in _listed().items()}
    spare = (look for look in map(_spare, count()) if look not in listed.values())
    return {label: listed[label] if label in listed else next(spare) for label in labels}


def display_names(labels: Sequence[str]) -> dict[str, str]:
    """Return the display name of each label: its ``name`` in the map, else the label itself.

    Raises ResultError if the map cannot be read.
    """
    listed = _listed()
    return {label: listed.get(label, {}).get("name", label) for label in labels}


def save(
    figure: Figure, stem: Path, data: DataFrame, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write a figure in each of the ``formats``, and its data as ``.csv``.

    Nothing in the files depends on when or where they were written. Returns the paths.
    """
    paths = [stem.with_name(f"{stem.name}.{form}") for form in formats]
    with styled():
        for form, path in zip(formats, paths, strict=True):
            write_bytes(path, _rendered(figure, form))
    paths.append(stem.with_name(f"{stem.name}.csv"))
    write_text(paths[-1], data.to_csv(index=False, lineterminator="\n"))
    return paths


def _spare(index: int) -> Look:
    return Look(
        SPARE_COLOURS[index % len(SPARE_COLOURS)],
        SPARE_MARKERS[index % len(SPARE_MARKERS)],
        SPARE_LINES[index // len(SPARE_COLOURS) % len(SPARE_LINES)],
    )


def _rendered(figure: Figure, form: str) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=form, dpi=DPI, metadata=METADATA[form])
    return buffer.getvalue()


def _listed() -> dict[str, dict[str, str]]:
    """Return the entries of the map, each checked to be a look with an optional name."""
    try:
        raw = yaml.safe_load(COLOURS.read_text(encoding="utf-8")) or {}
        listed = {label: {key: str(it[key]) for key in it} for label, it in raw.items()}
        for label, it in listed.items():
            _check(label, _look(it), it.get("name", ""))
        return listed
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{COLOURS}: not a map of colours ({reason}); "
            "each line reads `label: {colour: '#D55E00', marker: o}`"
        ) from None


def _look(entry: dict[str, str]) -> Look:
    """Return the look of an entry; raises TypeError for other keys."""
    return Look(**{key: text for key, text in entry.items() if key != "name"})


def _check(label: str, look: Look, name: str) -> None:
    """Raise ValueError for a look or a name that matplotlib cannot draw."""
    if not is_color_like(look.colour):
        raise ValueError(f"{label}: {look.colour!r} is not a colour")
    try:
        Line2D([], [], marker=look.marker)
    except ValueError:
        words = f"{label}: {look.marker!r} is not a marker of matplotlib, such as o or ^"
        raise ValueError(words) from None
    try:
        Line2D([], []).set(linestyle=look.line)
    except ValueError:
        raise ValueError(f"{label}: {look.line!r} is not a line, such as - or --") from None
    if is_math_text(name):
        try:
            MathTextParser("path").parse(name)
        except ValueError:
            raise ValueError(f"{label}: the mathematics in its name cannot be typeset") from None
