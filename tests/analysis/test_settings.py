import numpy as np
import pandas as pd
import pytest
from fabricate import grid, runs_of
from pandas.testing import assert_frame_equal

from fggp.analysis.plan import default_plan
from fggp.analysis.tables.settings import COLUMNS, _realized, settings, settings_table
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell

TWO_SEEDS = default_plan().model_copy(update={"interval_seeds": 2})
# For results small enough to work out by hand.
METHODS = {"dense": {}, "random": {}, "gmp": {}, "fggp": {}}
# Correct images of 1000 by label and start, then seed.
COUNTS = {
    ("dense", 0.0): (950, 970), ("fggp", 0.0): (940, 980), ("gmp", 0.0): (938, 976),
    ("fggp", 0.5): (930, 950), ("gmp", 0.5): (900, 924), ("random", None): (800, 822),
}  # fmt: skip


def counted(cell: Cell) -> int:
    start = None if cell.initial_sparsity is None else float(cell.initial_sparsity)
    return COUNTS[cell.label, start][cell.seed - 1]


@pytest.fixture
def runs() -> pd.DataFrame:
    return runs_of(grid(sparsities=[0.9], methods=METHODS), counted)


def row(table: pd.DataFrame, label: str, start: str = "dense start") -> pd.Series:
    found = table[(table["label"] == label) & (table["start"] == start)]
    assert len(found) == 1
    return found.iloc[0]


def test_mean_sd_and_gap_are_those_worked_out_by_hand(runs: pd.DataFrame) -> None:
    table = settings(runs, TWO_SEEDS)
    assert list(table.columns) == [*COLUMNS, "inference_flops", "training_flops"]
    first = row(table, "fggp")
    assert first["accuracy_percent"] == pytest.approx(96)
    assert first["sd"] == pytest.approx(np.sqrt(8))
    assert first["n"] == 2
    # Paired with dense: -1 and 1 here, -2 and -2 from the sparse start.
    assert first["gap_points"] == pytest.approx(0)
    assert first["gap_high"] == pytest.approx(12.7062047, rel=1e-5)
    sparse = row(table, "fggp", "50 % sparse start")
    assert sparse["gap_points"] == pytest.approx(-2)
    assert np.isnan(sparse["gap_low"])
    assert sparse["note"] == "interval of the gap not computable: no spread between seeds"


def test_the_gap_to_dense_has_the_variance_of_its_own_setting(runs: pd.DataFrame) -> None:
    # One dense run is in the gaps of both starts. -1.2 and 0.6, -5.0 and -4.6; 1 degree of freedom.
    table = settings(runs, TWO_SEEDS)
    near, far = row(table, "gmp"), row(table, "gmp", "50 % sparse start")
    assert near["gap_high"] == pytest.approx(-0.3 + 0.9 * 12.7062047, rel=1e-5)
    assert far["gap_high"] == pytest.approx(-4.8 + 0.2 * 12.7062047, rel=1e-5)
    assert far["gap_p_holm"] == pytest.approx(2 * far["gap_p"])
    assert near["gap_p_holm"] == pytest.approx(near["gap_p"])


def test_the_best_is_marked_and_what_cannot_be_told_from_it(runs: pd.DataFrame) -> None:
    # fggp minus gmp in points: 0.2 and 0.4, then 3.0 and 2.6; pooled variance 0.05 with 2 df.
    table = settings(runs, TWO_SEEDS)
    near, far = row(table, "gmp"), row(table, "gmp", "50 % sparse start")
    half = 4.302653 * np.sqrt(0.05 / 2)
    assert near["behind_points"] == pytest.approx(0.3)
    assert near["behind_low"] == pytest.approx(0.3 - half, rel=1e-5)
    assert near["near_best"]
    assert far["behind_points"] == pytest.approx(2.8)
    assert not far["near_best"]
    assert list(table["best"]) == [label == "fggp" for label in table["label"]]
    marked = settings_table(runs, TWO_SEEDS)
    assert marked.bold["accuracy (%)"] == table["best"].to_list()
    assert marked.underlined["accuracy (%)"] == table["near_best"].to_list()


def test_the_dense_network_stands_on_top_and_ranks_nowhere(runs: pd.DataFrame) -> None:
    table = settings(runs, TWO_SEEDS)
    assert list(table["label"]) == ["dense", "fggp", "gmp", "fggp", "gmp", "random"]
    dense = table.iloc[0]
    assert dense[["rank", "gap_points", "behind_points"]].isna().all()
    assert list(table["rank"].dropna()) == [1, 2, 1, 2]


def test_ties_share_their_rank_and_are_both_best() -> None:
    table = settings(runs_of(grid(sparsities=[0.9], methods=METHODS), lambda cell: 900))
    both = table[table["label"].isin(["fggp", "gmp"])]
    assert set(both["rank"]) == {1.5}
    assert both["best"].all()


def test_the_order_of_the_rows_does_not_matter(runs: pd.DataFrame) -> None:
    assert_frame_equal(settings(runs.sample(frac=1, random_state=3)), settings(runs))


