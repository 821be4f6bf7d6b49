"""Compare a study with published accuracies, if protocol and provenance allow it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from statistics import fmean, stdev
from typing import Any

import yaml

from fggp.foundation.exact import percent, ratio
from fggp.methods import METHODS
from fggp.publishing.check.problems import Item
from fggp.study.cell import Cell

TABLE = "published.yaml"


def comparisons() -> list[dict[str, Any]]:
    """Return ``published.yaml``: rows by source, each with the protocol that they apply to."""
    content = yaml.safe_load(
        files("fggp.publishing.check").joinpath(TABLE).read_text(encoding="utf-8")
    )
    found: list[dict[str, Any]] = content["comparisons"]
    return found


def why_not(
    published: dict[str, Any], configuration: dict[str, Any], cells: Sequence[Cell]
) -> list[str]:
    """Return why a study does not qualify for one of the `comparisons`; empty where it does.

    One cell by the protocol is enough; the reasons are those of the cell that meets most of it.
    """
    if not cells:
        return ["there are no results"]
    kind = (configuration.get("data") or {}).get("kind")
    return min((_deviations(published, kind, cell) for cell in cells), key=len)


def _deviations(published: dict[str, Any], kind: str | None, cell: Cell) -> list[str]:
    """Return where a cell on a kind of data deviates from the protocol of a comparison."""
    found = {
        "data": kind,
        "width": float(cell.backbone.width),
        "epochs": cell.training.epochs,
        "batch_size": cell.training.batch_size,
        "lr": float(cell.training.lr),
        "validation": cell.data.validation,
        "label_smoothing": float(cell.training.label_smoothing),
        "pad_mode": cell.training.pad_mode,
        "dense": ", ".join(cell.pruning.dense) or "none",
        "initialization": cell.backbone.initialization or "fan-out",
    }
    reasons = [
        f"{key} is {found[key]:g} instead of {wanted:g}"
        if isinstance(wanted, int | float)
        else f"{key} is {found[key]} instead of {wanted}"
        for key, wanted in published["protocol"].items()
        if found[key] != wanted
    ]
    if cell.data.train is not None:
        reasons.append(f"only {cell.data.train} training images are used")
    return reasons


def compare(
    published: dict[str, Any], configuration: dict[str, Any], items: Sequence[Item]
) -> list[dict[str, Any]]:
    """Return a row per accuracy of one of the `comparisons` that a study has results for.

    Only cells trained by its protocol are compared. Accuracies are in percent, by the view that was
    published; ``outside`` is whether the difference is larger than the band.
    """
    kind = (configuration.get("data") or {}).get("kind")
    return list(_rows(published, [it for it in items if not _deviations(published, kind, it.cell)]))


def _rows(published: dict[str, Any], items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    view = published["view"]
    for row in published["rows"]:
        own = [
            100 * getattr(item.outcome.accuracy, view).correct / item.outcome.images.test
            for item in items
            if _is_row(item.cell, row)
        ]
        if not own:
            continue
        difference = fmean(own) - row["accuracy"]
        dense = row["method"] == "dense"
        yield {
            **row,
            "comparison": published["name"],
            "here": round(fmean(own), 3),
            "here_sd": round(stdev(own), 3) if len(own) > 1 else None,
            "seeds": len(own),
            "difference": round(difference, 3),
            "outside": abs(difference) > published["band_dense" if dense else "band"],
            "source": published["source"],
            "differs": "; ".join(filter(None, [row.get("differs"), published["differences"]])),
        }


def _is_row(cell: Cell, row: dict[str, Any]) -> bool:
    """Whether a cell is of a row's setting, by the method of that name with its defaults."""
    start = None if row["start"] == "any" else ratio(row["start"])
    name = row["method"]
    defaults = METHODS[name].defaults
    own = (cell.backbone.name, cell.method.name, cell.sparsity, cell.initial_sparsity)
    wanted = (row["backbone"], name, ratio(row["sparsity"]), start)
    comparable = cell.backbone.source is None and cell.method.settings == defaults
    return comparable and own == wanted


def said(row: dict[str, Any]) -> str:
    """Return a published accuracy with its deviation, where that is known."""
    sd = f" ± {row['sd']:.2f}" if "sd" in row else ""
    return f"{row['accuracy']:.2f}{sd}"


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield one line per comparison, and the explanation."""
    for row in rows:
        setting = f"{row['backbone']} {row['method']} {percent(ratio(row['sparsity']))} %"
        start = "" if row["start"] == "any" else f", start {percent(ratio(row['start']))} %"
        sd = "" if row["here_sd"] is None else f" ± {row['here_sd']:.2f}"
        own = f"{row['here']:.2f}{sd} ({row['seeds']} seeds)"
        mark = " OUTSIDE THE BAND" if row["outside"] else ""
        yield (
            f"{setting}{start}: {own}, published {said(row)}, "
            f"difference {row['difference']:+.2f}{mark}"
        )
    if rows:
        yield f"source: {rows[0]['source']}"
        yield f"differences: {rows[0]['differs']}"
