"""The figure of the measurements: the time of each contender as a multiple of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

Line = Mapping[str, str]
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777", "#000000")
INCHES = 0.21  # per case


def draw(lines: Sequence[Line], out: Path) -> None:
    """Draw a panel per benchmark and a row per case, for cases with more than one contender."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    panels = compared(lines)
    if not panels:
        return
    looks = _looks([tool(x) for cases in panels.values() for case in cases for x in case])
    heights = [len(cases) + 0.6 for cases in panels.values()]
    figure, every = plt.subplots(
        len(panels),
        figsize=(7, 1.1 + INCHES * sum(heights) + 0.25 * len(panels)),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, cases) in zip(every[:, 0], panels.items(), strict=True):
        for place, case in enumerate(cases):
            for line in case:
                colour, marker = looks[tool(line)]
                axes.plot(float(line["times_ours"]), place, marker, color=colour, markersize=5)
        axes.axvline(1, color="0.4", linewidth=0.8)
        axes.set_yticks(range(len(cases)), [case[0]["case"] for case in cases], fontsize=7)
        axes.set_ylim(len(cases) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.grid(axis="x", which="both", linewidth=0.3)
        axes.set_title(name, fontsize=8, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    every[-1, 0].xaxis.set_major_formatter("{x:g}")
    every[-1, 0].xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    every[-1, 0].xaxis.set_minor_formatter("{x:g}")
    every[-1, 0].tick_params(axis="x", which="both", labelsize=7)
    every[-1, 0].set_xlabel("times ours, in CPU time or MB", fontsize=8)
    handles = [
        plt.Line2D([], [], linestyle="", marker=marker, color=colour, label=name)
        for name, (colour, marker) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=7, frameon=False)
    for kind in ("png", "pdf"):
        figure.savefig(out / f"benchmarks.{kind}", dpi=150)
    plt.close(figure)


def compared(lines: Sequence[Line]) -> dict[str, list[list[Line]]]:
    """Return the cases of each benchmark, each with the lines after its first contender.

    Lines that are ratios are only in the table.
    """
    panels: dict[str, list[list[Line]]] = {}
    for (benchmark, _), group in groupby(lines, key=lambda x: (x["benchmark"], x["case"])):
        others = [line for line in list(group)[1:] if line["unit"] != "times"]
        there = [line for line in others if line["times_ours"] and float(line["times_ours"]) > 0]
        if there:
            panels.setdefault(benchmark, []).append(there)
    return panels


def tool(line: Line) -> str:
    """Return the group of a contender: another variant of ours, a tool, or a part of the work."""
    name = line["contender"]
    if name.startswith("ours"):
        return "ours, another variant"
    return "GraNet" if name.startswith("GraNet") else name


def _looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker per tool."""
    order = sorted(dict.fromkeys(names), key=lambda name: (name.startswith("ours"), name))
    return {
        name: ("#999999", "x") if name.startswith("ours") else (COLOURS[k % 8], "os"[k // 8 % 2])
        for k, name in enumerate(order)
    }
