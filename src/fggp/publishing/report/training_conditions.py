"""Data, networks, machines and versions behind the results of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from fggp.analysis.fggp_variants import apart
from fggp.foundation.exact import percent
from fggp.methods import METHODS
from fggp.publishing.check.problems import Item
from fggp.publishing.check.study import Report
from fggp.study.cell import Cell
from fggp.study.outcome import Provenance

SHORT = 12
"""The number of digits of a checksum that are shown."""
SLACK = 2
"""Largest error, in seconds, of time stamps that are written to the second."""


def networks(cells: Iterable[Cell]) -> list[str]:
    """Return the networks of cells in words, those of one width together."""
    backbones = sorted({(it.backbone.width, it.backbone.name) for it in cells})
    return [
        f"{' and '.join(name for _, name in alike)} at width {width}"
        for width, alike in groupby(backbones, key=itemgetter(0))
    ]


def conditions(report: Report) -> dict[str, Any]:
    """Return the facts about the trainings of a study for its page.

    For all cells that it should have: ``data``, ``networks``, ``sparsities`` (%, without the dense
    one), ``starts`` (%), ``seeds``, and the blocks ``training`` and ``pruning``, one of each if all
    are the same. For its results: ``images`` (number in each split), ``files`` (checksums of the
    prepared images), ``machines`` (results of each), ``versions`` and ``numerics``, ``resumed``
    (number of resumed trainings), and the days ``first`` and ``last``. For both: ``labels``
    (`_labels`).
    """
    cells, items = report.expected, report.items
    origins = [item.provenance for item in items]
    starts = {cell.initial_sparsity for cell in cells if cell.sparsity}
    return {
        "data": cells[0].data.name if cells else "",
        "networks": networks(cells),
        "sparsities": [percent(it) for it in sorted({it.sparsity for it in cells}) if it],
        "starts": [percent(it) for it in sorted(it for it in starts if it is not None)],
        "seeds": sorted({cell.seed for cell in cells}),
        "training": _distinct(cell.plain()["training"] for cell in cells),
        "pruning": _distinct(cell.plain()["pruning"] for cell in cells),
        "images": _distinct(item.outcome.images.plain() for item in items),
        "files": _distinct(str(it.data_sha256)[:SHORT] for it in items),
        "machines": dict(sorted(Counter(it.device_name for it in origins).items())),
        "versions": _distinct(it.versions.plain() for it in origins),
        "numerics": _distinct(item.outcome.numerics for item in items),
        "resumed": sum(map(_resumed, origins)),
        "first": min((it.started[:10] for it in origins), default=""),
        "last": max((it.finished[:10] for it in origins), default=""),
        "labels": _labels(cells, items),
    }


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in the order of first occurrence."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _resumed(origin: Provenance) -> bool:
    """Whether a training took longer than the process that ended it."""
    began, ended = (datetime.fromisoformat(it) for it in (origin.started, origin.finished))
    return bool(origin.seconds > (ended - began).total_seconds() + SLACK)


def _labels(cells: Sequence[Cell], items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return for each label its method, its non-default settings, and "2 of 6" by seed."""
    wanted = Counter((cell.label, cell.seed) for cell in cells)
    there = Counter((item.cell.label, item.cell.seed) for item in items)
    return [
        {
            "label": label,
            "method": method.name,
            "apart": apart(method.settings, METHODS[method.name].defaults),
            "seeds": {
                seed: f"{there[label, seed]} of {number}"
                for (name, seed), number in wanted.items()
                if name == label
            },
        }
        for label, method in {cell.label: cell.method for cell in cells}.items()
    ]
