from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricate import grid, likely, runs_of
from pandas.testing import assert_frame_equal

from fggp.analysis.compared_runs import compared
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.tables.comparisons import FIELDS, comparisons, comparisons_table
from fggp.analysis.tables.per_setting import per_setting, per_setting_table
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell

# Correct images of fggp more than of gmp; an image is a tenth of a point. Settings in order: dense
# and sparse start; seeds in order.
AHEAD = {0.0: (10, 20), 0.5: (30, 60)}
SMALL = {"sparsities": [0.9], "methods": {"gmp": {}, "fggp": {}}}


def ahead(cell: Cell) -> int:
    start = float(cell.initial_sparsity or 0)
    return 800 + (AHEAD[start][cell.seed - 1] if cell.label == "fggp" else 0)


def plan(**changes: Any) -> Plan:
    return default_plan().model_copy(update=changes)


TWO_SEEDS = plan(interval_seeds=2)
"""For results small enough to work out by hand."""


def five_seeds(**methods: Any) -> pd.DataFrame:
    labels = {name.replace("_", "-"): block for name, block in methods.items()}
    return runs_of(
        grid(
            methods={"dense": {}, "gmp": {}, "granet": {}, "fggp": {}} | labels,
            seeds=[1, 2, 3, 4, 5],
        ),
        likely,
    )


def test_a_comparison_is_that_worked_out_by_hand() -> None:
    table = comparisons(runs_of(grid(**SMALL), ahead), TWO_SEEDS)
    assert list(table.columns) == [field.name for field in FIELDS]
    row = table.iloc[0]
    # Differences in points 1 2 and 3 6: pooled variance 5/2 with 2 degrees of freedom.
    half = 4.302653 * np.sqrt(2.5 / 4)
    assert row["difference_points"] == pytest.approx(3)
    assert row["grid_low"] == pytest.approx(3 - half, rel=1e-5)
    assert row["grid_high"] == pytest.approx(3 + half, rel=1e-5)
    # Means of the settings 1.5 and 4.5, with 1 degree of freedom.
    assert row["over_settings_low"] == pytest.approx(3 - 12.706205 * 1.5, rel=1e-5)
    assert (row["wins"], row["ties"], row["losses"]) == (2, 0, 0)
    assert row["run_wins_share"] == 1
    assert row["wilcoxon_p"] == row["smallest_p"] == row["wilcoxon_p_holm"] == 0.5
    assert row["note"] == "2 untied settings cannot give a Holm p below 0.05"


def test_inside_settings_the_spread_is_that_of_all_and_p_is_adjusted_over_them() -> None:
    table = per_setting(runs_of(grid(**SMALL), ahead), TWO_SEEDS)
    assert list(table["difference_points"]) == pytest.approx([1.5, 4.5])
    assert list(table["start"]) == ["dense start", "50 % sparse start"]
    half = 4.302653 * np.sqrt(2.5 / 2)
    assert list(table["low"]) == pytest.approx([1.5 - half, 4.5 - half], rel=1e-5)
    assert list(table["sd"]) == pytest.approx([np.sqrt(0.5), np.sqrt(4.5)])
    assert list(table["pooled_sd"]) == pytest.approx([np.sqrt(2.5)] * 2)
    assert set(table["df"]) == {2}
    # t = 1.5 / √1.25 and 4.5 / √1.25; with 2 degrees of freedom p = 1 − t / √(t² + 2).
    p = [1 - t / np.sqrt(t**2 + 2) for t in (1.5 / np.sqrt(1.25), 4.5 / np.sqrt(1.25))]
    assert list(table["p"]) == pytest.approx(p)
    assert list(table["p_holm"]) == pytest.approx([max(p[0], 2 * p[1]), 2 * p[1]])
    assert set(table["smallest_sign_p"]) == {0.5}


def test_ties_are_ties_and_count_half_in_runs() -> None:
    def tied(cell: Cell) -> int:
        more = {0.0: (0, 0), 0.5: (-7, 2)}[float(cell.initial_sparsity or 0)]
        return 800 + (more[cell.seed - 1] if cell.label == "fggp" else 0)

    row = comparisons(runs_of(grid(**SMALL), tied), TWO_SEEDS).iloc[0]
    assert (row["wins"], row["ties"], row["losses"]) == (0, 1, 1)
    assert row["run_wins_share"] == (0.5 + 0.5 + 0 + 1) / 4
    assert row["wilcoxon_p"] == row["smallest_p"] == 1


def test_a_rival_with_ties_has_no_holm_p_below_the_smallest_that_is_shown_beside_it() -> None:
    study = grid(
        backbones={"vgg19": {}, "resnet50": {}},
        sparsities=[0.9, 0.95, 0.98],
        seeds=[1, 2, 3],
        methods={"gmp": {}, "granet": {}, "kept": {"method": "fggp", "pool": "kept"}, "fggp": {}},
    )

    def accuracy(cell: Cell) -> int:
        tied = cell.label == "kept" and cell.backbone.name == "vgg19"
        return 900 if tied or cell.label == "fggp" else 890

    table = comparisons(runs_of(study, accuracy)).set_index("rival")
    # The other p are 2 / 2**12, so that Holm leaves that of six untied settings as it is.
    assert table.loc["kept", ["ties", "wilcoxon_p_holm"]].to_list() == [6, 2 / 2**6]
    assert table["wilcoxon_p_holm"].to_list() == table["smallest_p_holm"].to_list()
    assert not table["note"].str.contains("cannot give a Holm p").any()


