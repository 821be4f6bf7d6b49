"""Our tests of significance beside those of the libraries, on random tables."""

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fggp.analysis.stats import paired
from fggp.analysis.stats import rank_tests as omnibus

TABLES = [(seed, settings, methods) for seed in range(5) for settings, methods in ((12, 5), (6, 3))]


def table(seed: int, settings: int, methods: int, *, tied: bool = False) -> np.ndarray:
    """Sums of correct images, settings × methods; ``tied`` ones come from a few values only."""
    random = np.random.default_rng(seed)
    high = 6 if tied else 100_000
    return random.integers(0, high, (settings, methods)) + np.arange(methods)


@pytest.mark.parametrize(("seed", "settings", "methods"), TABLES)
@pytest.mark.parametrize("tied", [False, True])
def test_friedman_is_that_of_scipy(seed: int, settings: int, methods: int, tied: bool) -> None:
    sums = table(seed, settings, methods, tied=tied)
    found, expected = omnibus.friedman(sums), stats.friedmanchisquare(*sums.T)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("seed", "settings", "methods"), TABLES)
def test_nemenyi_is_that_of_scikit_posthocs(seed: int, settings: int, methods: int) -> None:
    sums = table(seed, settings, methods)
    ranks = stats.rankdata(-sums, axis=1).mean(0)
    expected = scikit_posthocs.posthoc_nemenyi_friedman(sums).to_numpy()
    for one in range(methods):
        for other in range(one):
            p = omnibus.nemenyi_p(ranks[one] - ranks[other], methods, settings)
            assert p == pytest.approx(expected[one, other], abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_wilcoxon_is_that_of_scipy_where_nothing_is_tied(seed: int) -> None:
    differences = np.random.default_rng(seed).choice(np.arange(1, 999), 12, replace=False)
    differences = differences * np.random.default_rng(seed + 99).choice([-1, 1], 12)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert paired.wilcoxon(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    ps = list(np.random.default_rng(seed).uniform(size=9) ** 3)
    assert paired.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_over_settings_is_that_of_a_paired_t_test(seed: int) -> None:
    means = np.random.default_rng(seed).normal(0.3, 1, (8, 2))
    differences = means[:, 0] - means[:, 1]
    found = paired.over_settings(np.repeat(differences[:, None], 2, axis=1), 0.05)
    test = stats.ttest_rel(means[:, 0], means[:, 1])
    interval = test.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (differences.mean(), interval.low, interval.high)
    )
    assert found.p == pytest.approx(test.pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_the_pooled_variance_is_the_residual_variance_of_an_analysis_of_variance(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(6, 4))
    frame = pd.DataFrame(values).melt(ignore_index=False).reset_index(names="setting")
    groups = [group["value"].to_numpy() for _, group in frame.groupby("setting")]
    between = stats.f_oneway(*groups).statistic
    inside = np.mean([4 * (group.mean() - values.mean()) ** 2 for group in groups]) * 6 / 5
    assert paired.pooled(groups).sd ** 2 == pytest.approx(inside / between)
