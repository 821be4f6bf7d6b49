from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricate import grid, likely, runs_of
from numpy.random import default_rng
from pandas.testing import assert_frame_equal
from scipy.optimize import minimize

from fggp.analysis.complete_grids import Counts, both_starts
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.stats import rank_tests as omnibus
from fggp.analysis.stats.mixed_model import mixed_model
from fggp.analysis.tables.leave_out import COLUMNS as LEFT_OUT
from fggp.analysis.tables.leave_out import leave_out, leave_out_table, verdict
from fggp.analysis.tables.tests import COLUMNS, STEPS, all_tests, all_tests_table
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell

BACKBONES = {"vgg19": {}, "resnet50": {}}
METHODS = {"dense": {}, "random": {}, "gmp": {}, "granet": {}, "fggp": {}}


def study(**changes: Any) -> pd.DataFrame:
    return runs_of(grid(**({"methods": METHODS, "backbones": BACKBONES} | changes)), likely)


def plan(**changes: Any) -> Plan:
    return default_plan().model_copy(update=changes)


def test_iman_davenport_is_that_of_the_table() -> None:
    found = omnibus.iman_davenport(42.6, settings=12, methods=5)
    assert found.statistic == pytest.approx(86.778, abs=5e-4)
    assert found.df == (4, 44)
    assert found.p == pytest.approx(2.7e-20, rel=0.02)


def test_critical_differences_are_those_of_the_tables() -> None:
    found = [omnibus.critical_difference(k, 12, 0.05) for k in range(2, 11)]
    listed = [0.566, 0.957, 1.354, 1.761, 2.176, 2.600, 3.031, 3.468, 3.910]
    assert found == pytest.approx(listed, abs=6e-4)


def test_at_the_critical_difference_nemenyis_p_is_alpha() -> None:
    difference = omnibus.critical_difference(5, 12, 0.05)
    assert omnibus.nemenyi_p(-difference, 5, 12) == pytest.approx(0.05, rel=1e-4)


def test_friedman_is_that_worked_out_by_hand() -> None:
    # Ranks 1 2 3 three times and 1 3 2 once: sums 4, 9, 11.
    sums = np.array([[9, 5, 1], [8, 6, 2], [7, 5, 3], [9, 1, 5]])
    found = omnibus.friedman(sums)
    expected = 12 / (4 * 3 * 4) * (4**2 + 9**2 + 11**2) - 3 * 4 * 4
    assert found.statistic == pytest.approx(expected)
    assert found.df == (2,)
    assert omnibus.friedman(sums[::-1]) == found


def test_friedman_is_corrected_for_ties() -> None:
    # Ranks 1.5 1.5 3 and 1 2 3: sums 2.5, 3.5, 6. The correction is 1 - 6/(2*24).
    found = omnibus.friedman(np.array([[5, 5, 1], [9, 5, 1]]))
    plain = 12 / (2 * 3 * 4) * (2.5**2 + 3.5**2 + 6**2) - 3 * 2 * 4
    assert found.statistic == pytest.approx(plain / (1 - 6 / 48))


def test_what_ranks_cannot_tell_is_nan() -> None:
    assert np.isnan(omnibus.friedman(np.array([[2, 1], [2, 1]])).statistic)
    assert np.isnan(omnibus.friedman(np.ones((4, 3), dtype=np.int64)).statistic)
    assert np.isnan(omnibus.iman_davenport(8.0, settings=4, methods=3).statistic)
    assert np.isnan(omnibus.iman_davenport(2.0, settings=1, methods=3).statistic)
    assert np.isnan(omnibus.iman_davenport(np.nan, settings=4, methods=3).p)


def test_the_smallest_p_of_ranks_is_the_chance_that_all_settings_rank_alike() -> None:
    assert omnibus.smallest_friedman_p(2, 3) == pytest.approx(1 / 6)
    assert omnibus.smallest_friedman_p(1, 3) == 1
    assert omnibus.smallest_friedman_p(12, 5) == pytest.approx(120.0**-11)


