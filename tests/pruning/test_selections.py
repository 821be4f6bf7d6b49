"""Every variant of the two-stage rule against a slow, obvious reference in numpy."""

import re
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
import torch

from fggp.methods import find
from fggp.pruning.mask_update import Update, gradient, magnitude
from fggp.pruning.selections import Activating, Largest

SIZES = (3, 5, 4)
CASES = range(150)


def case(seed):
    """Small integers, so that ties and zeros are the rule."""
    random = np.random.default_rng(seed)
    total = sum(SIZES)
    mask = random.random(total) < 0.75
    mask[random.integers(total)] = True
    weight = random.integers(-3, 4, total) * mask
    keep = int(random.integers(0, mask.sum() + 1))
    return weight.astype(float), random.integers(-2, 3, total).astype(float), mask, keep


def made(weight, grad, mask, keep, **progress):
    mask = torch.tensor(mask)
    return Update(
        weight=torch.tensor(weight),
        dense_gradient=torch.tensor(grad),
        mask=mask,
        survived=mask,
        sizes=SIZES,
        keep=keep,
        window=progress.get("window", Fraction(1, 2)),
        training=progress.get("training", Fraction(1, 4)),
        random=np.random.default_rng(0),
    )


def chosen(update, **settings):
    return find("fggp").recipe(**settings).rule.select(update).numpy()


def largest(score, count, among):
    """The last ``count`` of the positions ``among`` in ascending (|score|, index)."""
    ordered = sorted(among, key=lambda i: (abs(score[i]), i))
    return set(ordered[len(ordered) - count :])


def as_mask(positions):
    return np.isin(np.arange(sum(SIZES)), sorted(positions))


def two_stage(first, second, active, keep, filled):
    protected = largest(first, keep - filled, active)
    return protected | largest(second, filled, set(active) - protected)


def by_pool(first, second, active, keep, size):
    """The pool form: of the ``size`` smallest by the first criterion, prune by the second."""
    pool = sorted(active, key=lambda i: (abs(first[i]), i))[:size]
    pruned = sorted(pool, key=lambda i: (abs(second[i]), i))[: len(active) - keep]
    return set(active) - set(pruned)


@pytest.mark.parametrize("order", ["gradient-first", "magnitude-first"])
@pytest.mark.parametrize(
    ("pool", "name", "rate"),
    [
        ("kept", "rate", "1/4"),
        ("kept", "rate", 0.5),
        ("active", "rho", "1/3"),
        ("active", "rho", "9/10"),
        ("quota", "kappa", "3/2"),
        ("quota", "kappa", 4),
    ],
)
def test_each_pool_prunes_by_the_second_criterion_among_the_smallest_of_the_first(
    order, pool, name, rate
):
    for seed in CASES:
        weight, grad, mask, keep = case(seed)
        active = list(np.flatnonzero(mask))
        n, r = len(active), Fraction(str(rate))
        size = {
            "kept": (n - keep) + ceil(r * keep),
            "active": max(n - keep, ceil(r * n)),
            "quota": min(n, ceil(r * (n - keep))),
        }[pool]
        first, second = (grad, weight) if order == "gradient-first" else (weight, grad)
        got = chosen(made(weight, grad, mask, keep), order=order, pool=pool, **{name: rate})
        assert np.array_equal(got, as_mask(by_pool(first, second, active, keep, size))), seed


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"rho": 1}, magnitude),
        ({"rho": 0}, gradient),
        ({"rho": 1, "order": "magnitude-first"}, gradient),
        ({"rho": 0, "order": "magnitude-first"}, magnitude),
        ({"pool": "kept", "rate": 1}, magnitude),
        ({"pool": "kept", "rate": 0}, gradient),
        ({"pool": "kept", "rate": 1, "order": "magnitude-first"}, gradient),
        ({"pool": "kept", "rate": 0, "order": "magnitude-first"}, magnitude),
        ({"pool": "quota", "kappa": 1}, gradient),
        ({"pool": "quota", "kappa": 1000}, magnitude),
    ],
)
def test_at_its_limits_the_rule_is_one_criterion_alone(settings, limit):
    for seed in CASES:
        weight, grad, mask, keep = case(seed)
        if keep == mask.sum() and "kappa" in settings:
            continue  # nothing to prune: any factor of nothing is nothing
        update = made(weight, grad, mask, keep)
        assert np.array_equal(chosen(update, **settings), Largest(limit)(update).numpy()), seed


def test_in_layer_scope_each_layer_keeps_its_share_by_largest_remainder():
    for seed in CASES:
        weight, grad, mask, keep = case(seed)
        got = chosen(made(weight, grad, mask, keep), pool="kept", scope="layer")
        layers = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
        active = [[i for i in layer if mask[i]] for layer in layers]
        shares = [Fraction(keep * len(a), int(mask.sum())) for a in active]
        counts = [floor(share) for share in shares]
        order = sorted(range(len(SIZES)), key=lambda i: (-(shares[i] - counts[i]), i))
        for i in order[: keep - sum(counts)]:
            counts[i] += 1
        expected = set()
        for a, k in zip(active, counts, strict=True):
            assert k <= len(a)
            expected |= two_stage(grad, weight, a, k, ceil(Fraction(1, 2) * k))
        assert np.array_equal(got, as_mask(expected)), seed


