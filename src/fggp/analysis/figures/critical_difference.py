"""Critical differences: average ranks, and the groups that the tests do not separate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.complete_grids import Counts, both_starts
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.layout import (
    Drawn,
    beside,
    blank,
    canvas,
    categories,
    fitting,
    head,
)
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import few_seeds
from fggp.analysis.stats import rank_tests
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import records
from fggp.foundation.quantities import count, percent

COLUMNS = [
    "panel", "label", "average_rank", "settings", "methods", "seeds", "alpha",
    "critical_difference", "nemenyi_groups", "wilcoxon_groups",
]  # fmt: skip
TESTS = {"nemenyi": Look("black", "o"), "wilcoxon": Look("#999999", "s")}
ROOMY = 16
"""Longer labels leave no room for two panels side by side."""

NAMES = {"nemenyi": "Nemenyi", "wilcoxon": "Wilcoxon, Holm over all pairs"}


@figure("Results", place=8)
def critical_difference(material: Material) -> Drawn:
    """Average ranks on a line, and the methods that Nemenyi's and Wilcoxon's tests do not separate.

    Average ranks of the methods with both starts, over all settings and over the settings of each
    sparsity; rank 1 is best. The bar is the critical difference (CD) of Nemenyi's test: average
    ranks that are further apart differ. Lines on the right join methods that a test does not
    separate: Nemenyi's test (black), and Wilcoxon's signed-rank test over settings with Holm's
    correction for all pairs (grey). Only the latter does not depend on the other methods of the
    study. The level and the numbers of methods k and seeds n are given below; the number of
    settings N is above each panel. A panel is left out if its CD is at least k - 1, the largest
    possible difference of average ranks: Nemenyi's test could not separate any methods there.

    Returns:
        The figure, and a row per panel and label, best first. Labels that share a number in
        ``nemenyi_groups`` (``wilcoxon_groups``) are not separated by that test at ``alpha``.

    """
    counts = both_starts(material.compared)
    if counts is None:
        return blank("needs two methods with both starts in the same settings", COLUMNS)
    if len(counts.seeds) < material.plan.interval_seeds:
        return blank(few_seeds(material.compared, material.plan).rstrip("."), COLUMNS)
    parts = [(name, part) for name, part in _parts(counts) if _decides(part, material.plan)]
    if not parts:
        return blank(_undecided(counts, material.plan), COLUMNS)
    data = DataFrame([row for name, part in parts for row in _rows(name, part, material.plan)])
    names = {entry: material.name(entry) for entry in counts.entries}
    across = 1 if max(map(len, names.values())) > ROOMY else min(len(parts), beside(2))
    down = -(-len(parts) // across)
    figure = canvas(0.9 + down * (0.75 + 0.15 * len(counts.entries)))
    grid = figure.subplots(down, across, squeeze=False)
    for axes, (name, part) in zip(grid.flat, parts, strict=False):
        rows = data[data["panel"] == name]
        _panel(figure, axes, rows, material.looks, names)
        axes.set_title(f"{name}: N = {len(part.settings)}", fontsize=7)
    for axes in list(grid.flat)[len(parts) :]:
        axes.set_visible(False)
    texts = [f"not separated by {name}" for name in NAMES.values()]
    figure.legend(
        [Line2D([], [], color=it.colour, marker=it.marker, markersize=3) for it in TESTS.values()],
        texts,
        loc="outside lower center",
        ncols=fitting(texts, figure.get_figwidth()),
    )
    head(figure, material.title, *_words(counts, material.plan))
    return figure, data[COLUMNS]


def separable(material: Material) -> bool:
    """Whether Nemenyi's test can separate any two methods of a study (see the figure)."""
    counts = both_starts(material.compared)
    if counts is None or len(counts.seeds) < material.plan.interval_seeds:
        return False
    return any(_decides(it, material.plan) for _, it in _parts(counts))


def _distance(counts: Counts, plan: Plan) -> float:
    settings, methods = counts.ranks.shape
    return float(rank_tests.critical_difference(methods, settings, plan.alpha))


def _decides(counts: Counts, plan: Plan) -> bool:
    """Whether average ranks can be as far apart as the critical difference."""
    return _distance(counts, plan) < len(counts.entries) - 1


def _undecided(counts: Counts, plan: Plan) -> str:
    methods = len(counts.entries)
    return (
        f"the critical difference of {count(methods, 'method')} over "
        f"{count(len(counts.settings), 'setting')} is {_distance(counts, plan):.2f}, and average "
        f"ranks cannot differ by more than {methods - 1}"
    )


