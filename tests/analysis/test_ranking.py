from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fabricate import TEST_IMAGES, fabricate, grid
from fabricate import runs_of as runs_table
from pandas.testing import assert_frame_equal

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.compared_runs import compared
from fggp.analysis.plan import default_plan
from fggp.analysis.tables.formats import Table, text
from fggp.analysis.tables.ranking import COLUMNS, REFERENCE, ranking, ranking_all, ranking_table
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell

# Correct test images by (label, sparsity, initial sparsity) and, in order, seed.
COUNTS: dict[tuple[str, float, float | None], tuple[int, int]] = {
    ("dense", 0, 0): (950, 970),
    ("fggp", 0.9, 0): (900, 910), ("gmp", 0.9, 0): (905, 905), ("granet", 0.9, 0): (800, 800),
    ("fggp", 0.9, 0.5): (890, 890), ("gmp", 0.9, 0.5): (880, 880), ("granet", 0.9, 0.5): (895, 886),
    ("fggp", 0.95, 0): (870, 870), ("gmp", 0.95, 0): (860, 860), ("granet", 0.95, 0): (850, 850),
    ("fggp", 0.95, 0.5): (700, 700), ("gmp", 0.95, 0.5): (860, 860),
    ("granet", 0.95, 0.5): (650, 650),
    ("random", 0.9, None): (600, 600), ("random", 0.95, None): (860, 860),
}  # fmt: skip


def counted(cell: Cell) -> int:
    start = None if cell.initial_sparsity is None else float(cell.initial_sparsity)
    return COUNTS[cell.label, float(cell.sparsity), start][cell.seed - 1]


def runs_of(folder: Path, *, partial: bool = False, skip: Any = None, **study: Any) -> pd.DataFrame:
    methods = {"dense": {}, "random": {}, "gmp": {}, "granet": {}, "fggp": {}}
    chosen = grid(**({"methods": methods} | study))
    fabricate(folder, chosen, counted, skip=skip or (lambda cell: False))
    aggregate(folder, partial=partial)
    return read_runs(folder)


@pytest.fixture
def runs(tmp_path: Path) -> pd.DataFrame:
    return runs_of(tmp_path / "s")


def test_ranks_are_those_worked_out_by_hand(runs: pd.DataFrame) -> None:
    # Sums over the two seeds, by setting:  90/0  90/50  95/0  95/50
    #   fggp                                1810  1780   1740  1400   ranks 1.5 2 1 2
    #   gmp                                 1810  1760   1720  1720   ranks 1.5 3 2 1
    #   granet                              1600  1781   1700  1300   ranks 3   1 3 3
    table = ranking(runs)
    assert list(table["label"]) == ["fggp", "gmp", "granet", REFERENCE]
    assert list(table["average_rank"][:3]) == [6.5 / 4, 7.5 / 4, 10 / 4]
    assert list(table["wins"][:3]) == [2, 2, 1]
    assert set(table["settings"]) == {4}
    assert set(table["seeds"]) == {2}
    assert table["accuracy_percent"][0] == pytest.approx(100 * 6730 / 8 / TEST_IMAGES)


def test_dense_stands_outside_the_ranks_and_gaps_are_paired_with_it(runs: pd.DataFrame) -> None:
    table = ranking(runs)
    last = table.iloc[-1]
    assert last["label"] == REFERENCE
    assert pd.isna(last["average_rank"])
    assert pd.isna(last["wins"])
    assert last["accuracy_percent"] == pytest.approx(96)
    assert table["gap_to_dense_points"][0] == pytest.approx(100 * (6730 / 8 - 960) / TEST_IMAGES)
    without = ranking(runs[runs["label"] != "dense"])
    assert_frame_equal(
        without.drop(columns="gap_to_dense_points"), table[:3].drop(columns="gap_to_dense_points")
    )
    assert without["gap_to_dense_points"].isna().all()


