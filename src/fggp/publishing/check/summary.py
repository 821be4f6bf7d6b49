"""The outcome of the checks, in lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fggp.foundation.quantities import count
from fggp.publishing.check import published
from fggp.publishing.check.study import Report


def text(reports: Sequence[Report]) -> Iterator[str]:
    """Yield a line per problem, then a summary of each study, then the verdict."""
    for report in reports:
        yield from map(str, report.problems)
    for report in reports:
        yield _study(report)
        refused = [f"{name} ({_first(it)})" for name, it in _why_not(report).items() if it]
        if refused:
            yield f"  published accuracies: not comparable: {', '.join(refused)}"
        for rows in _compared(report):
            yield from (f"  {line}" for line in published.lines(rows))
    counts = [_count(report, level) for level in ("error", "warning") for report in reports]
    errors, warnings = sum(counts[: len(reports)]), sum(counts[len(reports) :])
    results = sum(len(report.items) for report in reports)
    verdict = "red" if errors else "green"
    studies = count(len(reports), "study")
    yield f"{verdict}: {studies}, {results} results, {errors} errors, {warnings} warnings"


def plain(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the same as plain JSON data."""
    return {
        "green": all(report.green for report in reports),
        "studies": [
            {
                "folder": str(report.folder),
                "cells": report.cells,
                "results": len(report.items),
                "complete": report.complete,
                "green": report.green,
                "problems": [problem.plain() for problem in report.problems],
                "not_comparable": {name: it for name, it in _why_not(report).items() if it},
                "published": [row for rows in _compared(report) for row in rows],
            }
            for report in reports
        ],
    }


def _study(report: Report) -> str:
    found = f"{len(report.items)} of {report.cells} results"
    part = "" if report.complete else ", partial"
    errors, warnings = (_count(report, level) for level in ("error", "warning"))
    return f"{report.folder}: {found}{part}, {errors} errors, {warnings} warnings"


def _count(report: Report, level: str) -> int:
    return sum(problem.level == level for problem in report.problems)


def _first(reasons: Sequence[str]) -> str:
    more = f", and {count(len(reasons) - 1, 'reason')} more" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def _why_not(report: Report) -> dict[str, list[str]]:
    """Return why the study does not qualify for the published comparisons, by name."""
    cells = [item.cell for item in report.items]
    return {
        it["name"]: published.why_not(it, report.configuration, cells)
        for it in published.comparisons()
    }


def _compared(report: Report) -> Iterator[list[dict[str, Any]]]:
    for it in published.comparisons():
        yield published.compare(it, report.configuration, report.items)
