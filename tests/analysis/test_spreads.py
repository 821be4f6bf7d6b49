"""Which spread intervals have, and what a study with too few seeds shows: checked from outside."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricate import analysed, runs_of
from fabricate import grid as study
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.page import page
from fggp.analysis.plan import default_plan
from fggp.analysis.spreads import few_seeds, margins, noise, possible
from fggp.analysis.stats.paired import Estimate, satterthwaite
from fggp.analysis.tables import TABLES, write_table
from fggp.analysis.tables.claims import FAILS, HOLDS, claims
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.per_setting import per_setting
from fggp.analysis.tables.power import study_power
from fggp.analysis.tables.tests import all_tests
from fggp.study.cell import Cell

BANNER = "n = 2 seeds: values only"
PS = ("p", "p_adjusted", "smallest_p", "p_holm", "grid_p", "over_settings_p", "wilcoxon_p",
      "wilcoxon_p_holm", "smallest_p_holm", "smallest_sign_p", "gap_p", "gap_p_holm", "rival_p",
      "p_first", "p_most", "p_better", "p_equivalent", "p_worse", "grid", "pooled")  # fmt: skip


def noisy(spreads: dict[str, float], ahead: float) -> Callable[[Cell], int]:
    """Return counts whose noise has a standard deviation by sparsity."""

    def correct(cell: Cell) -> int:
        drawn = np.random.default_rng(
            [cell.seed, int(100 * cell.sparsity), len(cell.label), cell.initial_sparsity is not None
             and int(100 * cell.initial_sparsity)]
        )  # fmt: skip
        shift = ahead if cell.label == "fggp" else 0
        noise = drawn.normal(0, spreads.get(str(float(cell.sparsity)), 0))
        return min(999, max(1, round(800 + shift + noise)))

    return correct


EQUAL = noisy({"0.9": 6, "0.95": 6}, 12)
UNEQUAL = noisy({"0.9": 2, "0.95": 60}, 12)


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = analysed(tmp_path_factory.mktemp("two"), lambda cell: 990 if cell.label == "fggp"
                      else 800 - 3 * cell.seed * len(cell.label))  # fmt: skip
    for name in TABLES:
        write_table(name, folder)
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_two_seeds_give_no_interval_no_p_no_bold_and_no_verdict(two_seeds: Path, name: str) -> None:
    text = (two_seeds / f"tables/{name}.md").read_text()
    assert text.count(BANNER) == 1
    assert "**" not in text
    assert "<u>" not in text
    assert r"\textbf" not in (two_seeds / f"tables/{name}.tex").read_text()
    rows = text.split("\n\n")[0]
    assert not re.search(r"[-+]?\d+\.\d+ to [-+]?\d+\.\d+", rows)
    if name == "claims":
        verdicts = pd.read_csv(two_seeds / "tables/claims.csv")["verdict"]
        assert not set(verdicts) & {HOLDS, FAILS}
    data = pd.read_csv(two_seeds / f"tables/{name}.csv")
    hidden = [it for it in data if it in PS or str(it).endswith(("_low", "_high"))]
    assert data[hidden].isna().all(axis=None)


def test_two_seeds_keep_their_values(two_seeds: Path) -> None:
    ranking = pd.read_csv(two_seeds / "tables/ranking.csv").set_index("label")
    assert ranking.loc["fggp", "average_rank"] == 1
    assert ranking.loc["fggp", "accuracy_percent"] == pytest.approx(99)
    assert pd.read_csv(two_seeds / "tables/comparisons.csv")["difference_points"].notna().all()


def test_the_page_of_two_seeds_has_one_banner_and_marks_nothing(two_seeds: Path) -> None:
    text = page(two_seeds)
    assert text.count(BANNER) == 1
    assert not re.search(r"<td[^>]*>\s*<(strong|u)>", text)
    assert not re.search(rf"<td[^>]*>\s*({HOLDS}|{FAILS})\s*<", text)


def test_three_seeds_have_no_banner_and_a_verdict() -> None:
    runs = runs_of(study(seeds=[1, 2, 3]), EQUAL)
    assert few_seeds(runs, default_plan()) == ""
    assert HOLDS in set(claims(runs, default_plan())["verdict"])


@pytest.mark.parametrize(
    ("accuracy", "spread"), [(EQUAL, "pooled"), (UNEQUAL, "per setting")], ids=["equal", "unequal"]
)
def test_comparisons_are_those_that_scipy_and_statsmodels_compute_from_the_runs(
    tmp_path: Path, accuracy: Callable[[Cell], int], spread: str
) -> None:
    methods = {"dense": {}, "gmp": {}, "granet": {}, "fggp": {}}
    folder = analysed(tmp_path, accuracy, seeds=[1, 2, 3, 4, 5], methods=methods)
    raw = pd.read_csv(folder / "runs.csv", keep_default_na=False)
    found = comparisons(read_runs(folder)).set_index("rival")
    images = raw.pivot_table(
        "correct_last", ["sparsity", "initial_sparsity"], ["label", "seed"], aggfunc="sum"
    )[["fggp", "gmp", "granet"]].dropna()
    wilcoxon = {}
    for rival in ("gmp", "granet"):
        # Settings are rows and seeds are columns; an image is a tenth of a point.
        points = ((images["fggp"] - images[rival]) / 10).to_numpy(dtype=float)
        settings, seeds = points.shape
        variances = points.var(axis=1, ddof=1)
        sparsity = images.index.get_level_values("sparsity").to_numpy()
        start = images.index.get_level_values("initial_sparsity").to_numpy()
        rejected = False
        for levels in (sparsity, start):
            low, high = sorted(variances[levels == it].mean() for it in np.unique(levels))
            df = (levels == levels[0]).sum() * (seeds - 1)
            rejected |= 2 * stats.f.sf(high / low, df, df) < 0.05
        row = found.loc[rival]
        assert row["spread"] == spread == ("per setting" if rejected else "pooled")
        df = settings * (seeds - 1)
        if rejected:
            df = variances.sum() ** 2 / (variances**2 / (seeds - 1)).sum()
        se = np.sqrt(variances.mean() / points.size)
        ends = stats.t.interval(0.95, df, loc=points.mean(), scale=se)
        assert (row["grid_low"], row["grid_high"]) == pytest.approx(ends)
        assert row["grid_p"] == pytest.approx(2 * stats.t.sf(abs(points.mean()) / se, df))
        assert row["p_better"] == pytest.approx(stats.t.sf((0.1 - points.mean()) / se, df))
        over = stats.ttest_1samp(points.mean(axis=1), 0)
        assert row["over_settings_p"] == pytest.approx(over.pvalue)
        wilcoxon[rival] = stats.wilcoxon(points.sum(axis=1).round(9), method="exact").pvalue
        assert row["wilcoxon_p"] == pytest.approx(wilcoxon[rival])
    adjusted = multipletests(list(wilcoxon.values()), method="holm")[1]
    assert list(found.loc[list(wilcoxon), "wilcoxon_p_holm"]) == pytest.approx(list(adjusted))


def test_with_spreads_of_their_own_settings_have_their_own_t_test() -> None:
    runs = runs_of(study(seeds=[1, 2, 3, 4], methods={"gmp": {}, "fggp": {}}), UNEQUAL)
    table = per_setting(runs)
    assert set(table["spread"]) == {"per setting"}
    assert set(table["df"]) == {3}
    for _, row in table.iterrows():
        here = runs[(runs["sparsity"] == row["sparsity"]) & (runs["start"] == row["start"])]
        counts = here.pivot_table("correct_last", "seed", "label")
        expected = stats.ttest_rel(counts["fggp"], counts["gmp"])
        assert row["p"] == pytest.approx(expected.pvalue)
        assert (row["low"] * 10, row["high"] * 10) == pytest.approx(expected.confidence_interval())
    power = study_power(runs, default_plan()).iloc[0]
    assert np.isnan(power["pooled"])
    assert "no pooled variance" in power["note"]


def test_a_sparsity_at_which_all_networks_collapse_lends_no_certainty_to_the_others() -> None:
    def correct(cell: Cell) -> int:
        return 100 if cell.sparsity > 0.97 else EQUAL(cell) + cell.seed * len(cell.label) % 3

    methods = {"gmp": {}, "fggp": {}}
    runs = runs_of(
        study(seeds=[1, 2, 3, 4], sparsities=[0.9, 0.95, 0.98], methods=methods), correct
    )
    table = per_setting(runs)
    assert set(table["spread"]) == {"per setting"}
    collapsed = table["sparsity"] == 0.98
    assert table.loc[collapsed, "low"].isna().all()
    assert (table.loc[collapsed, "note"] == "not computable: no spread between seeds").all()
    assert table.loc[~collapsed, "low"].notna().all()
    tests = all_tests(runs, default_plan()).set_index("test")
    check = tests.loc["one spread for every sparsity"]
    assert (check["value"], check["p_adjusted"]) == (np.inf, 0)
    told = tests.loc["paired t inside settings, Holm", "note"]
    assert told.endswith("of 4 settings; no p in 2 settings: no spread between seeds")


def test_an_example_whose_claim_a_pooled_variance_overstates_is_not_decided() -> None:
    # Half of the settings have nearly no noise, and lend their degrees of freedom to the others.
    differences = [np.array([5.0, 5.1, 5.2])] * 3 + [np.array([-20.0, 30.0, 50.0])]
    spread = satterthwaite(differences)
    assert spread.df == pytest.approx(2, rel=1e-3)
    known = noise([], differences, default_plan())
    assert known.spread.df == 8
    assert known.spread.sd == pytest.approx(spread.sd)


def test_nothing_impossible_is_printed() -> None:
    wild = noisy({"0.9": 400, "0.95": 400}, 0)
    runs = runs_of(study(seeds=[1, 2, 3]), wild)
    plan = default_plan()
    inside, over = per_setting(runs), comparisons(runs)
    ends = [
        *inside[["low", "high"]].to_numpy().flat,
        *over[["grid_low", "grid_high"]].to_numpy().flat,
    ]
    assert np.abs(ends).max() <= 100
    smallest = study_power(runs, plan)
    assert not (smallest[["setting", "setting_holm", "over_settings"]] > 100).any(axis=None)
    assert smallest["note"].str.contains("above 100 points").any()
    table = all_tests(runs, plan)
    critical = table[table["measure"] == "critical difference of average ranks"]
    methods = critical["compared"].str.extract(r"^(\d+)")[0].astype(int)
    assert (critical["value"].isna() | (critical["value"] <= methods - 1)).all()


def test_a_critical_difference_that_no_ranks_can_reach_is_left_out() -> None:
    methods = {"gmp": {}, "granet": {}, "fggp": {}}
    runs = runs_of(study(seeds=[1, 2, 3], sparsities=[0.9], methods=methods))
    table = all_tests(runs, default_plan())
    row = table[table["measure"] == "critical difference of average ranks"].iloc[0]
    assert np.isnan(row["value"])
    assert row["note"] == "would be above the largest difference of 3 methods: 2"


def test_the_levels_of_the_check_are_those_with_more_than_one_value() -> None:
    settings = pd.DataFrame({"backbone": ["vgg19"] * 2, "sparsity": [0.9, 0.95]})
    assert [str(level) for level, _ in margins(settings)] == ["s90", "s95"]


def test_an_interval_ends_at_the_largest_possible_difference() -> None:
    assert possible(Estimate(-61, -344.13, 221.3, 0.1)) == Estimate(-61, -100, 100, 0.1)