def test_the_order_of_the_rows_does_not_matter(runs: pd.DataFrame) -> None:
    mixed = runs.sample(frac=1, random_state=3)
    assert_frame_equal(ranking(mixed), ranking(runs))
    assert_frame_equal(ranking_all(mixed), ranking_all(runs))


def test_the_second_ranking_enters_a_method_once_per_start(runs: pd.DataFrame) -> None:
    # Sums at 90 and 95 %: fggp 1810 1740 | 1780 1400, gmp 1810 1720 | 1760 1720,
    # granet 1600 1700 | 1781 1300, random 1200 1720.
    table = ranking_all(runs).set_index("label")
    assert table.loc["fggp, dense start", "average_rank"] == (1.5 + 1) / 2
    assert table.loc["gmp, dense start", "average_rank"] == (1.5 + 3) / 2
    assert table.loc["gmp, 50 % sparse start", "average_rank"] == (5 + 3) / 2
    assert table.loc["random", "average_rank"] == (7 + 3) / 2
    assert table.loc["gmp, dense start", "wins"] == 1
    assert set(table["settings"]) == {2}
    assert table.index[-1] == REFERENCE


def test_a_gap_in_the_grid_is_refused_and_named(runs: pd.DataFrame) -> None:
    gone = (runs["label"] == "gmp") & (runs["sparsity"] == 0.95) & (runs["seed"] == 2)
    with pytest.raises(ResultError) as caught:
        ranking(runs[~gone])
    assert str(caught.value) == (
        "the ranking lacks 2 results (gmp at backbone vgg19, sparsity 0.95, initial_sparsity 0.0, "
        "seed 2; gmp at backbone vgg19, sparsity 0.95, initial_sparsity 0.5, seed 2); "
        "train them, or aggregate the study with --partial"
    )


def test_a_partial_study_ranks_on_what_all_labels_share(tmp_path: Path) -> None:
    runs = runs_of(
        tmp_path / "s",
        partial=True,
        skip=lambda c: (
            c.label == "granet" and (c.seed == 2 or c.initial_sparsity != 0 or c.sparsity > 0.9)
        ),
    )
    assert ranking(runs).empty
    table = ranking(compared(runs, default_plan()))
    assert set(table["settings"]) == {1}
    assert set(table["seeds"]) == {1}
    assert list(table["label"]) == ["gmp", "fggp", "granet", REFERENCE]


def test_a_dense_reference_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    runs = runs_of(tmp_path / "s", partial=True, skip=lambda c: (c.label, c.seed) == ("dense", 2))
    table = ranking(runs)
    assert list(table["label"]) == ["fggp", "gmp", "granet"]
    assert table["gap_to_dense_points"].isna().all()


@pytest.mark.parametrize(
    "methods", [{"dense": {}}, {"dense": {}, "fggp": {}}, {"dense": {}, "random": {}}]
)
def test_with_fewer_than_two_labels_the_table_has_no_rows(
    tmp_path: Path, methods: dict[str, Any]
) -> None:
    table = ranking(runs_of(tmp_path / "s", methods=methods))
    assert table.empty
    assert list(table.columns) == list(COLUMNS)


def test_parts_of_the_grid_have_average_ranks_of_their_own(runs: pd.DataFrame) -> None:
    # Ranks by setting: see the first test.
    table = ranking(runs).set_index("label")
    assert not [column for column in table if str(column).startswith("rank_vgg")]
    assert list(table.loc["fggp", ["rank_s90", "rank_s95"]]) == [(1.5 + 2) / 2, (1 + 2) / 2]
    assert list(table.loc["gmp", ["rank_i0", "rank_i50"]]) == [(1.5 + 2) / 2, (3 + 1) / 2]


