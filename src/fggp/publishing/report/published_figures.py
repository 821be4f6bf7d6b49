"""Published accuracies next to ours, where a shipped study was trained by their protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fggp.foundation.exact import percent, ratio
from fggp.foundation.quantities import count
from fggp.publishing.check import published
from fggp.publishing.check.study import Report

NOT_RUN = "not run"
VIEWS = {
    "last": "the last epoch",
    "best_validation": "the best epoch on validation images",
    "best_test": "the best epoch on the test set after pruning",
}
KEYS = ("backbone", "method", "sparsity", "start")


def published_figures(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Return each comparison of ``published.yaml`` with the results of the shipped studies.

    Keys are ``name``, ``source``, ``view`` and ``protocol`` in words, ``differences``, and
    ``rows``: ``backbone``, ``method``, ``sparsity`` (%), ``start`` in words, ``accuracy`` as
    published, ``differs``, and ``ours``, "not run" without a result.
    """
    return [_comparison(it, reports) for it in published.comparisons()]


def _comparison(it: dict[str, Any], reports: Sequence[Report]) -> dict[str, Any]:
    found: dict[tuple[Any, ...], str] = {}
    for report in reports:
        for row in published.compare(it, report.configuration, report.items):
            found[_key(row)] = _ours(row, report.folder.name)
    return {
        "name": it["name"],
        "source": it["source"],
        "view": VIEWS[it["view"]],
        "protocol": ", ".join(f"`{key}: {value}`" for key, value in it["protocol"].items()),
        "differences": it["differences"],
        "rows": [
            {
                "backbone": row["backbone"],
                "method": row["method"],
                "sparsity": percent(ratio(row["sparsity"])),
                "start": _start(row["start"]),
                "accuracy": published.said(row),
                "differs": row.get("differs", ""),
                "ours": found.get(_key(row), NOT_RUN),
            }
            for row in it["rows"]
        ],
    }


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in KEYS)


def _ours(row: dict[str, Any], study: str) -> str:
    sd = "" if row["here_sd"] is None else f" ± {row['here_sd']:.2f}"
    return f"{row['here']:.2f}{sd} ({count(row['seeds'], 'seed')}, {study})"


def _start(start: Any) -> str:
    if start == "any":
        return "one"
    return f"{percent(ratio(start))} % sparse" if start else "dense"
