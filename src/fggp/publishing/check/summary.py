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
        reasons = _why_not(report)
        if reasons:
            yield f"  published accuracies: not comparable: {'; '.join(reasons)}"
        else:
            rows = published.lines(published.compare(report.configuration, report.items))
            yield from (f"  {line}" for line in rows)
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
                "complete": len(report.items) == report.cells,
                "green": report.green,
                "problems": [problem.plain() for problem in report.problems],
                "not_comparable": (reasons := _why_not(report)),
                "published": []
                if reasons
                else published.compare(report.configuration, report.items),
            }
            for report in reports
        ],
    }


def _study(report: Report) -> str:
    found = f"{len(report.items)} of {report.cells} results"
    part = "" if len(report.items) == report.cells else ", partial"
    errors, warnings = (_count(report, level) for level in ("error", "warning"))
    return f"{report.folder}: {found}{part}, {errors} errors, {warnings} warnings"


def _count(report: Report, level: str) -> int:
    return sum(problem.level == level for problem in report.problems)


def _why_not(report: Report) -> list[str]:
    return published.why_not(report.configuration, [item.cell for item in report.items])
