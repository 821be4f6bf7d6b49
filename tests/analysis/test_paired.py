import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose
from scipy import stats

from fggp.analysis.stats import paired


def matrix(*rows: list[float]) -> paired.Numbers:
    return np.array(rows, dtype=np.float64)


# Means 1.5 and 4.5 points; squares within settings 0.5 and 4.5.
TINY = matrix([1, 2], [3, 6])


def test_variance_is_pooled_over_settings_and_not_over_their_means() -> None:
    assert paired.pooled(list(TINY)) == (np.sqrt(2.5), 2)
    unequal = [np.array([1.0, 2.0, 3.0]), np.array([5.0]), np.array([])]
    assert paired.pooled(unequal) == (1.0, 2)


def test_equal_differences_have_no_spread_however_they_are_rounded() -> None:
    equal = np.full((2, 5), 60 * 0.1)
    for points in (equal, np.full((2, 3), 0.1), np.full((1, 7), 1.1)):
        assert paired.pooled(list(points)).sd == 0
        assert np.isnan(paired.on_the_grid(points, 0.05).p)


def test_the_interval_on_the_grid_is_that_worked_out_by_hand() -> None:
    found = paired.on_the_grid(TINY, 0.05)
    half = 4.302653 * np.sqrt(2.5 / 4)
    assert_allclose(found[:3], [3, 3 - half, 3 + half], rtol=1e-6)
    # With two degrees of freedom p is 1 − t / √(t² + 2), here of t² = 9 / 0.625.
    assert found.p == pytest.approx(1 - np.sqrt(14.4 / 16.4))


def test_the_interval_over_settings_is_that_of_their_means() -> None:
    found = paired.over_settings(TINY, 0.05)
    assert_allclose(found[:3], [3, 3 - 12.706205 * 1.5, 3 + 12.706205 * 1.5], rtol=1e-6)


def test_the_interval_over_seeds_is_that_of_their_means() -> None:
    found = paired.over_seeds(TINY, 0.05)
    assert_allclose(found[:3], [3, 3 - 12.706205, 3 + 12.706205], rtol=1e-6)


@pytest.mark.parametrize(
    ("differences", "which"),
    [
        (matrix([1], [2]), paired.on_the_grid),
        (matrix([1, 1], [2, 2]), paired.on_the_grid),
        (matrix([1, 2]), paired.over_settings),
        (matrix([1, 2], [2, 1]), paired.over_settings),
    ],
)
def test_without_spread_there_is_a_mean_and_no_interval(
    differences: paired.Numbers, which: object
) -> None:
    mean, *rest = which(differences, 0.05)  # type: ignore[operator]
    assert mean == 1.5
    assert np.isnan(rest).all()
    if which is paired.on_the_grid:
        assert np.isnan(paired.practical(differences, 0.1)).all()


def test_a_missing_value_is_refused() -> None:
    gap = matrix([1, np.nan], [3, 6])
    for which in (
        lambda: paired.pooled(list(gap)),
        lambda: paired.on_the_grid(gap, 0.05),
        lambda: paired.over_settings(gap, 0.05),
        lambda: paired.practical(gap, 0.1),
        lambda: paired.correlation(gap, TINY),
        lambda: paired.holm([0.5, np.nan]),
        lambda: paired.wilcoxon(gap[0]),
    ):
        with pytest.raises(ValueError, match="missing"):
            which()


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        (list(range(1, 13)), 2 / 2**12),
        ([1, 2], 0.5),
        ([5], 1),
        ([0, 0], 1),
        ([0, 0, 1, 2], 0.5),  # zeros are dropped
        ([1, -1], 1),
        # Ranks 1.5 1.5 3 4 of 8 signs below W = 1.5: -1.5 twice, and nothing at all: 3 of 16.
        ([-1, 1, 2, 3], 2 * 3 / 16),
        ([1, 1, 2, 2, 3, 3, 4, 4], 2 / 2**8),
        (list(range(1, 31)), 2 / 2**30),
    ],
)
def test_wilcoxon_is_exact_with_ties_and_zeros(differences: list[int], p: float) -> None:
    assert paired.wilcoxon(np.array(differences)) == pytest.approx(p, rel=1e-9)
    assert paired.wilcoxon(-np.array(differences)[::-1]) == pytest.approx(p, rel=1e-9)


def test_wilcoxon_is_exact_with_ties_in_more_settings_than_signs_could_be_enumerated() -> None:
    pairs = np.repeat(np.arange(1, 21), 2)
    assert paired.wilcoxon(pairs) == pytest.approx(2 / 2**40, rel=1e-9, abs=0)
    pairs[0] *= -1  # three sums are as small: of no rank, and of one of the two smallest
    assert paired.wilcoxon(pairs) == pytest.approx(2 * 3 / 2**40, rel=1e-9, abs=0)


@pytest.mark.parametrize("seed", range(3))
def test_wilcoxon_with_ties_is_that_of_all_signs(seed: int) -> None:
    values = default_rng(seed).integers(-4, 9, 14)
    ranks = stats.rankdata(np.abs(values[values != 0]))
    signs = np.array(np.meshgrid(*[[0, 1]] * len(ranks))).reshape(len(ranks), -1)
    sums, found = ranks @ signs, ranks[values[values != 0] > 0].sum()
    p = min(1, 2 * min((sums <= found).mean(), (sums >= found).mean()))
    assert paired.wilcoxon(values) == pytest.approx(p, rel=1e-9)
    assert paired.wilcoxon(np.append(values, [0, 0])) == paired.wilcoxon(values)


