"""The tables of every shipped study are what pandas, scipy and statsmodels alone make of runs.csv.

Nothing of the package computes here but the tables under test: differences, intervals, p values and
ranks come from ``runs.csv`` a second time, by other code.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame, Series
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.tables import write_table

pytestmark = pytest.mark.long

SHIPPED = Path(__file__).parents[2] / "results/reference"
SETTING = ["backbone", "sparsity", "initial_sparsity"]
REFERENCE = "fggp"


def enough(study: Path) -> bool:
    seeds = Counter(path.parent for path in study.glob("runs/**/seed*.json"))
    return min(seeds.values()) >= 3  # of every label in every setting


STUDIES = sorted(path.parent for path in SHIPPED.glob("*/cells.json") if enough(path.parent))


@pytest.fixture(scope="module", params=STUDIES, ids=lambda path: path.name)
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs.csv`` of a shipped study and the tables that are recomputed."""
    out = tmp_path_factory.mktemp(request.param.name)
    aggregate(request.param, out, partial=True)
    for name in ("comparisons", "ranking", "tests"):
        write_table(name, out)
    return out


def points(folder: Path) -> DataFrame:
    """Accuracy in points: a row per setting and seed, a column per label with both starts."""
    runs = pd.read_csv(folder / "runs.csv")
    both = runs[(runs["starts"] == "both") & runs["ranks"]]
    wide = both.pivot_table(index=[*SETTING, "seed"], columns="label", values="accuracy_last")
    found = wide.dropna()
    # A partial study: seeds that some setting lacks are left out of the comparison.
    settings = found.groupby("seed").size()
    found = found[found.index.isin(settings.index[settings == settings.max()], level="seed")]
    seeds = found.reset_index("seed")["seed"]
    whole = found.groupby(SETTING).size() == seeds.nunique()
    assert whole.all(), "the grid of labels with both starts is complete"
    return 100 * found


def means(accuracy: DataFrame) -> DataFrame:
    return accuracy.groupby(SETTING).mean()


def pairs(folder: Path) -> Iterator[tuple[Any, "Series[float]"]]:
    """Yield each pair of the table over settings with its differences by setting and seed."""
    accuracy = points(folder)
    table = pd.read_csv(folder / "tables/comparisons.csv")
    table = table[(table["blocks"] == "settings") & (table["reference"] == REFERENCE)]
    assert len(table) == len(accuracy.columns) - 1
    for row in table.itertuples():
        yield row, accuracy[REFERENCE] - accuracy[str(row.rival)]


def test_differences_and_their_intervals(tables: Path) -> None:
    for row, difference in pairs(tables):
        by_setting = difference.groupby(SETTING)
        settings, seeds = by_setting.ngroups, len(difference) // by_setting.ngroups
        assert (row.settings, row.seeds) == (settings, seeds)
        mean = by_setting.mean().mean()
        assert row.difference_points == pytest.approx(mean, abs=1e-9)
        if row.spread == "pooled":
            flat = difference.rename("points").reset_index()
            flat["setting"] = flat[SETTING].astype(str).agg(" ".join, axis=1)
            model = "points ~ C(setting)" if settings > 1 else "points ~ 1"
            residual = ols(model, flat).fit()
            error = np.sqrt(residual.mse_resid / len(flat))
            df = residual.df_resid
        else:
            share = by_setting.var() / seeds
            error = np.sqrt(share.sum()) / settings
            df = share.sum() ** 2 / (share**2 / (seeds - 1)).sum()
        low, high = stats.t.interval(0.95, df, mean, error)
        assert (row.grid_df, row.grid_low, row.grid_high) == pytest.approx((df, low, high))
        assert row.grid_p == pytest.approx(2 * stats.t.sf(abs(mean) / error, df))


def test_wilcoxon_over_settings_with_holm(tables: Path) -> None:
    found, expected = [], []
    for row, difference in pairs(tables):
        settings = difference.groupby(SETTING).mean().round(9)
        expected.append(1.0 if (settings == 0).all() else exact_wilcoxon(settings))
        found.append(row.wilcoxon_p)
    assert found == pytest.approx(expected)
    holm = multipletests(expected, method="holm")[1]
    table = pd.read_csv(tables / "tables/comparisons.csv")
    if set(table["blocks"]) == {"settings"}:
        assert table["wilcoxon_p_holm"].to_list() == pytest.approx(holm)


def exact_wilcoxon(values: "Series[float]") -> float:
    """All signs of the ranks, ties and zeros included: scipy's permutation of its own statistic."""
    present = values[values != 0]
    method = stats.PermutationMethod(n_resamples=2 ** (len(present) + 1))
    return float(stats.wilcoxon(present, method=method).pvalue)


def test_friedman_over_settings(tables: Path) -> None:
    settings = means(points(tables)).round(9)
    table = pd.read_csv(tables / "tables/tests.csv")
    row = table[table["test"].str.startswith("Friedman") & (table["blocks"] == "settings")]
    if len(settings) < 2:
        pytest.skip("one setting: there is no Friedman test")
    statistic, p = stats.friedmanchisquare(*(settings[label] for label in settings))
    assert row["value"].item() == pytest.approx(statistic)
    assert row["p"].item() == pytest.approx(p)


def test_average_ranks_and_wins(tables: Path) -> None:
    settings = means(points(tables)).round(9)
    table = pd.read_csv(tables / "tables/ranking.csv").set_index("label")
    ranks = settings.rank(axis=1, ascending=False).mean()
    best = settings.eq(settings.max(axis=1), axis=0)
    for label in settings:
        assert table.loc[label, "average_rank"] == pytest.approx(ranks[label])
        assert table.loc[label, "wins"] == best.loc[best.sum(axis=1) == 1, label].sum()
        assert table.loc[label, "accuracy_percent"] == pytest.approx(settings[label].mean())