def counts_of(runs: pd.DataFrame) -> Counts:
    found = both_starts(runs)
    assert found is not None
    return found


def test_pairs_of_a_diagram_have_both_verdicts() -> None:
    table = omnibus.all_pairs(counts_of(study()), plan())
    assert len(table) == 3
    assert (table["rank_difference"] >= 0).all()
    assert (table["wilcoxon_p_holm"] >= table["wilcoxon_p"]).all()
    for kind, p in (("nemenyi", "nemenyi_p"), ("wilcoxon", "wilcoxon_p_holm")):
        assert list(table[f"{kind}_together"]) == list(table[p] >= 0.05)


def simulated(settings: int = 12, seeds: int = 5, interaction: float = 0.1) -> Counts:
    """A grid of three methods: b is half a point behind a, c one."""
    draw = default_rng(4)
    effects = np.array([0, -0.5, -1.0])
    accuracy = (
        90
        + draw.normal(0, 1, (settings, 1, 1))
        + draw.normal(0, 0.12, (settings, seeds, 1))
        + draw.normal(0, interaction, (settings, 1, 3))
        + draw.normal(0, 0.12, (settings, seeds, 3))
        + effects
    )
    whole = counts_of(study())
    return Counts(
        np.round(100 * accuracy).astype(np.int64),
        whole.settings,
        tuple(range(seeds)),
        ("a", "b", "c"),
        {},
        {},
        10_000,
        whole.dense,
    )


def test_the_mixed_model_takes_settings_for_the_units_and_not_seeds() -> None:
    counts = simulated()
    found = mixed_model(counts, plan(reference="a"))
    assert set(found.contrasts) == {"b", "c"}
    differences = (counts.entry("a") - counts.entry("b")).mean(axis=1) / 100
    contrast = found.contrasts["b"]
    assert contrast.mean == pytest.approx(differences.mean(), abs=1e-4)
    error = (contrast.high - contrast.low) / 2 / 1.959964
    assert 0.6 < error / (differences.std(ddof=1) / np.sqrt(12)) < 1.6
    other = mixed_model(counts, plan(reference="b")).contrasts["a"]
    assert other.mean == pytest.approx(-contrast.mean, abs=1e-4)


def test_the_mixed_model_does_not_depend_on_how_far_settings_are_apart() -> None:
    counts = simulated(6)
    far = replace(counts, correct=counts.correct - 1500 * np.arange(6)[:, None, None])
    one, other = (mixed_model(it, plan(reference="a")) for it in (counts, far))
    assert set(other.contrasts) == {"b", "c"}
    for rival in other.contrasts:
        assert other.contrasts[rival] == pytest.approx(one.contrasts[rival])


@pytest.mark.parametrize("interaction", [0.0, 0.3])
def test_the_mixed_model_has_the_largest_restricted_likelihood(interaction: float) -> None:
    counts = simulated(4, 3, interaction)
    correct = counts.correct / 100
    setting, seed, method = (it.reshape(-1) for it in np.indices(correct.shape))
    of_seed, of_method = (
        (setting[:, None] == setting) & (it[:, None] == it) for it in (seed, method)
    )
    design = np.column_stack([*(setting == it for it in range(4)), method == 1, method == 2])

    def fitted(logs: np.ndarray) -> tuple[float, float]:
        run, *more = np.exp(logs)
        inverse = np.linalg.inv(
            run * np.eye(setting.size) + more[0] * of_seed + more[1] * of_method
        )
        precision = design.T @ inverse @ design
        residual = inverse - inverse @ design @ np.linalg.solve(precision, design.T @ inverse)
        fit = correct.reshape(-1) @ residual @ correct.reshape(-1)
        likelihood = np.linalg.slogdet(inverse)[1] - np.linalg.slogdet(precision)[1] - fit
        return -likelihood, float(np.sqrt(np.linalg.inv(precision)[4, 4]))

    starts = [np.log([0.01, one, other]) for one in (0.01, 1e-8) for other in (0.01, 1e-8)]
    found = min(
        (minimize(lambda it: fitted(it)[0], it, method="Nelder-Mead") for it in starts),
        key=lambda it: float(it.fun),
    )
    contrasts, note = mixed_model(counts, plan(reference="a"))
    error = (contrasts["b"].high - contrasts["b"].low) / 2 / 1.959964
    assert error == pytest.approx(fitted(found.x)[1], rel=1e-3)
    assert bool(note) == (min(found.x) < np.log(1e-7))


