"""How figures look and are saved: one size, one colour per label, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import yaml
from matplotlib.figure import Figure
from pandas import DataFrame

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_bytes, write_text

WIDTH = 5.5
"""Inches: the text width of a page in the style of NeurIPS."""

DPI = 300
"""Of the PNG files."""

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
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


class Look(NamedTuple):
    """Colour, marker and line style of a label."""

    colour: str
    marker: str
    line: str = "-"


FIXED = {"fggp": Look("#D55E00", "o"), "dense": Look("#777777", "", "--")}
"""Also where the map of colours is out of reach."""

# Cycled in step; 7, 8 and 21 (lines change every seventh label) repeat only after 168 labels.
SPARE_COLOURS = ("#E69F00", "#CC79A7", "#000000", "#332288", "#999933", "#882255", "#8C510A")
SPARE_MARKERS = ("v", "P", "X", "<", "p", "*", ">", "h")
SPARE_LINES = ("-", "-.", ":")


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save figures in one style, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return the look of each label: that of the map, else the next spare one, all distinct.

    Raises ResultError where the map cannot be read.
    """
    listed = FIXED | _listed()
    spare = (look for look in map(_spare, count()) if look not in listed.values())
    return {label: listed[label] if label in listed else next(spare) for label in labels}


def save(figure: Figure, stem: Path, data: DataFrame) -> list[Path]:
    """Write a figure as ``.pdf`` and ``.png``, and what it shows as ``.csv``.

    Nothing in the files depends on when or where they were written. Returns the three paths.
    """
    paths = [stem.with_name(f"{stem.name}.{form}") for form in ("pdf", "png", "csv")]
    with styled():
        write_bytes(paths[0], _rendered(figure, "pdf", {"CreationDate": None}))
        write_bytes(paths[1], _rendered(figure, "png", {"Software": None}))
    write_text(paths[2], data.to_csv(index=False, lineterminator="\n"))
    return paths


def _spare(index: int) -> Look:
    return Look(
        SPARE_COLOURS[index % len(SPARE_COLOURS)],
        SPARE_MARKERS[index % len(SPARE_MARKERS)],
        SPARE_LINES[index // len(SPARE_COLOURS) % len(SPARE_LINES)],
    )


def _rendered(figure: Figure, form: str, metadata: dict[str, str | None]) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=form, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _listed() -> dict[str, Look]:
    try:
        raw = yaml.safe_load(COLOURS.read_text()) or {}
        return {label: Look(**{key: str(it[key]) for key in it}) for label, it in raw.items()}
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{COLOURS}: not a map of colours ({reason}); "
            "each line reads `label: {colour: '#D55E00', marker: o}`"
        ) from None
