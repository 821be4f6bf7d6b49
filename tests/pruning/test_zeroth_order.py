"""Layer ratios from differences of the loss, beside a reference that changes the network."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, SIZES, TOTAL, network
from torch import nn

import fggp
from fggp.foundation.exact import kept_count, largest_remainder
from fggp.pruning import saliency
from fggp.pruning.distributions import by_scores
from fggp.pruning.prunable import prunable

PARTS = [(IMAGES[:3], LABELS[:3]), (IMAGES[3:], LABELS[3:])]


def scores(model: nn.Module, *, draws: int = 1, seed: int = 7) -> list[float]:
    parts = [(x.to(model[0].weight.dtype), y) for x, y in PARTS]
    loss = nn.functional.cross_entropy
    return saliency.zeroth_order(model, prunable(model), parts, loss, draws=draws, seed=seed)


def by_hand(draws: int, seed: int) -> list[float]:
    """Move the weights of one layer after the other, forth and back."""
    model = network().double().eval()
    generator = torch.Generator().manual_seed(seed)
    found = []
    for name in ("0.weight", "3.weight", "8.weight"):
        weight, sizes = model.get_parameter(name), []
        for _ in range(draws):
            z = torch.randn(weight.shape, generator=generator).double()
            losses = []
            for sign in (1, -1):
                moved = copy.deepcopy(model)
                with torch.no_grad():
                    moved.get_parameter(name).add_(z, alpha=sign * 1e-3)
                outputs = moved(IMAGES.double())
                losses.append(float(nn.functional.cross_entropy(outputs, LABELS).detach()))
            sizes.append(abs(losses[0] - losses[1]) / 2e-3)
        found.append(sum(sizes) / draws)
    return found


@pytest.mark.parametrize("draws", [1, 3])
def test_a_layer_counts_by_how_much_noise_in_it_changes_the_loss(draws: int) -> None:
    model = network()
    before = {name: it.clone() for name, it in model.state_dict().items()}
    found = scores(model.double(), draws=draws)
    assert found == pytest.approx(by_hand(draws, 7), rel=1e-6)
    assert all(torch.equal(it, before[name].to(it)) for name, it in model.state_dict().items())
    assert model.training


def test_the_mask_keeps_the_largest_weights_of_each_layer() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method("ecoflap", sparsity=0.9, steps=10)
    pruner = fggp.Pruner(model, optimizer, method, batches=PARTS, loss=nn.functional.cross_entropy)
    keep = kept_count(TOTAL, Fraction(9, 10))
    kept = [layer.kept for layer in pruner.layers("masks")]
    assert sum(kept) == keep
    assert all(
        k >= Fraction(2, 5) * keep * size / TOTAL - 1 for k, size in zip(kept, SIZES, strict=True)
    )
    weights = prunable(network())
    for name, count in zip(weights, kept, strict=True):
        flat = weights[name].detach().abs().flatten().tolist()
        order = sorted(range(len(flat)), key=lambda i: (flat[i], i))
        mask = pruner.masks[name].flatten().nonzero().flatten().tolist()
        assert mask == sorted(order[len(flat) - count :])


def test_without_data_it_says_what_is_missing() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method("ecoflap", sparsity=0.9, steps=10)
    with pytest.raises(ValueError, match="batches="):
        fggp.Pruner(model, optimizer, method)
    with pytest.raises(ValueError, match="batches is empty"):
        saliency.zeroth_order(
            model, prunable(model), [], nn.functional.cross_entropy, draws=1, seed=0
        )
    with pytest.raises(ValueError, match="fine_tune: 0"):
        fggp.method("ecoflap", sparsity=0.9, steps=10, fine_tune=0)


def filled(sizes: list[int], given: list[float], keep: int, least: Fraction) -> list[Fraction]:
    """Pour weights into layers bit by bit: all at once until one layer is full, then on."""
    held = [least * keep * size / sum(sizes) for size in sizes]
    while (rest := keep - sum(held)) > 0:
        room = [i for i in range(len(sizes)) if held[i] < sizes[i]]
        flow = {i: Fraction(given[i]) for i in room}
        if not any(flow.values()):
            flow = {i: Fraction(sizes[i]) for i in room}
        total = sum(flow.values())
        flow = {i: it / total for i, it in flow.items() if it}
        until = min([rest, *((sizes[i] - held[i]) / it for i, it in flow.items())])
        held = [h + until * flow.get(i, 0) for i, h in enumerate(held)]
    return held


def test_shares_by_scores_are_those_of_pouring_until_a_layer_is_full() -> None:
    random, dense = np.random.default_rng(0), 0
    for _ in range(300):
        sizes = random.integers(1, 60, random.integers(1, 7)).tolist()
        given = (random.random(len(sizes)) * (random.random(len(sizes)) < 0.8)).tolist()
        keep, least = (
            int(random.integers(0, sum(sizes) + 1)),
            Fraction(int(random.integers(0, 11)), 10),
        )
        found = by_scores(sizes, given, keep, least)
        assert sum(found) == keep
        assert all(0 <= a <= b for a, b in zip(found, sizes, strict=True))
        if any(given[i] == 0 for i in range(len(sizes))):
            continue  # which layers get what nobody asks for is another matter
        assert found == largest_remainder(filled(sizes, given, keep, least), keep)
        dense += any(a == b for a, b in zip(found, sizes, strict=True))
    assert dense > 30


def test_nine_tenths_are_possible_where_the_official_cap_is_not() -> None:
    # 80 % at most of each layer cannot come to 90 %; the least follows the target instead.
    found = by_scores([100, 100, 800], [1.0, 0.0, 0.0], 100, Fraction(2, 5))
    assert found == [64, 4, 32]
    assert by_scores([100, 100, 800], [0.0, 0.0, 0.0], 100, Fraction(0)) == [10, 10, 80]
    assert by_scores([10, 100, 890], [9.0, 1.0, 0.0], 100, Fraction(0)) == [10, 90, 0]
