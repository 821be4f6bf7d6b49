"""The content of each figure, on made-up results whose numbers are known.

`fggp.analysis.figures.draw` returns a figure of matplotlib and the table of what it shows: both are
its contract. Numbers are read from that table, which is the CSV beside the picture, and sentences
from the caption. Only what neither holds is read from the public parts of the figure: its legend,
titles and ticks, limits of axes, and marks that mean something.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricate import analysed, likely, older
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fggp.analysis.fggp_variants import mean_amount, variants
from fggp.analysis.figure_style import save, styled
from fggp.analysis.figures import draw
from fggp.analysis.figures.captions import named
from fggp.analysis.figures.critical_difference import cliques
from fggp.analysis.figures.layout import notes
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.per_setting import per_setting
from fggp.study.cell import Cell
from fggp.study.result_file import Result

FALLING = {"schedule": "cosine", "start": "1/2", "end": 0.005}
LATE = "magnitude-first"


@pytest.mark.parametrize(
    ("width", "name"), [(1, "vgg19"), (0.125, "vgg19 at width 1/8"), (1 / 3, "vgg19 at width 1/3")]
)
def test_a_width_is_a_fraction_as_on_the_pages(width: float, name: str) -> None:
    assert named("vgg19", pd.DataFrame({"width": [width]})) == name


def words(figure: Figure) -> str:
    """Return the notes in the caption of a figure."""
    return " ".join(notes(figure))


def drawn(folder: Path, name: str) -> tuple[Figure, pd.DataFrame]:
    with styled():
        return draw(name, Material(folder))


def fggp(**settings: Any) -> dict[str, Any]:
    return {"method": "fggp", **settings}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def one(data: pd.DataFrame, **values: Any) -> pd.Series:
    for column, value in values.items():
        data = data[data[column] == value]
    assert len(data) == 1, data
    return data.iloc[0]


def counts(numbers: dict[tuple[str, int], int]) -> Any:
    """Correct test images by label and seed, whatever the setting."""
    return lambda cell: numbers[cell.label, cell.seed]


def test_the_drop_is_paired_with_the_dense_network_of_the_same_seed(tmp_path: Path) -> None:
    correct = counts({("dense", 1): 950, ("dense", 2): 930, ("fggp", 1): 940, ("fggp", 2): 933})
    methods = {"dense": {}, "fggp": {}}
    figure, data = drawn(analysed(tmp_path, correct, methods=methods), "drop_to_dense")
    assert len(figure.axes) == 4
    assert list(data.groupby("seed")["difference"].unique()) == [[-1.0], [0.3]]
    assert data["mean"].unique() == pytest.approx([-0.35])
    assert data["sd"].unique() == pytest.approx([1.3 / 2**0.5])


def test_a_seed_without_its_dense_network_has_no_drop(tmp_path: Path) -> None:
    folder = analysed(
        tmp_path, partial=True, skip=lambda cell: cell.label == "dense" and cell.seed == 2
    )
    _, data = drawn(folder, "drop_to_dense")
    assert set(data["seed"]) == {1}


def test_a_far_outlier_is_a_triangle_at_the_edge_and_squeezes_nobody(tmp_path: Path) -> None:
    def correct(cell: Cell) -> int:
        return 100 if (cell.label, cell.seed) == ("gmp", 2) else likely(cell)

    folder = analysed(tmp_path, correct, sparsities=[0.9], seeds=[1, 2, 3, 4])
    figure, data = drawn(folder, "drop_to_dense")
    assert data["difference"].min() < -80
    assert "triangles" in words(figure)
    left, right = figure.axes[0].get_xlim()
    assert left > -40
    assert right > 0
    edge = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "<"]
    assert edge
    assert {float(x) for line in edge for x in line.get_xdata()} == {left}


def test_points_that_are_not_far_are_all_inside(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, sparsities=[0.9], seeds=[1, 2, 3, 4]), "drop_to_dense")
    assert "triangles" not in words(figure)
    for axes in figure.axes:
        left, right = axes.get_xlim()
        assert left <= data["difference"].min() <= data["difference"].max() <= right


def test_a_layer_without_weights_is_a_cross(tmp_path: Path) -> None:
    def empty(cell: Cell, result: Result) -> None:
        if cell.label == "gmp" and cell.sparsity == Fraction("0.95"):
            first, second, _ = result["outcome"]["layers"]
            first["kept"] += second["kept"]
            second.update(kept=0, nonzero=0)

    figure, data = drawn(analysed(tmp_path, change=empty), "layer_density")
    assert set(data["sparsity"]) == {0.95}
    crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [2, 2]
    assert "crosses: layers without a weight (4)" in words(figure)
    assert "dense" not in legend(figure)


def steps_as_timed(cell: Cell, result: Result) -> None:
    """Give a gradual method the updates that its schedule asks for: 8 of them, 10 steps apart."""
    updates = result["outcome"]["updates"]
    if updates:
        start, target = cell.initial_sparsity or 0, cell.sparsity
        total = result["outcome"]["prunable"]
        asked = [target + (start - target) * (1 - Fraction(c, 8)) ** 3 for c in range(1, 9)]
        result["outcome"]["updates"] = [
            {"update": c, "step": 10 * c, "kept": [total - int(total * sparsity + Fraction(1, 2))],
             "dropped": 5, "grown": 0, "explored": 9}
            for c, sparsity in enumerate(asked, start=1)
        ]  # fmt: skip


def test_realised_sparsity_stands_beside_the_schedule(tmp_path: Path) -> None:
    folder = analysed(tmp_path, change=steps_as_timed)
    figure, data = drawn(folder, "sparsity_schedule")
    assert np.allclose(data["realised_sparsity"], data["scheduled_sparsity"], atol=2e-4)
    first = one(data, start="50 % sparse start", label="gmp", sparsity=0.95, seed=1, update=0)
    assert (first["x"], first["realised_sparsity"]) == (0, 0.5)
    last = one(data, start="dense start", label="gmp", sparsity=0.95, seed=1, update=8)
    assert (last["x"], last["scheduled_sparsity"]) == (2, 0.95)
    assert legend(figure) == ["random", "fggp, gmp", "schedule"]


def test_the_pruning_window_is_shaded(tmp_path: Path) -> None:
    for name in ("sparsity_schedule", "mask_churn", "training_curves"):
        figure, _ = drawn(analysed(tmp_path, sparsities=[0.9]), name)
        for axes in figure.axes:
            (shade,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
            assert (shade.get_x(), shade.get_width()) == (0, 2)


def test_changes_of_masks_are_shares_of_the_active_weights(tmp_path: Path) -> None:
    def change(cell: Cell, result: Result) -> None:
        if cell.label == "gmp":
            result["outcome"]["updates"] = [
                {"update": 1, "step": 10, "kept": [400], "dropped": 120, "grown": 20, "explored": 7}
            ]

    figure, data = drawn(analysed(tmp_path, change=change, sparsities=[0.9]), "mask_churn")
    row = data[data["label"] == "gmp"].iloc[0]
    assert row["dropped_percent"] == pytest.approx(100 * 120 / 500)
    assert row["grown_percent"] == pytest.approx(100 * 20 / 400)
    assert row["jaccard"] == pytest.approx(380 / 520)
    assert legend(figure) == ["gmp", "fggp"]
    assert not {"random", "dense"} & set(data["label"])


def test_labels_whose_masks_move_alike_are_one_line(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, sparsities=[0.9]), "mask_churn")
    assert legend(figure) == ["fggp, gmp"]
    assert set(data["label"]) == {"fggp", "gmp"}


def test_a_mean_curve_ends_where_a_seed_does(tmp_path: Path) -> None:
    def diverge(cell: Cell, result: Result) -> None:
        if (cell.label, cell.seed) == ("gmp", 2):
            for epoch in result["outcome"]["epochs"][2:]:
                epoch["train_loss"] = None

    folder = analysed(tmp_path, change=diverge, sparsities=[0.9], methods={"dense": {}, "gmp": {}})
    figure, _ = drawn(folder, "training_curves")
    loss = figure.axes[0]
    mean = next(line for line in loss.lines if line.get_marker() == "s")
    seeds = [line for line in loss.lines if line.get_alpha() and line.get_color() == "#0072B2"]
    assert list(mean.get_xdata()) == [1, 2]
    assert [len(line.get_xdata()) for line in seeds] == [4, 2]


def test_rounds_are_squeezed_into_the_epochs_of_the_study(tmp_path: Path) -> None:
    def rounds(cell: Cell, result: Result) -> None:
        if cell.label == "imp":
            outcome = result["outcome"]
            outcome["epochs"] = [outcome["epochs"][0] | {"epoch": epoch} for epoch in range(1, 13)]

    folder = analysed(
        tmp_path, change=rounds, sparsities=[0.9], methods={"imp": {"share": 0.7}, "fggp": {}}
    )
    figure, data = drawn(folder, "training_curves")
    assert data[data["label"] == "imp"]["x"].max() == 4
    assert data[data["label"] == "fggp"]["x"].max() == 4
    assert "epochs squeezed into 4: imp (12)" in words(figure)


def test_work_is_relative_to_the_dense_network_of_the_backbone(tmp_path: Path) -> None:
    def work(cell: Cell, result: Result) -> None:
        result["outcome"]["training_macs"] = 4000 if cell.label == "dense" else 1000
        result["outcome"]["inference_macs"] = result["outcome"]["dense_macs"] // 10

    figure, data = drawn(analysed(tmp_path, change=work), "accuracy_vs_flops")
    sparse = data[data["label"] != "dense"]
    assert set(sparse["training_share"]) == {0.25}
    assert np.allclose(sparse["inference_share"], 0.1, atol=1e-4)
    assert len(figure.axes) == 4


def test_trainings_without_a_record_are_counted_and_left_out(tmp_path: Path) -> None:
    def part(cell: Cell, result: Result) -> None:
        if cell.label == "gmp" and cell.seed == 1:
            older(cell, result)

    folder = analysed(tmp_path, change=part)
    for name, what in (("accuracy_vs_flops", "their FLOPs"), ("mask_churn", "mask changes")):
        figure, data = drawn(folder, name)
        assert set(data[data["label"] == "gmp"]["seed"]) == {2}
        number = 4 if name == "accuracy_vs_flops" else 2  # of both sparsities, or of the highest
        assert f"left out: {number} trainings recorded without {what}" in words(figure)


def test_without_a_dense_network_the_work_of_inference_is_left(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, methods={"fggp": {}, "gmp": {}}), "accuracy_vs_flops")
    assert len(figure.axes) == 2
    assert data["training_share"].isna().all()


def test_the_correlation_of_seeds_is_that_inside_settings(tmp_path: Path) -> None:
    # Settings differ by 100 images, seeds by a few: alike for gmp, opposite for granet.
    wave = {1: -4, 2: 1, 3: 3}
    signs = {"fggp": 1, "gmp": 2, "granet": -1, "random": 0}

    def correct(cell: Cell) -> int:
        setting = 700 + 100 * (cell.sparsity == Fraction("0.9")) + 50 * bool(cell.initial_sparsity)
        return setting + signs[cell.label] * wave[cell.seed]

    methods = {name: {} for name in signs}
    figure, data = drawn(
        analysed(tmp_path, correct, methods=methods, seeds=[1, 2, 3]), "seed_pairs"
    )
    r = data.groupby("label")["correlation"].first()
    assert r["gmp"] == pytest.approx(1)
    assert r["granet"] == pytest.approx(-1)
    assert np.isnan(r["random"])
    titles = {axes.get_title() for axes in figure.axes}
    assert titles == {"gmp\nr = +1.00", "granet\nr = −1.00", "random\nr = not defined"}
    assert "4 settings, n = 3 seeds" in words(figure)
    assert "only if r > 0.58 (one setting)" in words(figure)


def test_the_overview_counts_what_completed_diverged_and_is_missing(tmp_path: Path) -> None:
    def diverge(cell: Cell, result: Result) -> None:
        if cell.label == "gmp" and cell.seed == 1:
            result["outcome"]["verdict"] = "diverged"

    figure, data = drawn(
        analysed(
            tmp_path,
            partial=True,
            change=diverge,
            skip=lambda cell: cell.label == "fggp" and cell.initial_sparsity == 0,
            sparsities=[0.9],
        ),
        "run_overview",
    )
    ends = data.groupby(["label", "verdict"]).size().to_dict()
    assert ends == {
        ("dense", "completed"): 2,
        ("random", "completed"): 2,
        ("gmp", "completed"): 2,
        ("gmp", "diverged"): 2,
        ("fggp", "completed"): 2,
        ("fggp", "missing"): 2,
    }
    assert "8 completed, 2 diverged, 2 missing" in words(figure)
    assert bars(figure) == 3 * 4  # a verdict that no training has takes no room


def test_the_overview_names_rare_ends_where_there_are_any(tmp_path: Path) -> None:
    def fail(cell: Cell, result: Result) -> None:
        ends = {"gmp": "disconnected", "fggp": "chance"}
        result["outcome"]["verdict"] = ends.get(cell.label, "completed")

    figure, data = drawn(analysed(tmp_path, change=fail, sparsities=[0.9]), "run_overview")
    assert data["verdict"].value_counts().to_dict() == {
        "completed": 4, "disconnected": 4, "chance": 4,
    }  # fmt: skip
    told = words(figure)
    assert "4 completed, 0 diverged, 4 disconnected, 4 at chance, 0 missing" in told
    assert bars(figure) == 5 * 4


def bars(figure: Figure) -> int:
    """Bars that are drawn, those of no length included: a verdict times a label each."""
    return sum(len(axes.patches) for axes in figure.axes)


RATES = {
    "dense": {},
    "plain": {"method": "gmp", "weights": "forward"},
    "stepped": {"method": "gmp"},
    "by-layer": {"method": "gmp", "scope": "layer"},
    "zero": fggp(rho=0),
    "half": fggp(),
    "third": fggp(rho="1/3"),
    "falling": fggp(rho=FALLING),
    "other": fggp(order=LATE),
    "layered": fggp(rho=0.75, scope="layer"),
}


def test_rates_are_recognised_by_settings_and_not_by_names(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, methods=RATES), "rate_ablation")
    found = {
        (order, round(rate, 4)): label
        for order, rate, label in data[["order", "rate", "label"]].dropna().itertuples(index=False)
    }
    assert found == {
        ("gradient-first", 0): "zero",
        ("gradient-first", 0.3333): "third",
        ("gradient-first", 0.5): "half",
        ("gradient-first", 1): "plain",
        ("magnitude-first", 0): "plain",
        ("magnitude-first", 0.5): "other",
        ("magnitude-first", 1): "zero",
    }
    assert set(data[data["rate"].isna()]["label"]) == {"falling", "dense"}
    assert legend(figure) == ["gradient-first", "magnitude-first", "falling", "dense"]


def test_a_rate_is_that_of_the_pool_and_a_quota_is_none(tmp_path: Path) -> None:
    kept = {f"kept-{r}": fggp(pool="kept", rate=r) for r in (0.1, 0.2, 0.3)}
    rest = {"active": fggp(rho=0.4), "quota": fggp(pool="quota", kappa=2)}
    folder = analysed(tmp_path, methods={"dense": {}} | kept | rest)
    assert [(v.label, v.rate, v.pool) for v in variants(Material(folder))] == [
        ("kept-0.1", 0.1, "kept"), ("kept-0.2", 0.2, "kept"), ("kept-0.3", 0.3, "kept"),
        ("active", 0.4, "active"),
    ]  # fmt: skip
    figure, data = drawn(folder, "rate_ablation")
    assert set(data["label"]) == {"dense", *kept}
    assert "share of the kept weights" in words(figure)


def test_two_rates_are_no_curve(tmp_path: Path) -> None:
    # GMP is the end of the rates: with it the first order has two.
    methods = {"dense": {}, "gmp": {}, "half": fggp(), "layered": fggp(rho=0.1, scope="layer")}
    figure, data = drawn(analysed(tmp_path, methods=methods), "rate_ablation")
    assert data.empty
    assert not figure.axes
    assert "Skipped: a curve needs fggp at three constant rates" in words(figure)


def test_an_order_with_two_rates_has_marks_beside_the_curve_of_the_other(tmp_path: Path) -> None:
    methods = {"dense": {}, "a": fggp(rho=0.25), "b": fggp(), "c": fggp(rho=0.75)}
    late = {"d": fggp(order=LATE), "e": fggp(order=LATE, rho=0.25)}
    figure, _ = drawn(analysed(tmp_path, methods=methods | late, sparsities=[0.9]), "rate_ablation")
    first, second, *_ = figure.legends[0].get_lines()
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "None")


def test_two_seeds_are_no_pairs(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, seeds=[1, 2]), "seed_pairs")
    assert data.empty
    assert "3 seeds" in words(figure)


ARMS = {
    "dense": {},
    "fggp": fggp(),
    "near": fggp(rho=0.4),
    "falling": fggp(rho=FALLING),
    "late": fggp(order=LATE),
    "late-near": fggp(order=LATE, rho=0.4),
    "late-falling": fggp(order=LATE, rho=FALLING),
    "late-straight": fggp(order=LATE, rho=FALLING | {"schedule": "linear"}),
    "far": fggp(rho=0.1),
    "late-far": fggp(order=LATE, rho=0.1),
    "elsewhere": fggp(order=LATE, rho=0.41, scope="layer"),
}


def test_the_arms_have_a_constant_rate_at_the_mean_of_the_annealed(tmp_path: Path) -> None:
    folder = analysed(tmp_path, methods=ARMS, change=steps_as_timed)
    figure, data = drawn(folder, "order_schedule")
    arms = {(order, kind): label for order, kind, label in
            data[["order", "kind", "label"]].itertuples(index=False)}  # fmt: skip
    assert arms == {
        ("gradient-first", "cosine"): "falling",
        ("gradient-first", "constant"): "near",
        ("magnitude-first", "cosine"): "late-falling",
        ("magnitude-first", "constant"): "late-near",
        ("magnitude-first", "linear"): "late-straight",
    }
    said = "constant: 0.4; cosine: 0.5 to 0.005 over training; linear: 0.5 to 0.005 over training"
    assert said in words(figure)
    assert "no results of gradient-first, linear" in words(figure)
    ticks = {tuple(text.get_text() for text in axes.get_xticklabels()) for axes in figure.axes}
    assert ("constant", "cosine", "linear") in ticks
    assert "Not a symmetric design" in words(figure)


def test_the_mean_of_an_annealed_rate_is_over_its_updates(tmp_path: Path) -> None:
    folder = analysed(tmp_path, methods=ARMS, change=steps_as_timed)
    material = Material(folder)
    falling = next(it for it in variants(material) if it.label == "falling")
    progress = np.arange(1, 9) * 10 / 160
    expected = np.mean(0.005 + 0.495 * (1 + np.cos(np.pi * progress)) / 2)
    found = mean_amount(material, falling.label, falling.setting)
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_missing_arm_is_named_and_two_are_too_few(tmp_path: Path) -> None:
    three = {name: ARMS[name] for name in ("fggp", "falling", "late")}
    figure, _ = drawn(analysed(tmp_path / "three", methods=three), "order_schedule")
    assert "no results of magnitude-first, cosine" in words(figure)
    two = {name: ARMS[name] for name in ("fggp", "falling")}
    figure, data = drawn(analysed(tmp_path / "two", methods=two), "order_schedule")
    assert data.empty
    assert "both orders" in figure.texts[0].get_text()


def test_of_many_labels_those_stand_out_that_differ_most(tmp_path: Path) -> None:
    methods = {"dense": {}, "gmp": {}, "fggp": {}} | {
        f"r{i}": fggp(rho=i / 10) for i in range(10) if i != 5
    }

    def dense_first_layer(cell: Cell, result: Result) -> None:
        if cell.label in {"r7", "r8"}:
            first, second, _ = result["outcome"]["layers"]
            for layer, kept in ((first, first["kept"] + 5), (second, second["kept"] - 5)):
                layer.update(kept=kept, nonzero=kept)

    folder = analysed(tmp_path, methods=methods, sparsities=[0.9], change=dense_first_layer)
    figure, data = drawn(folder, "layer_density")
    assert {"fggp", "gmp", "r7", "r8", "3 others"} < set(legend(figure))
    assert data["label"].nunique() == 11  # all are drawn
    assert len(legend(figure)) == 8 + 1  # as many as one panel can tell apart, and the others


def test_a_label_keeps_its_look_while_others_have_no_results_yet(tmp_path: Path) -> None:
    methods = {"dense": {}, "first": fggp(rho=0.1), "second": fggp(rho=0.2), "fggp": {}}
    whole = Material(analysed(tmp_path / "whole", methods=methods)).looks
    part = analysed(
        tmp_path / "part", partial=True, skip=lambda c: c.label == "first", methods=methods
    )
    assert Material(part).looks == whole
    figure, _ = drawn(part, "drop_to_dense")
    colours = {line.get_color() for axes in figure.axes for line in axes.lines}
    assert whole["second"].colour in colours
    assert whole["first"].colour not in colours
    assert all(isinstance(line, Line2D) for axes in figure.axes for line in axes.lines)


def ordered(cell: Cell) -> int:
    """Fixed differences: fggp above gmp, random far below, a wave over the seeds for all."""
    wave = {1: -3, 2: 0, 3: 3}[cell.seed] + (cell.seed == 2) * (cell.label == "gmp")
    return {"dense": 950, "fggp": 940, "gmp": 930, "granet": 930, "random": 900}[cell.label] + wave


RIVALS = {name: {} for name in ("dense", "random", "gmp", "granet", "fggp")}


def test_the_forest_is_the_tables_of_comparisons(tmp_path: Path) -> None:
    folder = analysed(tmp_path, ordered, seeds=[1, 2, 3], methods=RIVALS)
    figure, data = drawn(folder, "forest")
    runs, plan = Material(folder).runs, Material(folder).plan
    inside, over = per_setting(runs, plan), comparisons(runs, plan)
    assert len(data) == len(inside) + 2 * len(over)
    for rival, low in over.set_index(["reference", "rival"])["grid_low"].items():
        reference, name = rival
        row = one(data, reference=reference, rival=name, kind="grid")
        assert row["low"] == pytest.approx(low, nan_ok=True)
    assert over["grid_low"].notna().any()
    setting = data[(data["rival"] == "gmp") & (data["kind"] == "setting")]
    assert len(setting) == 4
    assert setting["difference_points"].unique() == pytest.approx([29 / 30])
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == ["gmp", "granet", "random\n50 % sparse start", "random\ndense start"]


def test_one_seed_has_differences_and_no_intervals(tmp_path: Path) -> None:
    figure, data = drawn(analysed(tmp_path, seeds=[1]), "forest")
    assert data["difference_points"].notna().all()
    assert data[data["kind"] != "over_settings"]["low"].isna().all()
    assert "no intervals from seeds" in words(figure)


def test_won_tied_and_lost_settings_stand_in_their_bars(tmp_path: Path) -> None:
    def correct(cell: Cell) -> int:
        if cell.label == "gmp":
            return 940 if cell.sparsity == Fraction("0.9") else 950
        return 940 + 5 * (cell.label == "fggp") * bool(cell.initial_sparsity)

    methods = {"dense": {}, "gmp": {}, "fggp": {}}
    figure, data = drawn(
        analysed(tmp_path, correct, methods=methods, seeds=[1, 2, 3]), "win_tie_loss"
    )
    row = one(data, rival="gmp")
    assert (row["wins"], row["ties"], row["losses"]) == (1, 1, 2)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[:3] == ["1", "1", "2"]
    assert written[3].strip().startswith("38 %, p = ")


def test_ranks_are_written_into_their_fields(tmp_path: Path) -> None:
    folder = analysed(tmp_path, ordered, seeds=[1, 3], methods=RIVALS)
    figure, data = drawn(folder, "rank_heatmap")
    both, every = figure.axes
    assert [text.get_text() for text in both.get_yticklabels()] == ["fggp", "gmp", "granet"]
    assert [text.get_text() for text in both.texts[:5]] == ["1", "1", "1", "1", "1.00"]
    assert [text.get_text() for text in both.texts[-5:]] == ["2.5"] * 4 + ["2.50"]
    assert every.get_yticklabels()[-1].get_text() == "random"
    assert data.groupby(["blocks", "setting"])["rank"].sum().unique() == pytest.approx([28, 6])


def test_a_critical_difference_is_that_of_the_table_of_demsar(tmp_path: Path) -> None:
    folder = analysed(
        tmp_path, seeds=[1, 2, 3], sparsities=[0.9, 0.95, 0.98],
        backbones={"vgg19": {}, "resnet50": {}}, methods=RIVALS | {"x": fggp(rho=0.1)},
    )  # fmt: skip
    figure, data = drawn(folder, "critical_difference")
    assert [axes.get_title() for axes in figure.axes] == [
        "all settings: N = 12", "90 % sparsity: N = 4", "95 % sparsity: N = 4",
        "98 % sparsity: N = 4",
    ]  # fmt: skip
    whole = data[data["panel"] == "all settings"]
    assert set(whole["methods"]) == {4}  # without dense and random
    assert whole["critical_difference"].iloc[0] == pytest.approx(1.354, abs=5e-4)
    assert whole["average_rank"].is_monotonic_increasing
    assert "k = 4 methods" in words(figure)


def test_no_critical_difference_is_drawn_that_no_ranks_can_reach(tmp_path: Path) -> None:
    folder = analysed(
        tmp_path, seeds=[1, 2, 3], sparsities=[0.95], methods=RIVALS | {"x": fggp(rho=0.1)}
    )
    figure, data = drawn(folder, "critical_difference")
    assert data.empty
    assert not figure.axes
    assert "4 methods over 2 settings is 3.32, and average ranks cannot differ by more than 3" in (
        words(figure)
    )


def test_groups_are_the_largest_that_are_together_throughout() -> None:
    order = ["a", "b", "c", "d", "e"]
    pairs = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("b", "d")]
    assert cliques(order, pairs) == [["a", "b", "c"], ["b", "c", "d"]]
    assert cliques(order, []) == []


def test_a_study_without_the_reference_method_says_whom_it_misses(tmp_path: Path) -> None:
    methods = {"dense": {}, "gmp": {}, "granet": {}}
    folder = analysed(tmp_path, seeds=[1, 2, 3], methods=methods)
    for name in ("forest", "win_tie_loss", "seed_pairs"):
        figure, data = drawn(folder, name)
        assert data.empty
        assert "fggp" in figure.texts[0].get_text()
    figure, _ = drawn(folder, "critical_difference")
    assert figure.axes


def test_trainings_in_rounds_begin_where_they_are_drawn(tmp_path: Path) -> None:
    """The first point of `imp` was not squeezed into the epochs of the study, the others were."""

    def three_rounds(cell: Cell, result: Result) -> None:
        if cell.label == "imp":
            epochs = 3 * result["outcome"]["epochs"]
            numbered = [{**it, "epoch": number} for number, it in enumerate(epochs, start=1)]
            result["outcome"]["epochs"] = numbered

    methods = {"dense": {}, "gmp": {}, "imp": {"rewind": 0.25}}
    folder = analysed(tmp_path, change=three_rounds, methods=methods, sparsities=[0.95])
    _, data = drawn(folder, "sparsity_schedule")
    first = data[(data["label"] == "imp") & (data["update"] == 0)]
    assert first["x"].tolist() == pytest.approx([1 / 3] * len(first))  # epoch 1 of 12, over 4
    assert len(first) > 0


def test_a_description_with_dollar_signs_is_plain_text(tmp_path: Path) -> None:
    folder = analysed(tmp_path, sparsities=[0.9], description="$w_$ for 5 $ and 10 $")
    figure, data = drawn(folder, "forest")
    save(figure, tmp_path / "forest", data, ["png"])
    assert "$w_$ for 5 $ and 10 $" in figure.get_suptitle()