def test_growing_lets_the_gradient_choose_among_all_and_starts_grown_weights_from_zero():
    for seed in CASES:
        weight, grad, mask, keep = case(seed)
        update = made(weight, grad, mask, keep)
        filled = ceil(Fraction(1, 2) * keep)
        protected = largest(grad, keep - filled, range(len(mask)))
        fill = largest(weight, filled, set(np.flatnonzero(mask)) - protected)
        after = find("fggp").recipe(pool="kept", grow="gradient").rule(update)
        assert np.array_equal(after.mask.numpy(), as_mask(protected | fill)), seed
        assert not after.survived[~torch.tensor(mask)].any()
        assert int(after.mask.sum()) == keep


def test_growing_at_rate_one_is_magnitude_pruning():
    for seed in CASES:
        update = made(*case(seed))
        got = chosen(update, pool="kept", grow="gradient", rate=1)
        assert np.array_equal(got, Largest(magnitude)(update).numpy())


@pytest.mark.parametrize("grow", ["none", "gradient"])
def test_a_floor_keeps_the_largest_magnitudes_of_each_layer_before_the_rule_runs(grow):
    share = Fraction(1, 5)
    for seed in CASES:
        weight, grad, mask, keep = case(seed)
        layers = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
        reserved = set()
        for layer in layers:
            active = [i for i in layer if mask[i]]
            reserved |= largest(weight, min(ceil(share * len(layer)), len(active)), active)
        if len(reserved) > keep:
            continue  # refused before training
        rest = keep - len(reserved)
        filled = ceil(Fraction(1, 2) * rest)
        active = set(np.flatnonzero(mask)) - reserved
        among = set(range(len(mask))) - reserved if grow == "gradient" else active
        protected = largest(grad, rest - filled, among)
        expected = reserved | protected | largest(weight, filled, active - protected)
        got = chosen(made(weight, grad, mask, keep), pool="kept", floor=share, grow=grow)
        assert np.array_equal(got, as_mask(expected)), seed
        assert got.sum() == keep


def test_an_annealed_rate_follows_its_progress():
    weight, grad, mask, keep = case(3)
    annealed = {"schedule": "linear", "start": 1, "end": 0, "over": "window"}
    begin = made(weight, grad, mask, keep, window=Fraction(0))
    end = made(weight, grad, mask, keep, window=Fraction(1))
    assert np.array_equal(chosen(begin, rho=annealed), Largest(magnitude)(begin).numpy())
    assert np.array_equal(chosen(end, rho=annealed), Largest(gradient)(end).numpy())
    halfway = made(weight, grad, mask, keep, training=Fraction(1, 2))
    assert np.array_equal(
        chosen(halfway, rho={**annealed, "over": "training"}), chosen(halfway, rho=0.5)
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rho": 2}, "rho: 2 is out of range; the nearest valid is 1"),
        ({"pool": "quota", "kappa": 0.5}, "kappa: 0.5 is out of range; the nearest valid is 1"),
        (
            {"pool": "kept", "rho": 0.2},
            "rho: has no effect with pool kept; set rate or another pool",
        ),
        ({"rate": 0.2}, "rate: has no effect with pool active; set rho or another pool"),
        ({"grow": "gradient"}, "grow: gradient requires order gradient-first and pool kept"),
        (
            {"pool": "kept", "grow": "gradient", "order": "magnitude-first"},
            "grow: gradient requires order",
        ),
        ({"rho": {"schedule": "cosin", "start": 1, "end": 0}}, "did you mean 'cosine'"),
        ({"gradient_steps": 0}, "greater than or equal to 1"),
    ],
)
def test_a_setting_that_cannot_be_or_would_have_no_effect_is_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find("fggp").recipe(**settings)


def activated(weight, start, mask, keep, share):
    """Take the smallest, then negative ones that moved least, and the smallest for lack of them."""
    left = sorted(np.flatnonzero(mask), key=lambda i: (abs(weight[i]), i))
    last = floor(share * (len(left) - keep) + Fraction(1, 2))
    left = left[len(left) - keep - last :]
    negative = [i for i in sorted(left) if weight[i] < 0]
    for i in sorted(negative, key=lambda i: (abs(weight[i] - start[i]), i))[:last]:
        left.remove(i)
    return set(left[len(left) - keep :])


@pytest.mark.parametrize("share", ["0", "1/10", "1/2", "1"])
def test_activating_takes_negative_weights_that_moved_least_after_the_smallest(share):
    few = 0
    for seed in CASES:
        weight, start, mask, keep = case(seed)
        update = replace(made(weight, weight, mask, keep), round_start=torch.tensor(start))
        found = Activating(magnitude, Fraction(share))(update).numpy()
        wanted = as_mask(activated(weight, start, mask, keep, Fraction(share)))
        assert (found == wanted).all(), seed
        few += (weight[mask] < 0).sum() < mask.sum() - keep
    assert few > 50


def test_activating_without_rounds_is_refused():
    weight, start, mask, _ = case(0)
    update = made(weight, start, mask, 1)
    with pytest.raises(RuntimeError, match="there are no rounds"):
        Activating(magnitude, Fraction(1, 2))(update)
