from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from fabricate import TEST_IMAGES, fabricate, grid
from fggp.analysis.aggregate import aggregate
from fggp.analysis.frames import read_runs
from fggp.analysis.ranking import COLUMNS, REFERENCE, ranking, ranking_all
from fggp.cell import Cell
from fggp.results import ResultError

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
        "the ranking misses 2 results (gmp at backbone vgg19, sparsity 0.95, initial_sparsity 0.0, "
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
    table = ranking(runs)
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


def test_nothing_shared_gives_a_table_without_rows(tmp_path: Path) -> None:
    gone = {("fggp", 1), ("gmp", 2)}
    runs = runs_of(tmp_path / "s", partial=True, skip=lambda c: (c.label, c.seed) in gone)
    assert ranking(runs).empty