def test_the_order_of_the_rows_does_not_matter() -> None:
    runs = five_seeds(random={})
    mixed = runs.sample(frac=1, random_state=3)
    assert_frame_equal(comparisons(mixed), comparisons(runs))
    assert_frame_equal(per_setting(mixed), per_setting(runs))


def test_another_method_in_the_study_leaves_every_raw_comparison_as_it_was() -> None:
    few, more = (
        comparisons(runs).set_index(["blocks", "reference", "rival"])
        for runs in (
            five_seeds(random={}),
            five_seeds(random={}, rigl={}, gmp_again={"method": "gmp"}),
        )
    )
    adjusted = ["wilcoxon_p_holm", "smallest_p_holm", "note"]
    assert_frame_equal(more.loc[few.index].drop(columns=adjusted), few.drop(columns=adjusted))
    assert (more.loc[few.index, "wilcoxon_p_holm"] >= few["wilcoxon_p_holm"]).all()
    assert (more.loc[few.index, "smallest_p_holm"] >= few["smallest_p_holm"]).all()


def test_rivals_with_one_start_meet_each_start_and_are_a_family_of_their_own() -> None:
    table = comparisons(five_seeds(random={}))
    one = table[table["blocks"] == "backbone x sparsity"]
    assert set(zip(one["reference"], one["rival"], strict=True)) == {
        ("fggp, dense start", "random"),
        ("fggp, 50 % sparse start", "random"),
    }
    assert set(one["settings"]) == {2}
    assert list(one["smallest_p_holm"]) == [1, 1]  # two settings, two comparisons
    both = table[table["blocks"] == "settings"]
    assert set(both["rival"]) == {"gmp", "granet"}
    assert set(both["reference"]) == {"fggp"}
    assert set(both["settings"]) == {4}
    assert_frame_equal(both, comparisons(five_seeds()))


def test_a_reference_with_one_start_meets_each_start_of_its_rivals() -> None:
    table = comparisons(five_seeds(random={}), plan(reference="random"))
    assert set(table["blocks"]) == {"backbone x sparsity"}
    assert set(table["reference"]) == {"random"}
    assert len(table) == 6


def test_the_reference_is_that_of_the_plan() -> None:
    one = comparisons(five_seeds(), plan(reference="gmp")).set_index("rival").loc["fggp"]
    other = comparisons(five_seeds()).set_index("rival").loc["gmp"]
    assert one["difference_points"] == -other["difference_points"]
    assert (one["wins"], one["losses"]) == (other["losses"], other["wins"])
    assert one["wilcoxon_p"] == other["wilcoxon_p"]
    assert comparisons(five_seeds(), plan(reference="snip")).empty


def test_one_seed_is_said_in_words() -> None:
    runs = runs_of(grid(seeds=[1]))
    note = comparisons(runs)["note"].iloc[0]
    assert note == "no interval and no p: 1 seed"
    assert set(per_setting(runs)["note"]) == {note}
    for table in (comparisons_table(runs, plan()), per_setting_table(runs, plan())):
        assert note in set(table.shown["note"])


def test_one_setting_and_no_spread_are_said_in_words() -> None:
    one = grid(**SMALL | {"initial_sparsities": [0], "seeds": [1, 2, 3]})
    note = comparisons(runs_of(one, lambda cell: 900 + (cell.label == "fggp")))["note"].iloc[0]
    assert "interval on this grid not computable: no spread between seeds" in note
    assert "interval over settings not computable: 1 setting" in note
    assert "1 untied setting cannot give a Holm p below 0.05" in note


def test_a_gap_in_the_grid_is_refused_and_a_partial_study_uses_what_is_shared() -> None:
    runs = five_seeds()
    gone = (runs["label"] == "gmp") & (runs["sparsity"] == 0.95) & (runs["seed"] == 2)
    for table in (comparisons, per_setting):
        with pytest.raises(ResultError, match="lacks 2 results"):
            table(runs[~gone])
    partial = runs[~gone].assign(partial=True)
    assert comparisons(partial).empty
    shared = comparisons(compared(partial, plan()))
    assert set(shared["seeds"] * shared["settings"]) == {16}


def test_different_numbers_of_test_images_are_refused() -> None:
    runs = five_seeds()
    runs.loc[0, "test_images"] = 2000
    with pytest.raises(ResultError, match="numbers of test images differ: 1000, 2000"):
        comparisons(runs)


def test_the_table_shows_every_p_beside_the_smallest() -> None:
    shown = comparisons_table(five_seeds(), plan()).shown
    assert list(shown["Wilcoxon p (smallest)"].str.extract(r"\((.*)\)")[0]) == ["0.12", "0.12"]
    assert list(shown["Holm p (smallest)"].str.extract(r"\((.*)\)")[0]) == ["0.25", "0.25"]
