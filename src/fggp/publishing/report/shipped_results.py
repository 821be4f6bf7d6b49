"""The shipped results: ranks of methods, power of studies, and a picture of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from fggp.analysis.collect.runs_csv import DENSE, read_runs
from fggp.analysis.complete_grids import all_entries
from fggp.analysis.figure_style import styled
from fggp.analysis.figures import draw
from fggp.analysis.figures.critical_difference import separable
from fggp.analysis.figures.layout import Drawn, entitle, warn_below
from fggp.analysis.figures.standings import standings
from fggp.analysis.plan import read_plan
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import shown as rounded
from fggp.analysis.tables.ranking import REFERENCE
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_bytes

DIFFERENCES = Path("docs/differences.png")
"""The picture of the README."""
PICTURES = Path("docs/pictures")
DPI = 200
"""Resolution of the pictures in the texts: sharp on a screen, and small."""
COLOURS = 256
FEW, MANY = 6, 10
"""Numbers of labels: fewer are each shown with their seeds, more only by average rank."""
MOST_ENTRIES = 4
"""The most entries of a method in one study; if there are more, its page lists only the default."""

Row = dict[str, Any]


def completeness(folder: Path) -> int:
    """Return the number of comparisons in the ranking of all methods, to see how complete it is.

    That is pairs of methods × settings × seeds. Takes the folder of a study's tables; labels of
    one method with different settings count once.
    """
    runs = Material(folder).compared
    counts = all_entries(runs)
    if counts is None:
        return 0
    methods = dict(zip(runs["label"], runs["method"], strict=True))
    number = len({methods[label] for label in counts.labels.values()})
    return number * (number - 1) // 2 * len(counts.settings) * len(counts.seeds)


def standing(folder: Path) -> dict[str, list[Row]]:
    """Return the rows of the ranking of all methods by method, including unranked methods.

    A row has ``entry``, ``label``, ``rank`` (None where it is not ranked), ``accuracy`` (%),
    ``gap`` (points), ``entries``, ``settings`` and ``seeds``.
    """
    runs = read_runs(folder)
    by_entry = {row["label"]: row for row in rows(folder / "tables/ranking_all.csv")}
    ranked = sum(bool(row["average_rank"]) for row in by_entry.values())
    found: dict[str, list[Row]] = {}
    for (method, label, starts, start), own in runs.groupby(["method", "label", "starts", "start"]):
        entry = f"{label}, {start}" if starts == "both" else str(label)
        row = by_entry.get(REFERENCE if label == DENSE else entry)
        found.setdefault(str(method), []).append(
            {
                "entry": entry,
                "label": str(label),
                "rank": float(row["average_rank"]) if row and row["average_rank"] else None,
                "accuracy": float(
                    row["accuracy_percent"] if row else 100 * own["accuracy_last"].mean()
                ),
                "gap": float(row["gap_to_dense_points"])
                if row and row["gap_to_dense_points"]
                else None,
                "entries": ranked,
                "settings": int(row["settings"]) if row else own["sparsity"].nunique(),
                "seeds": int(row["seeds"]) if row else own["seed"].nunique(),
            }
        )
    return found


def widest(folders: Sequence[Path]) -> Row:
    """Return the study with the most complete ranking: ``name``, and the size of the ranking."""
    folder = max(folders, key=completeness)
    counts = all_entries(Material(folder).compared)
    return {
        "name": folder.name,
        "entries": len(counts.entries) if counts else 0,
        "settings": len(counts.settings) if counts else 0,
        "seeds": len(counts.seeds) if counts else 0,
        "few": counts is not None and len(counts.seeds) < read_plan()[0].fewest_seeds,
        "standing": standing(folder),
    }


def headline(folders: Sequence[Path], decisive: Sequence[str] = ()) -> str:
    """Return the study whose differences represent all studies.

    It has several settings and seeds if there is such a study. The first study that decides claims
    (``decisive``) with enough seeds for intervals comes before the most complete one.
    """
    fewest = read_plan()[0].interval_seeds
    urgency = {name: len(decisive) - place for place, name in enumerate(decisive)}

    def key(folder: Path) -> tuple[int, bool, int]:
        counts = all_entries(Material(folder).compared)
        several = counts is not None and len(counts.settings) > 1 and len(counts.seeds) > 1
        enough = counts is not None and len(counts.seeds) >= fewest
        first = urgency.get(folder.name, 0) if several and enough else 0
        return first, several, completeness(folder)

    return max(folders, key=key).name


def told(row: Row) -> str:
    """Return the rank, accuracy and gap of an entry, in words."""
    rank = "not ranked" if row["rank"] is None else f"rank {row['rank']:.2f} of {row['entries']}"
    gap = "" if row["gap"] is None else f", {rounded(row['gap'], '+.2f')} points to dense"
    return f"{rank}, {rounded(row['accuracy'], '.2f')} %{gap}".replace("-", "\N{MINUS SIGN}")


def shown(found: Sequence[Row], method: str) -> list[Row]:
    """Return the rows of a method that fit into its section of a page."""
    own = [row for row in found if row["label"] == method]
    return list(found) if len(found) <= MOST_ENTRIES else own


def places(found: Sequence[Row]) -> str:
    """Return the ranks of a method's entries, in one line."""
    ranks = sorted(row["rank"] for row in found if row["rank"] is not None)
    if ranks:
        return ", ".join(f"{rank:.2f}" for rank in ranks)
    return "not ranked" if found else "not in it"


