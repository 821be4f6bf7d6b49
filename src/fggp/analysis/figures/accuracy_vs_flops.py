"""Accuracy against the FLOPs of training and of inference."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses, meaning, unrecorded
from fggp.analysis.figures.drawing import cut, log_ticks, points, reference
from fggp.analysis.figures.label_groups import spotlight, summed
from fggp.analysis.figures.layout import Drawn, blank, canvas, head, legend, name_row, places
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "accuracy_percent",
    "training_flops", "inference_flops", "training_share", "inference_share", "mean", "sd", "n",
]  # fmt: skip
KINDS = ("training", "inference")


@figure("Results", place=3)
def accuracy_vs_flops(material: Material) -> Drawn:
    """Test accuracy against the FLOPs of training and inference, relative to dense.

    Test accuracy at the last epoch against the FLOPs of a whole training and of inference, both as
    shares of those of the dense network (logarithmic axes). FLOPs are two per multiply-accumulate,
    counted from the masks (see ``src/fggp/training/flops.py``); no device here saves them. Dots are
    single seeds, and hollow markers are means over seeds; a line joins the sparsities of a label.
    Bars and the band of the dense network (dashed) are one sample standard deviation over seeds.
    The number of seeds n is given below.

    Returns:
        The figure, and a row per training. Its shares are missing if its FLOPs, or those of a dense
        network of the same backbone, are not known.

    """
    told = material.shown["inference_macs"].notna() | material.shown["label"].eq(DENSE)
    data = _shares(material.shown[told])
    kinds = [kind for kind in KINDS if data.loc[data["label"] != DENSE, f"{kind}_share"].any()]
    if not kinds:
        return blank("all results were recorded before FLOPs were counted", COLUMNS)
    rows = list(places(data))
    figure = canvas(1.3 + 1.55 * len(rows))
    grid = figure.subplots(len(rows), len(kinds), sharex="col", sharey="row", squeeze=False)
    every, looks = spotlight(data, "sparsity", "accuracy_percent", material.looks)
    for line, (name, facet) in zip(grid, rows, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            _panel(axes, facet, f"{kind}_share", every)
        name_row(line[-1], name)
    for axes, kind in zip(grid[-1], kinds, strict=True):
        axes.set_xlabel(f"FLOPs of {kind} (dense = 1, log scale)")
        log_ticks(axes.xaxis)
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    legend(figure, looks, material.names)
    kept = list(data.loc[data["label"] == DENSE, "mean"])
    far = [cut(list(line), "y", kept) for line in grid]
    work = "A line joins the sparsities of a label"
    silent = unrecorded(material.shown[~told], "their FLOPs")
    head(figure, material.title, clauses(meaning(data), *far), clauses(work, silent))
    return figure, data


def _shares(shown: DataFrame) -> DataFrame:
    dense = shown[shown["label"] == DENSE].groupby("backbone")["training_macs"].mean()
    data = summed(shown, "accuracy_percent")
    training = data["training_macs"] / data["backbone"].map(dense).astype("Float64")
    inference = data["inference_macs"] / data["dense_macs"]
    data = data.assign(
        training_flops=2 * data["training_macs"], inference_flops=2 * data["inference_macs"],
        training_share=training, inference_share=inference,
    )[COLUMNS]  # fmt: skip
    return data.astype({"training_share": "float64", "inference_share": "float64"})


def _panel(axes: Axes, data: DataFrame, x: str, looks: dict[str, Look]) -> None:
    axes.set_xscale("log")
    reference(axes, data[data["label"] == DENSE], looks)
    sparse = data[(data["label"] != DENSE) & data[x].notna()]
    for label, rows in sparse.groupby("label", sort=False):
        points(axes, rows, x, looks[str(label)], by="sparsity")