@pytest.mark.parametrize(("shape", "why"), [((12, 1), "1 seed"), ((1, 5), "1 setting")])
def test_the_mixed_model_says_in_words_what_it_lacks(shape: tuple[int, int], why: str) -> None:
    assert mixed_model(simulated(*shape), plan(reference="a")) == ({}, f"not computable: {why}")


def test_a_mixed_model_without_any_noise_is_no_failure() -> None:
    counts = simulated()
    constant = counts.correct * 0 + np.array([3, 2, 1])
    found = mixed_model(
        Counts(constant, counts.settings, counts.seeds, counts.entries, {}, {}, 100, counts.dense),
        plan(reference="a"),
    )
    assert found.note
    assert all(not np.isinf(it.mean) for it in found.contrasts.values())


# By setting (backbone, start): who is first. b wins both settings of the second backbone.
ORDER = {
    ("resnet50", 0.0): {"fggp": 3, "gmp": 2, "granet": 1},
    ("resnet50", 0.5): {"fggp": 3, "gmp": 2, "granet": 1},
    ("vgg19", 0.0): {"fggp": 1, "gmp": 3, "granet": 2},
    ("vgg19", 0.5): {"fggp": 3, "gmp": 2, "granet": 1},
}


def ordered(cell: Cell) -> int:
    place = ORDER.get((cell.backbone.name, float(cell.initial_sparsity or 0)), {})
    return 900 + 10 * place.get(cell.label, 0)


def test_ranks_without_a_part_are_those_worked_out_by_hand() -> None:
    runs = runs_of(
        grid(
            backbones=BACKBONES,
            sparsities=[0.9],
            methods={"gmp": {}, "granet": {}, "fggp": {}},
        ),
        ordered,
    )
    table = leave_out(runs)
    assert list(table.columns[:5]) == list(LEFT_OUT)
    rows = table.set_index("left_out")
    assert list(rows.loc["nothing", ["rank_fggp", "rank_gmp", "rank_granet"]]) == [1.5, 1.75, 2.75]
    assert list(rows.loc["resnet50", ["rank_fggp", "rank_gmp", "rank_granet"]]) == [2, 1.5, 2.5]
    assert rows.loc["resnet50", "first"] == "gmp"
    assert rows.loc["resnet50", "flips"] == "gmp before fggp"
    assert rows.loc["vgg19", "flips"] == "none"
    assert rows.loc["resnet50, 90 %, dense start", "first"] == "fggp, gmp"
    assert rows.loc["resnet50, 90 %, dense start", "flips"] == "none"
    assert verdict(table, "backbone") == (
        "first in the whole grid: fggp; not without 1 backbone of 2 (resnet50: gmp); "
        "methods change places in 1 of 2"
    )
    assert leave_out_table(runs, plan(interval_seeds=2)).bold["changed places"].count(True) == 1
    assert_frame_equal(leave_out(runs.sample(frac=1, random_state=2)), table)


def test_the_steps_stand_in_the_order_of_the_plan() -> None:
    runs = study(seeds=[1, 2, 3])
    table = all_tests(runs)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["step"]) == set(range(1, 8))
    assert table["step"].is_monotonic_increasing
    back = all_tests(runs, plan(order=tuple(reversed(default_plan().order))))
    assert list(back["test"])[:2] == ["ranks without a backbone", "ranks without a setting"]
    assert sorted(back["test"]) == sorted(table["test"])
    assert set(STEPS) == set(default_plan().order)


