"""The tables of the measurements, and their ratios."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median, quantiles

from suite.machine import load
from suite.picture import draw
from suite.work import Row

COLUMNS = (
    *("benchmark", "case", "contender", "unit", "rounds"),
    *("wall_median", "wall_q1", "wall_q3", "cpu_median", "cpu_q1", "cpu_q3"),
    *("times_ours", "note"),
)


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and the first and third quartile of at least one number."""
    if len(samples) == 1:
        return samples[0], samples[0], samples[0]
    first, _, third = quantiles(samples, method="inclusive")
    return median(samples), first, third


def times_ours(row: Row, ours: Row) -> float | None:
    """Return the median over the rounds of the ratio of a contender to ours.

    In CPU time if the row has it, otherwise in the unit of the row; None if it has no numbers or
    ours are not positive.
    """
    mine, other = (ours.cpu, row.cpu) if row.cpu else (ours.wall, row.wall)
    if not mine or not other or len(mine) != len(other) or min(mine) <= 0:
        return None
    return median(b / a for a, b in zip(mine, other, strict=True))


def records(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return one line per row, as text."""
    lines = []
    for _, group in groupby(rows, key=lambda row: (row.benchmark, row.case)):
        case = list(group)
        for row in case:
            line = dict.fromkeys(COLUMNS, "")
            line |= {"benchmark": row.benchmark, "case": row.case, "contender": row.contender}
            line |= {"unit": row.unit, "rounds": str(len(row.wall)), "note": row.note}
            for kind, samples in (("wall", row.wall), ("cpu", row.cpu)):
                if samples:
                    names = (f"{kind}_median", f"{kind}_q1", f"{kind}_q3")
                    numbers = map(_number, quartiles(samples))
                    line |= dict(zip(names, numbers, strict=True))
            ratio = times_ours(row, case[0])
            lines.append(line | {"times_ours": "" if ratio is None else f"{ratio:.3g}"})
    return lines


def together(rows: Sequence[Row]) -> list[Row]:
    """Return the rows grouped by benchmark, otherwise in their order."""
    order = list(dict.fromkeys(row.benchmark for row in rows))
    return sorted(rows, key=lambda row: order.index(row.benchmark))


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def run(
    wanted: Sequence[str],
    measure: Callable[[str], list[Row]],
    about: dict[str, str],
    out: Path,
) -> None:
    """Run the benchmarks one after the other; write all rows after each, and print the tables."""
    rows: list[Row] = []
    for name in wanted:
        began = time.monotonic()
        rows += measure(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        machine = about | {"load_after": load()}
        write(rows, machine, out)
    print(markdown(records(together(rows)), machine))
    print(f"written to {out}")


def write(rows: Sequence[Row], machine: Mapping[str, str], out: Path) -> None:
    """Write ``benchmarks.csv``, ``.md``, ``.png`` and ``.pdf`` into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    lines = records(together(rows))
    with (out / "benchmarks.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
    (out / "benchmarks.md").write_text(markdown(lines, machine))
    draw(lines, out)


def markdown(lines: Sequence[Mapping[str, str]], machine: Mapping[str, str]) -> str:
    """Return the page: the machine, then one table per benchmark."""
    text = ["# Benchmarks", ""]
    text += [f"- {name}: {value}" for name, value in machine.items()]
    text += [
        "",
        "Medians over rounds in which every contender ran once, with quartiles in brackets; CPU is",
        "the time of all threads. `× ours` compares CPU time with the first line of the case,",
        "round by round; above 1 ours is faster (or smaller).",
    ]
    head = ["case", "contender", "rounds", "wall", "CPU", "unit", "× ours", "note"]
    for benchmark, group in groupby(lines, key=lambda line: line["benchmark"]):
        text += ["", f"## {benchmark}", "", _line(head), _line(["---"] * len(head))]
        for line in group:
            spans = [_span(line, kind) for kind in ("wall", "cpu")]
            first = [line[column] for column in ("case", "contender", "rounds")]
            last = [line[column] for column in ("unit", "times_ours", "note")]
            text.append(_line([*first, *spans, *last]))
    return "\n".join(text) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _span(line: Mapping[str, str], kind: str) -> str:
    if not line[f"{kind}_median"]:
        return ""
    return f"{line[f'{kind}_median']} [{line[f'{kind}_q1']}, {line[f'{kind}_q3']}]"