def test_the_smallest_p_are_those_of_the_tables() -> None:
    assert [paired.smallest_p(n) for n in (3, 5, 6)] == [0.25, 0.0625, 0.03125]
    assert paired.smallest_p(8) == 0.0078125
    assert paired.smallest_p(12) == pytest.approx(4.883e-4, rel=1e-3)
    assert paired.smallest_p(12, 10) == pytest.approx(0.0049, rel=1e-2)
    assert paired.smallest_p(0) == paired.smallest_p(2, 10) == 1


def test_so_many_seeds_are_needed_inside_a_setting() -> None:
    assert paired.number_needed(0.05) == 6
    assert paired.number_needed(0.05, 12) == 9
    assert paired.number_needed(0.05, 48) == 11


def test_holm_is_that_worked_out_by_hand() -> None:
    assert_allclose(paired.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert paired.holm([]) == []


def test_the_surest_rival_is_the_smallest_p_of_those_ahead_times_the_others() -> None:
    values = default_rng(3).normal((0.0, 3.0, 1.0), size=(2, 4, 3))
    p = paired.on_the_grid(values[:, :, 1] - values[:, :, 0], 0.05).p
    far = paired.on_the_grid(values[:, :, 1] - values[:, :, 2], 0.05).p
    assert_allclose(paired.surest_rival(values, 0.05), [2 * p, 1, 2 * far])
    assert np.isnan(paired.surest_rival(values[:, :1], 0.05)).all()
    # The same lead with every seed is no spread, however it is rounded.
    alike = np.stack([np.zeros((2, 3)), np.full((2, 3), 0.1)], axis=2)
    assert_allclose(paired.surest_rival(alike, 0.05), [1, 1])


def test_pairing_pays_from_correlations_of_the_tables() -> None:
    found = [paired.worthwhile_correlation(n - 1) for n in (3, 5, 10)]
    assert [round(it, 2) for it in found] == [0.58, 0.31, 0.14]
    assert np.isnan(paired.worthwhile_correlation(0))


def test_correlation_is_within_settings() -> None:
    a = matrix([1, 2, 3], [11, 12, 13])
    assert paired.correlation(a, a[:, ::-1]) == -1
    assert paired.correlation(a, 2 * a) == pytest.approx(1)
    assert np.isnan(paired.correlation(a, np.ones_like(a)))


def test_chances_of_practical_difference_add_up_and_follow_the_mean() -> None:
    better, equal, worse = paired.practical(TINY, 0.1)
    assert better + equal + worse == pytest.approx(1)
    assert better > 0.9 > worse
    assert paired.practical(-TINY, 0.1) == pytest.approx((worse, equal, better))
    assert paired.practical(TINY, 100)[1] > 0.99
    # Without a region the chance of being worse is half of the p of the test.
    assert paired.practical(TINY, 0)[2] == pytest.approx(paired.on_the_grid(TINY, 0.05).p / 2)


@pytest.mark.slow
def test_tests_keep_their_size_and_intervals_their_level() -> None:
    generator = default_rng(1)
    repeats, settings, seeds = 2000, 12, 5
    misses = dict.fromkeys(["grid", "settings", "seeds", "wilcoxon", "setting"], 0)
    for _ in range(repeats):
        differences = generator.normal(0, 0.19, (settings, seeds))
        misses["grid"] += paired.on_the_grid(differences, 0.05).p < 0.05
        misses["settings"] += paired.over_settings(differences, 0.05).p < 0.05
        misses["seeds"] += paired.over_seeds(differences, 0.05).p < 0.05
        images = np.round(1000 * differences).astype(np.int64).sum(axis=1)
        misses["wilcoxon"] += paired.wilcoxon(images) < 0.05
        spread = paired.pooled(list(differences))
        first = float(differences[0].mean())
        se = spread.sd / np.sqrt(seeds)
        misses["setting"] += paired.estimate(first, se, spread.df, 0.05).p < 0.05
    # Four standard errors of a share of 0.05 in 2000 are 0.02.
    assert all(0.03 < count / repeats < 0.07 for count in misses.values()), misses


@pytest.mark.slow
def test_an_interaction_inflates_seeds_as_blocks_but_not_wilcoxon_over_settings() -> None:
    generator = default_rng(2)
    repeats, found = 1000, {"naive": 0, "wilcoxon": 0}
    for _ in range(repeats):
        means = generator.normal(0, 0.15, (12, 1))
        differences = means + generator.normal(0, 0.19, (12, 5))
        flat = differences.reshape(1, -1)
        found["naive"] += paired.on_the_grid(flat, 0.05).p < 0.05
        images = np.round(1000 * differences).astype(np.int64).sum(axis=1)
        found["wilcoxon"] += paired.wilcoxon(images) < 0.05
    assert found["naive"] / repeats > 0.15
    assert found["wilcoxon"] / repeats < 0.07


def test_a_variance_per_setting_has_satterthwaites_degrees_of_freedom() -> None:
    """With two settings it is Welch's test of one against the negated other."""
    random = default_rng(7)
    a, b = random.normal(1, 1, 6), random.normal(2, 5, 6)
    found = paired.own_spreads(np.stack([a, b]), 0.05)
    welch = stats.ttest_ind(a, -b, equal_var=False)
    assert found.mean == pytest.approx((a.mean() + b.mean()) / 2)
    assert found.p == pytest.approx(welch.pvalue)
    interval = welch.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low / 2, interval.high / 2))


def test_equal_spreads_lose_no_degrees_of_freedom() -> None:
    values = np.array([[0.0, 1, 2, 3], [5.0, 6, 7, 8]])
    for one, other in zip(
        paired.own_spreads(values, 0.05), paired.on_the_grid(values, 0.05), strict=True
    ):
        assert one == pytest.approx(other)


def test_one_seed_has_no_interval_of_its_own() -> None:
    assert np.isnan(paired.own_spreads(np.ones((3, 1)), 0.05).p)
