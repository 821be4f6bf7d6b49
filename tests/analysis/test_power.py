import re

import numpy as np
import pytest
from fabricate import grid, runs_of
from scipy.stats import t

from fggp.analysis.plan import default_plan
from fggp.analysis.stats.power import LEVELS, Grid, smallest_difference, smallest_differences
from fggp.analysis.tables.power import FIELDS, study_power, study_power_table
from fggp.cli import main
from fggp.study.cell import Cell


def paired_t(seeds: int, alpha: float) -> float:
    """The smallest effect of one setting in sd of the paired difference, 80 % power."""
    return smallest_difference(1 / np.sqrt(seeds), seeds - 1, alpha, 0.8)


def test_smallest_effects_are_those_of_the_tables() -> None:
    assert [round(paired_t(n, 0.05), 2) for n in (3, 5, 10)] == [3.26, 1.68, 1.00]
    assert [round(paired_t(n, 0.05 / 12), 2) for n in (5, 10)] == [3.31, 1.53]


@pytest.mark.parametrize(("seeds", "alpha"), [(2, 0.05), (3, 0.05 / 12), (5, 0.05)])
def test_a_difference_of_that_size_is_found_so_often(seeds: int, alpha: float) -> None:
    draw = np.random.default_rng(1).normal(paired_t(seeds, alpha), 1, (200_000, seeds))
    statistic = draw.mean(axis=1) / draw.std(axis=1, ddof=1) * np.sqrt(seeds)
    found = (statistic > t.isf(alpha / 2, seeds - 1)).mean()
    assert found == pytest.approx(0.8, abs=0.005)  # five standard errors


def test_levels_of_a_grid_have_their_own_noise_and_freedom() -> None:
    table = smallest_differences(Grid(0.2, 5, 12, 4, 0.1), 0.05, 0.8).set_index("level")
    assert list(table.index) == list(LEVELS)
    assert list(table["df"]) == [4, 48, 48, 11]
    assert list(table["family"]) == [12, 12, 4, 4]
    inside = 0.2 / np.sqrt(5)
    expected = {
        "setting": (inside, 4),
        "pooled": (inside, 48),
        "grid": (inside / np.sqrt(12), 48),
        "over_settings": (np.sqrt(0.1**2 + inside**2) / np.sqrt(12), 11),
    }
    for level, (se, df) in expected.items():
        assert table.loc[level, "difference"] == smallest_difference(se, df, 0.05, 0.8)
    assert (table["difference_holm"] > table["difference"]).all()


def test_without_freedom_or_spread_there_is_no_smallest_difference() -> None:
    assert np.isnan(smallest_difference(1, 0, 0.05, 0.8))
    assert np.isnan(smallest_difference(0, 5, 0.05, 0.8))
    assert np.isnan(smallest_difference(np.nan, 5, 0.05, 0.8))


def test_a_study_is_measured_by_its_own_spread() -> None:
    ahead = {0.0: (10, 20), 0.5: (30, 60)}  # in tenths of a point: pooled variance 2.5

    def accuracy(cell: Cell) -> int:
        more = ahead[float(cell.initial_sparsity or 0)][cell.seed - 1]
        return 800 + (more if cell.label == "fggp" else 0)

    runs = runs_of(grid(sparsities=[0.9], methods={"gmp": {}, "fggp": {}}), accuracy)
    two_seeds = default_plan().model_copy(update={"interval_seeds": 2})
    table = study_power(runs, two_seeds)
    assert list(table.columns) == [field.name for field in FIELDS]
    row = table.iloc[0]
    assert row["sd"] == pytest.approx(np.sqrt(2.5))
    # Means of the settings 1.5 and 4.5: variance 4.5, of which 2.5 / 2 is noise.
    assert row["interaction_sd"] == pytest.approx(np.sqrt(4.5 - 1.25))
    found = smallest_differences(Grid(row["sd"], 2, 2, 1, row["interaction_sd"]), 0.05, 0.8)
    assert list(row[list(LEVELS)]) == pytest.approx(found["difference"].to_list(), nan_ok=True)


def test_what_a_small_study_cannot_tell_is_said_in_words() -> None:
    one = runs_of(grid(seeds=[1], methods={"gmp": {}, "fggp": {}}))
    assert set(study_power(one, default_plan())["note"]) == {"not computable: 1 seed"}
    assert list(study_power_table(one, default_plan()).shown["mean over this grid"]) == ["-"]
    small = grid(
        sparsities=[0.9], initial_sparsities=[0], seeds=[1, 2, 3], methods={"gmp": {}, "fggp": {}}
    )
    note = study_power(runs_of(small), default_plan())["note"]
    assert list(note) == ["not computable: 1 setting"]


def test_the_command_prints_what_a_grid_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--sd", "0.19", "--seeds", "5"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"one setting, its own variance +\| +4 \| +0\.32 \| 0\.63 \(12 comp", text)
    assert "below 0.05 takes 6 seeds, 9 after Holm" in text
    assert main(["power", "--sd", "1", "--seeds", "1", "--settings", "1", "--alpha", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "Not shown (-): above 100 points" in text
    assert "at level 0.1 detects" in text


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--sd", "0", "a number above 0"),
        ("--sd", "nan", "a number above 0"),
        ("--seeds", "0", "a whole number of at least 1"),
        ("--alpha", "1", "a number between 0 and 1"),
        ("--interaction", "-1", "a number of at least 0"),
    ],
)
def test_an_impossible_grid_is_a_wrong_use(
    option: str, value: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"--sd": "0.2", "--seeds": "5"} | {option: value}
    with pytest.raises(SystemExit) as ended:
        main(["power", *(f"{name}={text}" for name, text in good.items())])
    assert ended.value.code == 2
    assert f"{value!r} is not {what}" in capsys.readouterr().err