def test_tests_take_settings_for_blocks_and_never_seeds() -> None:
    table = all_tests(study(seeds=[1, 2, 3, 4, 5])).set_index("test")
    assert list(table.loc["Iman-Davenport", "df"]) == ["2, 14", "6, 18"]
    critical = table.loc["Nemenyi"].iloc[0]
    assert critical["value"] == pytest.approx(omnibus.critical_difference(3, 8, 0.05))


def test_the_order_of_the_rows_does_not_matter() -> None:
    runs = study(seeds=[1, 2, 3])
    assert_frame_equal(all_tests(runs.sample(frac=1, random_state=3)), all_tests(runs))


def test_spreads_that_differ_are_found() -> None:
    def uneven(cell: Cell) -> int:
        wide = 40 if cell.backbone.name == "vgg19" else 2
        return 800 + (wide * (cell.seed * 7 % 5) if cell.label == "fggp" else 0)

    runs = runs_of(
        grid(backbones=BACKBONES, methods={"gmp": {}, "fggp": {}}, seeds=[1, 2, 3, 4, 5]), uneven
    )
    table = all_tests(runs).set_index("test")
    found = table.loc["one spread for every backbone"]
    assert found["value"] == pytest.approx(20)
    assert found["p_adjusted"] < 1e-6
    assert table.loc["one spread for every start", "p_adjusted"] == 1


def test_an_approximate_p_below_the_smallest_possible_one_is_noted() -> None:
    labels = ["fggp", "b", "c", "d", "e", "f"]

    def accuracy(cell: Cell) -> int:
        place = labels.index(cell.label)
        if cell.initial_sparsity:  # the last two change places
            place = {4: 5, 5: 4}.get(place, place)
        return 900 - 10 * place

    methods = {label: {"method": "fggp"} for label in labels}
    table = all_tests(runs_of(grid(sparsities=[0.9], methods=methods, seeds=[1, 2, 3]), accuracy))
    rows = table[table["test"].isin(["Friedman, tie-corrected", "Iman-Davenport"])]
    below = rows["p"] < rows["smallest_p"]
    assert set(rows.loc[below, "test"]) == {"Iman-Davenport"}
    assert (rows["note"].str.contains("below the smallest possible p") == below).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1]}, "not computable: 1 seed"),
        ({"sparsities": [0.9], "initial_sparsities": [0]}, "not computable: 1 setting"),
        ({"methods": {"gmp": {}, "fggp": {}}}, "not computable: 2 methods, see the rivals"),
        ({}, "not computable: 1 backbone"),
    ],
)
def test_what_a_small_study_cannot_tell_is_said_in_words(
    changes: dict[str, Any], words: str
) -> None:
    runs = study(**({"backbones": {"vgg19": {}}} | changes))
    table = all_tests_table(runs, plan())
    assert words in " | ".join(table.data["note"])
    assert words in " | ".join(table.shown["note"])


def test_a_difference_that_is_zero_but_for_rounding_reads_zero() -> None:
    def accuracy(cell: Cell) -> int:
        return 800 + (cell.label == "fggp") * [3, -1, -2][cell.seed - 1]

    methods = {"gmp": {}, "fggp": {}}
    table = all_tests_table(runs_of(grid(methods=methods, seeds=[1, 2, 3]), accuracy), plan())
    differences = table.shown["measure"] == "difference (points)"
    assert set(table.shown.loc[differences, "value"]) == {"0"}


def test_a_study_without_the_reference_has_an_omnibus_test_and_says_so() -> None:
    runs = study()
    table = all_tests_table(runs, plan(reference="snip"))
    assert "There is no rival of the reference method snip in this study." in table.note
    assert "Iman-Davenport" in set(table.data["test"])


def test_a_gap_in_the_grid_is_refused() -> None:
    runs = study()
    gone = (runs["label"] == "gmp") & (runs["sparsity"] == 0.95) & (runs["seed"] == 2)
    for table in (all_tests, leave_out):
        with pytest.raises(ResultError, match="lacks 4 results"):
            table(runs[~gone])