def power(folder: Path) -> list[Row]:
    """Return the rows of the table of power that could be computed, with parsed numbers.

    Keys are ``reference``, ``rival``, ``settings``, ``seeds``, and the smallest differences in one
    setting (``pooled_holm``), on this grid (``grid`` before and ``grid_holm`` after Holm) and over
    all settings like it (``over_settings_holm``), in points; None where there is none.
    """
    names = ("pooled_holm", "grid", "grid_holm", "over_settings_holm")
    found = []
    for row in rows(folder / "tables/power.csv"):
        numbers = {name: float(row[name]) if row[name] else None for name in names}
        if any(it is not None for it in numbers.values()):
            found.append(row | numbers)
    return found


def smallest(found: Sequence[Row]) -> str:
    """Return the smallest and the largest of the differences over a grid, in words."""
    grids = sorted(row["grid_holm"] for row in found if row["grid_holm"] is not None)
    if not grids:
        return "not computable"
    least, most = points(grids[0]), points(grids[-1])
    return least if least == most else f"{least} to {most}, by rival"


def points(value: float | None) -> str:
    """Write a difference of accuracies; these lie within 100 points."""
    return "-" if value is None else f"{value:.2f}" if value <= 100 else "over 100"


def least_p(folder: Path) -> float:
    """Return the smallest p after Holm that the primary test can reach in a study, 1 without one.

    It is Wilcoxon's exact test over settings, in the table of comparisons.
    """
    found = rows(folder / "tables/comparisons.csv")
    known = [float(row["smallest_p_holm"]) for row in found if row["smallest_p_holm"]]
    return min(known, default=1)


def pictures(folders: Sequence[Path], best: str, root: Path) -> dict[str, Path]:
    """Draw a picture of each study from its tables; returns the paths below ``docs`` by study.

    The picture of the study ``best``, from `headline`, is `DIFFERENCES`.
    """
    drawn = {}
    for folder in folders:
        path = DIFFERENCES if folder.name == best else PICTURES / f"{folder.name}.png"
        with styled():
            material = Material(folder)
            name = "paired_differences" if folder.name == best else telling(material)
            figure, _ = _drawn(name, material)
            if folder.name == best:
                entitle(figure, "")  # the README names the study
            buffer = BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        write_bytes(root / path, _small(buffer))
        drawn[folder.name] = path.relative_to("docs")
    for path in (root / PICTURES).glob("*.png"):
        if path.relative_to(root / "docs") not in drawn.values():
            path.unlink()  # of a study that was removed, or is now the headline
    return drawn


def _small(image: BytesIO) -> bytes:
    """Return a picture with few colours, which takes a third of the bytes."""
    from PIL import Image

    small = BytesIO()
    # The default choice of colours counts pixels, and loses those of small markers.
    chosen = Image.open(image).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    chosen.save(small, format="png", optimize=True)
    return small.getvalue()


def telling(material: Material) -> str:
    """Return the name of the figure that shows most of a study, by its number of labels.

    ``standings`` lists every entry, and is used where no other figure fits.
    """
    compared = material.shown[material.shown["label"] != DENSE]
    labels = compared["label"].nunique()
    several = compared[["backbone", "sparsity", "start"]].drop_duplicates().shape[0] > 1
    if several and labels > MANY:
        return "critical_difference" if separable(material) else "standings"
    if compared["sparsity"].nunique() > 1:
        return "accuracy_vs_sparsity"
    return "drop_to_dense" if labels < FEW else "standings"


def _drawn(name: str, material: Material) -> Drawn:
    if name != "standings":
        return draw(name, material, warn_below)
    figure, data = standings(material)
    warn_below(figure, material.marks)
    return figure, data


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table; raises ResultError where it is missing."""
    try:
        file = path.open(newline="", encoding="utf-8")
    except OSError:
        raise ResultError(f"{path}: missing; make it with `make paper`") from None
    with file:
        yield from csv.DictReader(file)