def test_records_against_the_reference_count_settings_won_tied_and_lost(
    runs: pd.DataFrame,
) -> None:
    table = ranking(runs).set_index("label")
    assert table["against fggp"].to_dict() | {"fggp": None, REFERENCE: None} == {
        "gmp": "1/1/2",
        "granet": "1/0/3",
        "fggp": None,
        REFERENCE: None,
    }
    other = ranking(runs, default_plan().model_copy(update={"reference": "gmp"}))
    assert other.set_index("label").loc["fggp", "against gmp"] == "2/1/1"
    both = ranking_all(runs).set_index("label")
    assert both.loc["random", "against fggp, dense start"] == "0/0/2"
    assert both.loc["random", "against fggp, 50 % sparse start"] == "1/0/1"


def noisy(cell: Cell) -> int:
    lift = {"fggp": 6, "gmp": 3}.get(cell.label, 0)
    return 900 + lift + cell.seed * (7 if cell.label == "fggp" else 5) % 4


def test_the_interval_of_an_average_rank_needs_five_seeds() -> None:
    methods = {"gmp": {}, "granet": {}, "fggp": {}}
    four, five = (
        ranking(runs_table(grid(methods=methods, seeds=list(range(1, n + 1))), noisy))
        for n in (4, 5)
    )
    chances = ["rank_low", "rank_high", "p_first", "p_most"]
    assert four[chances].isna().all(axis=None)
    assert five[chances].notna().all(axis=None)
    assert (five["rank_low"] <= five["average_rank"]).all()
    assert (five["average_rank"] <= five["rank_high"]).all()
    assert list(five["p_first"]) == [1, 0, 0]
    assert list(five["p_most"]) == [1, 0, 0]


def test_a_shared_first_place_counts_for_nobody() -> None:
    methods = {"gmp": {}, "granet": {}, "fggp": {}}
    study = grid(methods=methods, seeds=list(range(1, 6)))
    table = ranking(runs_table(study, lambda cell: 800 if cell.label == "gmp" else 810))
    assert list(table["average_rank"]) == [1.5, 1.5, 3]
    assert list(table["p_first"]) == list(table["p_most"]) == [0, 0, 0]


def test_every_column_that_is_shown_has_a_heading_of_its_own() -> None:
    study = grid(methods={"gmp": {}, "fggp": {}}, seeds=[1, 2, 3, 4, 5])
    shown = ranking_table(runs_table(study), default_plan()).shown
    assert {"90 %", "95 %", "resampled 95 %", "dense start", "50 % start"} <= set(shown)
    with pytest.raises(ValueError, match="two columns have one heading"):
        Table(pd.DataFrame(), [text("a", "x"), text("a", "y")], "")


def test_resampled_seeds_are_those_of_all_methods_at_once() -> None:
    # One is a point behind the other with every seed, though seeds differ by more.
    methods = {"gmp": {}, "fggp": {}}
    study = grid(methods=methods, seeds=list(range(1, 6)))
    table = ranking(
        runs_table(study, lambda cell: 800 + 30 * cell.seed - (10 if cell.label == "gmp" else 0))
    )
    assert list(table["rank_low"]) == list(table["rank_high"]) == [1, 2]


def test_resampling_is_the_same_every_time() -> None:
    study = grid(methods={"gmp": {}, "fggp": {}}, seeds=list(range(1, 6)))
    runs = runs_table(study)
    assert_frame_equal(ranking(runs), ranking(runs.sample(frac=1, random_state=1)))


def test_two_results_of_one_cell_are_refused(runs: pd.DataFrame) -> None:
    with pytest.raises(
        ResultError, match=r"runs\.csv has 1 duplicate results \(first: fggp, seed 1\)"
    ):
        ranking(pd.concat([runs, runs[runs["label"] == "fggp"].head(1)]))


def test_nothing_shared_gives_a_table_without_rows(tmp_path: Path) -> None:
    gone = {("fggp", 1), ("gmp", 2)}
    runs = runs_of(tmp_path / "s", partial=True, skip=lambda c: (c.label, c.seed) in gone)
    assert ranking(runs).empty