def _parts(counts: Counts) -> Iterator[tuple[str, Counts]]:
    yield "all settings", counts
    sparsities = list(counts.settings["sparsity"].unique())
    for sparsity in sparsities if len(sparsities) > 1 else []:
        mask = (counts.settings["sparsity"] == sparsity).to_numpy(dtype=bool)
        settings = counts.settings[mask].reset_index(drop=True)
        own = replace(
            counts, correct=counts.correct[mask], settings=settings, dense=counts.dense[mask]
        )
        yield f"{percent(sparsity)} sparsity", own


def _rows(panel: str, counts: Counts, plan: Plan) -> Iterator[dict[str, object]]:
    settings, methods = counts.ranks.shape
    average = dict(zip(counts.entries, counts.ranks.mean(axis=0), strict=True))
    order = sorted(average, key=lambda label: (average[label], label))
    pairs = rank_tests.all_pairs(counts, plan)
    groups = {
        test: cliques(order, pairs.loc[pairs[f"{test}_together"], ["first", "second"]].to_numpy())
        for test in TESTS
    }
    for label in order:
        yield {
            "panel": panel,
            "label": label,
            "average_rank": average[label],
            "settings": settings,
            "methods": methods,
            "seeds": len(counts.seeds),
            "alpha": plan.alpha,
            "critical_difference": _distance(counts, plan),
            **{
                f"{test}_groups": " ".join(
                    str(place) for place, group in enumerate(found, start=1) if label in group
                )
                for test, found in groups.items()
            },
        }


def cliques(order: Sequence[str], together: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return the maximal sets of two or more labels of which all pairs are ``together``.

    Labels and sets follow the ``order`` of the labels.
    """
    near: dict[str, set[str]] = {label: set() for label in order}
    for one, other in together:
        near[one].add(other)
        near[other].add(one)
    found: list[list[str]] = []

    def grow(held: set[str], free: set[str], done: set[str]) -> None:
        if not free and not done and len(held) > 1:
            found.append(sorted(held, key=order.index))
        for label in sorted(free, key=order.index):
            grow(held | {label}, free & near[label], done & near[label])
            free, done = free - {label}, done | {label}

    grow(set(), set(order), set())
    return sorted(found, key=lambda group: [order.index(label) for label in group])


def _panel(
    figure: Figure,
    axes: Axes,
    rows: DataFrame,
    looks: Mapping[str, Look],
    display: Mapping[str, str],
) -> None:
    labels = list(rows["label"])
    methods, distance = int(rows["methods"].iloc[0]), float(rows["critical_difference"].iloc[0])
    for y, row in enumerate(records(rows)):
        look = looks[row["label"]]
        axes.plot(
            row["average_rank"], y, look.marker or "o", color=look.colour, markersize=4.5,
            markerfacecolor="white", markeredgewidth=1.2,
        )  # fmt: skip
    names = [f"{display[row['label']]}  {row['average_rank']:.2f}" for row in records(rows)]
    categories(axes, labels, names=names)
    # From the left end of the axis, where the bar always has room.
    axes.plot([1, 1 + distance], [-1, -1], "|-", color="black", linewidth=1.2, markersize=5)
    axes.text(1, -1.3, f"CD = {distance:.2f}", ha="left", va="bottom", fontsize=6)
    axes.set_xlim(0.8, methods + 0.2)
    axes.set_ylim(len(labels) - 0.4, -2.2)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("average rank")
    aside = 0.1  # inches
    for test, look in TESTS.items():
        for group in _grouped(rows, f"{test}_groups"):
            axes.plot(
                [1] * len(group), [labels.index(label) for label in group],
                color=look.colour, marker=look.marker, markersize=2.5, linewidth=1.5,
                transform=axes.get_yaxis_transform() + _moved(figure, aside), clip_on=False,
            )  # fmt: skip
            aside += 0.09


def _moved(figure: Figure, inches: float) -> ScaledTranslation:
    return ScaledTranslation(inches, 0, figure.dpi_scale_trans)


def _grouped(rows: DataFrame, column: str) -> list[list[str]]:
    """Return the labels of each group in a column of group numbers."""
    groups: dict[int, list[str]] = {}
    for row in records(rows):
        for number in map(int, row[column].split()):
            groups.setdefault(number, []).append(row["label"])
    return [groups[number] for number in sorted(groups)]


def _words(counts: Counts, plan: Plan) -> tuple[str, ...]:
    methods, seeds = len(counts.entries), count(len(counts.seeds), "seed")
    return (
        f"Average ranks of k = {methods} methods over N settings by mean accuracy, n = {seeds}",
        f"CD: critical difference by Nemenyi at {plan.alpha:g}; a line on the right joins methods "
        "that a test does not separate",
    )
