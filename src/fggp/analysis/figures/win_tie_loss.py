"""Settings won, tied and lost by the reference against each rival."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.figures.layout import Drawn, blank, canvas, categories, fitting, head
from fggp.analysis.pairs import STARTS, nothing
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import missing, records
from fggp.foundation.quantities import count

COLUMNS = [
    "blocks", "reference", "rival", "settings", "seeds", "wins", "ties", "losses",
    "run_wins_share", "wilcoxon_p_holm", "smallest_p_holm",
]  # fmt: skip
COLOURS = {"wins": "#009E73", "ties": "#dddddd", "losses": "#D55E00"}
NAMES = {"wins": "won", "ties": "tied", "losses": "lost"}


@figure("Results", place=6)
def win_tie_loss(material: Material) -> Drawn:
    """Settings won, tied and lost by the reference method against each rival.

    The number of settings in which the mean test accuracy of the reference method is above, equal
    to or below that of each rival. Equal means the same number of correct images over all seeds.
    Next to each bar are the share of single runs, paired by seed, that the reference wins (a tie
    counts half), and the p-value of Wilcoxon's signed-rank test over the settings, adjusted by Holm
    over the rivals on the same settings. Rivals with one start are compared once per start of the
    reference. The number of seeds n is given below.

    Returns:
        The figure, and a row per rival as in `fggp.analysis.tables.comparisons.comparisons`.

    """
    data = comparisons(material.compared, material.plan)[COLUMNS]
    if data.empty:
        return blank(nothing(material.plan), COLUMNS)
    blocks = [part for _, part in data.groupby("blocks", sort=False)]
    heights = [0.35 + 0.19 * len(part) for part in blocks]
    figure = canvas(1.0 + sum(heights))
    grid = figure.subplots(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, part in zip(grid, blocks, strict=True):
        _bars(axes, part, material)
    grid[-1].set_xlabel("settings")
    texts = [f"{material.name(material.plan.reference)} {NAMES[name]}" for name in COLOURS]
    figure.legend(
        [Patch(facecolor=colour) for colour in COLOURS.values()],
        texts,
        loc="outside lower center",
        ncols=fitting(texts, figure.get_figwidth()),
    )
    head(
        figure,
        material.title,
        f"Settings by mean accuracy over n = {count(int(data['seeds'].max()), 'seed')}; equal "
        "numbers of correct images are ties",
        "Right: share of paired runs won (a tie counts half), and p of Wilcoxon's test over the "
        "settings by Holm",
    )
    return figure, data


def _bars(axes: Axes, data: DataFrame, material: Material) -> None:
    names, reference = [], material.plan.reference
    for y, row in enumerate(records(data)):
        start = row["reference"].removeprefix(reference)
        names.append(f"{material.name(row['rival'])}{start}")
        left = 0
        for kind, colour in COLOURS.items():
            width = int(row[kind])
            axes.barh(y, width, left=left, color=colour, height=0.7)
            if width:
                axes.text(
                    left + width / 2, y, str(width), ha="center", va="center", fontsize=7,
                    color="black" if kind == "ties" else "white",
                )  # fmt: skip
            left += width
        share, p = 100 * row["run_wins_share"], row["wilcoxon_p_holm"]
        beside = f" {share:.0f} %" + ("" if missing(p) else f", p = {p:.2g}")
        axes.text(1.01 * left, y, beside, ha="left", va="center", fontsize=6)
    categories(axes, names)
    axes.grid(visible=False)
    most = int(data["settings"].max())
    axes.set_xlim(0, 1.25 * most)
    axes.set_xticks(range(0, most + 1, -(-most // 6)))
    both = data["blocks"].iloc[0] == STARTS
    kind = "backbone × sparsity" + (" × start" if both else "")
    axes.set_title(f"{count(most, 'setting')} of {kind}", fontsize=7)