def test_what_does_not_rank_is_shown_marked_at_its_realized_sparsity() -> None:
    study = grid(sparsities=[0.9], methods=METHODS | {"small-dense": {}})
    runs = runs_of(study, lambda cell: 990 if cell.label == "small-dense" else 900)
    runs.loc[runs["label"] == "small-dense", "realised_sparsity"] = 0.912
    table = settings(runs, TWO_SEEDS)
    reference = table[table["label"] == "small-dense"].iloc[0]
    assert np.isnan(reference["rank"])
    assert not reference["best"]
    shown = settings_table(runs, default_plan()).shown
    line = shown[shown["method"] == "small-dense (not ranked)"].iloc[0]
    assert line["realized sparsity"] == "91.20 %"
    assert line["sparsity"] == "90 %"
    assert line["gap to dense"] == "+9.00"
    assert shown["method"].iloc[-1] == "small-dense (not ranked)"


def test_work_is_shown_where_the_runs_have_it(runs: pd.DataFrame) -> None:
    macs = runs.assign(
        inference_macs=pd.array([1000] * len(runs), dtype="Int64"),
        training_macs=pd.array([10**9] * (len(runs) - 1) + [pd.NA], dtype="Int64"),
        dense_macs=pd.array([5000] * len(runs), dtype="Int64"),
    )
    table = settings(macs)
    assert set(table["inference_flops"]) == {2000}
    assert table["training_flops"].isna().sum() == 1
    shown = settings_table(macs, default_plan()).shown
    assert set(shown["inference FLOPs"]) == {"2 k"}
    nothing = macs.assign(inference_macs=pd.NA, training_macs=pd.NA)
    assert "inference_flops" not in settings(nothing)
    assert "inference FLOPs" not in settings_table(nothing, default_plan()).shown


def test_one_seed_is_said_in_words() -> None:
    table = settings(runs_of(grid(seeds=[1])))
    assert table[["sd", "gap_low", "behind_low"]].isna().all(axis=None)
    assert not table["near_best"].any()
    assert set(table["note"]) == {"no interval: 1 seed"}


def test_no_dense_network_is_said_in_words(runs: pd.DataFrame) -> None:
    table = settings_table(runs[runs["label"] != "dense"], default_plan())
    assert table.data["gap_points"].isna().all()
    assert "the study has no dense network" in table.note


@pytest.mark.parametrize(
    ("verdict", "note"),
    [
        ("diverged", "2 runs diverged"),
        ("disconnected", "2 runs disconnected"),
        ("chance", "2 runs at chance"),
    ],
)
def test_a_failed_run_is_a_result_and_told(runs: pd.DataFrame, verdict: str, note: str) -> None:
    runs.loc[runs["label"] == "random", "verdict"] = verdict
    found = row(settings(runs, TWO_SEEDS), "random", "one start")
    assert found["n"] == found[verdict] == 2
    assert found["note"] == note


def test_runs_that_failed_in_different_ways_are_told_apart(runs: pd.DataFrame) -> None:
    of_random = runs["label"] == "random"
    runs.loc[of_random, "verdict"] = "diverged"
    runs.loc[of_random & (runs["seed"] == 1), "verdict"] = "chance"
    assert (
        row(settings(runs, TWO_SEEDS), "random", "one start")["note"]
        == "1 run diverged; 1 run at chance"
    )


def test_a_gap_in_the_grid_is_refused_and_a_partial_study_shows_what_is_there(
    runs: pd.DataFrame,
) -> None:
    for label in ("dense", "random", "gmp"):
        gone = (runs["label"] == label) & (runs["seed"] == 2)
        with pytest.raises(ResultError, match=f"table of settings lacks . results .{label} at"):
            settings(runs[~gone])
    gone = (runs["label"] == "gmp") & (runs["seed"] == 2) & (runs["start"] == "dense start")
    table = settings(runs[~gone].assign(partial=True))
    assert row(table, "gmp")["n"] == 1
    # On the one seed that both have.
    assert row(table, "gmp")["behind_points"] == pytest.approx(0.2)
    assert row(table, "fggp")["n"] == 2


def test_a_method_that_is_complete_without_its_dense_networks_says_so(runs: pd.DataFrame) -> None:
    gone = (runs["label"] == "dense") & (runs["seed"] == 2)
    table = settings(runs[~gone].assign(partial=True))
    assert row(table, "fggp")["gap_points"] == pytest.approx(-1)
    none = settings(
        runs_of(
            grid(backbones={"vgg19": {}, "resnet50": {}}),
            skip=lambda cell: cell.label == "dense" and cell.backbone.name == "vgg19",
        ),
        TWO_SEEDS,
    )
    lost = none[(none["backbone"] == "vgg19")]["note"]
    assert set(lost) == {"gap not computable: no dense network with these seeds"}


def test_a_realized_sparsity_below_one_is_not_100_percent() -> None:
    assert [_realized(it) for it in (0.95, 0.912, 0.99996, 1)] == [
        "95.00 %", "91.20 %", "99.996 %", "100.00 %",
    ]  # fmt: skip
