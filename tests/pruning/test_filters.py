"""Masks of whole filters, their counts, and the scores that they are chosen by."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, network
from torch import Tensor, nn

import fggp
from fggp import METHODS
from fggp.foundation.exact import kept_count
from fggp.foundation.random_streams import stream
from fggp.methods.registry import method
from fggp.models import build
from fggp.pruning import FilterCounts, Filters, Mean, PruneFilters, Stages, gradient, magnitude
from fggp.pruning.filters.masks import FilterMasks
from fggp.pruning.filters.positions import output_positions
from fggp.pruning.filters.scores import (
    Judged,
    activation,
    geometric_median,
    l1,
    l2,
    mean_of_relu,
    random_channels,
    rank,
    taylor,
)
from fggp.pruning.prunable import prunable

FILTERS = [it for it in METHODS.values() if it.pattern == "filters"]
every_method = pytest.mark.parametrize("name", [it.name for it in FILTERS])


def masks_of(name: str) -> FilterMasks:
    with torch.device("meta"):
        model = build(name)
    return FilterMasks(model, prunable(model), (3, 32, 32))


GOLDEN = {  # weights and multiplications with the largest r in thousandths at 90, 95 and 98 %
    "vgg19": ((1_984_049, 39_782_618), (994_335, 20_055_444), (396_810, 8_087_760)),
    "resnet50": ((2_333_432, 128_851_106), (1_169_255, 64_762_874), (467_281, 25_889_482)),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_uniform_counts_are_the_largest_that_fit_the_weights(name: str) -> None:
    filters = masks_of(name)
    total = filters.weights(filters.counts)
    ones = [torch.ones(c) for c in filters.counts]
    everything = [torch.ones(c, dtype=torch.bool) for c in filters.counts]
    for sparsity, golden in zip(("0.9", "0.95", "0.98"), GOLDEN[name], strict=True):
        share = Fraction(kept_count(total, Fraction(sparsity)), total)
        kept = FilterCounts()(filters, ones, everything, share)
        counts = [int(it.sum()) for it in kept]
        assert (filters.weights(counts), filters.work(counts)) == golden


@pytest.mark.parametrize(
    ("name", "whole", "half"),
    [
        ("vgg19", (20_024_000, 398_136_320), (5_007_712, 99_977_728)),
        ("resnet50", (23_467_712, 1_297_829_888), (5_872_480, 324_904_960)),
    ],
)
def test_counts_of_whole_and_halved_networks(
    name: str, whole: tuple[int, int], half: tuple[int, int]
) -> None:
    filters = masks_of(name)
    assert (filters.weights(filters.counts), filters.work(filters.counts)) == whole
    halved = [(c + 1) // 2 for c in filters.counts]
    assert (filters.weights(halved), filters.work(halved)) == half


def test_half_of_the_work_is_at_most_half_of_the_work_and_nearly_that() -> None:
    filters = masks_of("resnet50")
    ones = [torch.ones(c) for c in filters.counts]
    everything = [torch.ones(c, dtype=torch.bool) for c in filters.counts]
    for scope in ("uniform", "global"):
        kept = FilterCounts(scope, "work")(filters, ones, everything, Fraction(1, 2))
        work = filters.work([int(it.sum()) for it in kept])
        assert 0.49 < work / filters.work(filters.counts) <= 0.5


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_channels_come_in_multiples(scope: str) -> None:
    filters = masks_of("vgg19")
    scores = [torch.from_numpy(np.random.default_rng(i).random(c)) for i, c in
              enumerate(filters.counts)]  # fmt: skip
    everything = [torch.ones(c, dtype=torch.bool) for c in filters.counts]
    counts = FilterCounts(scope, "weights", 8)
    kept = [int(it.sum()) for it in counts(filters, scores, everything, Fraction(1, 10))]
    assert all(it % 8 == 0 and it for it in kept)
    assert 0.08 < filters.weights(kept) / filters.weights(filters.counts) <= 0.1


def test_a_group_keeps_a_channel_where_all_of_its_scores_are_the_smallest() -> None:
    model = network()
    filters = FilterMasks(model, prunable(model))
    scores = [torch.zeros(6), torch.arange(1.0, 9.0)]
    everything = [torch.ones(6, dtype=torch.bool), torch.ones(8, dtype=torch.bool)]
    kept = FilterCounts("global")(filters, scores, everything, Fraction(1, 5))
    assert int(kept[0].sum()) == 1
    assert kept[0][5]  # of equal scores the earlier goes first
    assert 1 < int(kept[1].sum()) < 8
    least = FilterCounts("global")(filters, scores, everything, Fraction(1, 100))
    assert [int(it.sum()) for it in least] == [1, 1]
    assert filters.weights([1, 1]) == 41


class Training:
    """A loop over one batch with a pruner, in float64."""

    def __init__(self, name: str, sparsity: str = "0.8", *, dense: list[str] | None = None) -> None:
        self.model = network().double()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.pruner = fggp.Pruner(
            self.model, self.optimizer, method(name, sparsity=sparsity, steps=16),
            batches=[(IMAGES.double(), LABELS)], loss=nn.functional.cross_entropy,
            dense=dense or [],
        )  # fmt: skip

    def step(self) -> None:
        nn.functional.cross_entropy(self.model(IMAGES.double()), LABELS).backward()
        self.optimizer.step()
        self.pruner.step()
        self.optimizer.zero_grad()


def is_whole(mask: Tensor) -> bool:
    """Whether a mask is made of rows and columns."""
    planes = mask.flatten(2) if mask.ndim > 2 else mask[..., None]
    rows, columns = planes.any((1, 2)), planes.any((0, 2))
    return torch.equal(planes, (rows[:, None] & columns)[..., None].expand_as(planes))


@every_method
def test_masks_are_whole_rows_and_columns_and_the_shrunk_network_equals_the_masked_one(
    name: str,
) -> None:
    training = Training(name)
    counts = []
    for step in range(16):
        masks = training.pruner.masks
        assert all(is_whole(mask) for mask in masks.values())
        if step in {0, 5, 15}:
            model = training.model.eval()
            smaller = fggp.shrink(model, masks)
            wanted, found = (it(IMAGES.double()).detach() for it in (model, smaller))
            assert float((found - wanted).abs().max() / wanted.abs().max()) < 1e-12
            kept = sum(layer.kept for layer in training.pruner.layers())
            assert kept == sum(p.numel() for p in smaller.parameters() if p.ndim > 1)
            assert work(model, masks) == work(smaller)
            counts.append(kept)
            model.train()
        training.step()
    assert counts[-1] <= kept_count(634, Fraction("0.8"))
    assert counts == sorted(counts, reverse=True)


def work(model: nn.Module, masks: dict[str, Tensor] | None = None) -> int:
    """Return the multiplications of an image, under masks or of all weights."""
    positions = output_positions(copy.deepcopy(model).float(), (3, 6, 6))
    return sum(
        positions[name] * (p.numel() if masks is None else int(masks[name].sum()))
        for name, p in prunable(model).items()
    )


def test_slimming_takes_the_penalty_from_scales_until_the_window_ends() -> None:
    slim, dense = Training("slimming", "0.8"), Training("dense", "0")
    before = dense.model[1].weight.detach().clone()
    slim.step()
    dense.step()
    gamma = dense.model[1].weight.detach()
    assert torch.allclose(slim.model[1].weight, gamma - 0.1 * 1e-3, atol=1e-12)
    assert not torch.equal(gamma, before)
    for _ in range(7):
        slim.step()
    weights = slim.model[1].weight.detach().abs()
    kept = slim.pruner.masks["0.weight"].flatten(1).any(1)
    assert int(kept.sum()) < 6
    assert float(weights[kept].min()) >= float(weights[~kept].max())
    bare = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.1)
    pruner = fggp.Pruner(bare, optimizer, method("slimming", sparsity=0.5, steps=8))
    bare(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    with pytest.raises(ValueError, match="batch normalization, which 0 does not have"):
        pruner.step()


def test_slimming_subtracts_by_the_learning_rate_of_the_scales() -> None:
    model = Training("slimming").model
    scales = [p for p in model.parameters() if p.ndim == 1]
    others = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": others, "lr": 0.1}, {"params": scales, "lr": 0.5}]
    optimizer = torch.optim.SGD(groups)
    pruner = fggp.Pruner(model, optimizer, method("slimming", sparsity=0.5, steps=8))
    before = model[1].weight.detach().clone()
    for p in model.parameters():
        p.grad = torch.full_like(p, 1e-12)
    optimizer.step()
    pruner.step()
    assert torch.allclose(model[1].weight, before - 0.5 * 1e-3, atol=1e-9)


@pytest.mark.parametrize("name", [it.name for it in FILTERS if it.name != "slimming"])
def test_without_sparsity_training_is_that_of_the_dense_network_to_the_bit(name: str) -> None:
    pruned, dense = Training(name, "0"), Training("dense", "0")
    for _ in range(12):
        pruned.step()
        dense.step()
    assert all(bool(mask.all()) for mask in pruned.pruner.masks.values())
    for one, other in zip(pruned.model.parameters(), dense.model.parameters(), strict=True):
        assert torch.equal(one, other)


@every_method
def test_a_dense_layer_leaves_its_groups_whole(name: str) -> None:
    training = Training(name, "0.5", dense=["0.weight"])
    for _ in range(10):
        training.step()
    masks = training.pruner.masks
    assert masks["0.weight"].all()
    assert masks["3.weight"].flatten(2).any((0, 2)).all()  # the columns of its channels
    assert not masks["3.weight"].flatten(1).any(1).all()
    with pytest.raises(ValueError, match="no group of channels can be pruned"):
        Training(name, "0.1", dense=["3.weight"])


def judged(*rows: tuple[float, ...]) -> Judged:
    """Return one layer with these filters, and a layer that reads it."""
    first = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor(rows))
    model = nn.Sequential(first, nn.Linear(len(rows), 2))
    return of(model)


def of(model: nn.Module, **data: object) -> Judged:
    from fggp.pruning.filters.groups import groups

    return Judged(model, groups(model), stream(1, "initial-mask"), **data)


FOUR = ((3.0, 4.0), (3.0, 3.0), (0.0, 1.0), (-4.0, 0.0))


def test_scores_of_weights_are_the_worked_ones() -> None:
    assert l1(judged(*FOUR))[0].tolist() == [7, 6, 1, 4]
    assert l2(judged(*FOUR))[0].tolist() == pytest.approx([5, 18**0.5, 1, 4])
    distances = geometric_median(judged(*FOUR))[0].tolist()
    assert distances == pytest.approx([13.3049, 12.2213, 11.9713, 19.8011], abs=1e-4)


def test_the_mean_behind_relu_is_the_worked_one_and_that_of_samples() -> None:
    gamma, beta = torch.tensor([1.0, 1, 1, 0.5, 0, 0]), torch.tensor([0.0, 1, -1, -1, 2, -2])
    found = mean_of_relu(gamma.double(), beta.double())
    assert found.tolist() == pytest.approx([0.398942, 1.083315, 0.083315, 0.004245, 2, 0], abs=1e-6)
    drawn = np.random.default_rng(0).normal(1, 1, 10**6).clip(0).mean()
    assert float(found[1]) == pytest.approx(drawn, abs=3e-3)


def test_scores_by_batch_normalization_name_a_layer_without_one() -> None:
    with pytest.raises(ValueError, match="batch normalization, which 0 does not have"):
        activation(judged(*FOUR))


def test_a_normalization_without_a_shift_is_scored_by_its_scale() -> None:
    model = network()
    with torch.no_grad():
        model[1].weight.copy_(torch.arange(6))
    wanted = activation(of(model))[0]
    model[1].register_parameter("bias", None)
    assert torch.equal(activation(of(model))[0], wanted)


class Gated(nn.Module):
    """The network with a gate of ones behind its first batch normalization."""

    def __init__(self, model: nn.Sequential) -> None:
        super().__init__()
        self.model, self.gate = model, nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.model[2:](self.model[:2](x) * self.gate[:, None, None])


def test_the_taylor_score_is_the_squared_gradient_of_a_gate() -> None:
    gated = Gated(network().double())
    with torch.no_grad():
        gated.model[1].bias.normal_(generator=torch.Generator().manual_seed(1))
    parts = [(IMAGES[:4].double(), LABELS[:4]), (IMAGES[4:].double(), LABELS[4:])]
    wanted = torch.zeros(6, dtype=torch.float64)
    for x, y in parts:
        loss = nn.functional.cross_entropy(gated(x), y)
        wanted += torch.autograd.grad(loss, gated.gate)[0] ** 2 / 2
    found = taylor(of(gated.model, batches=parts, loss=nn.functional.cross_entropy))[0]
    assert torch.allclose(found, wanted, rtol=1e-9)
    assert float(found.min()) > 0


def test_scores_on_data_say_what_is_missing() -> None:
    for score in (taylor, rank):
        with pytest.raises(ValueError, match="batches="):
            score(of(network()))
    with pytest.raises(ValueError, match="loss="):
        taylor(of(network(), batches=[(IMAGES, LABELS)]))


def test_the_rank_is_that_of_the_maps_behind_relu_and_leaves_no_trace() -> None:
    model = network().eval()
    before = {name: it.clone() for name, it in model.state_dict().items()}
    found = rank(of(model, batches=[(IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:])]))
    maps = model[:3](IMAGES).detach().double().numpy()
    wanted = np.linalg.matrix_rank(maps).mean(0)
    assert found[0].tolist() == pytest.approx(wanted.tolist())
    assert all(torch.equal(model.state_dict()[name], it) for name, it in before.items())
    assert not any(it._forward_hooks for it in model.modules())


def test_random_channels_follow_the_seed() -> None:
    one, other = random_channels(judged(*FOUR))[0], random_channels(judged(*FOUR))[0]
    assert torch.equal(one, other)
    assert len(set(one.tolist())) == 4


def test_scores_that_are_not_finite_are_refused() -> None:
    model = network()
    with torch.no_grad():
        model[0].weight[0] = float("nan")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="scores are not finite"):
        fggp.Pruner(model, optimizer, method("l1-filter", sparsity=0.5, steps=9))


def test_the_work_needs_an_image() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wanted = method("l1-filter", sparsity=0.5, steps=9, budget="work")
    with pytest.raises(ValueError, match="budget: work counts multiplications"):
        fggp.Pruner(model, optimizer, wanted)
    pruner = fggp.Pruner(model, optimizer, wanted, batches=[(IMAGES, LABELS)])
    assert 0.35 < work(model, pruner.masks) / work(model) <= 0.5


def orders(first: list[float], second: list[float], rate: str) -> list[int]:
    """Return the order in which filters of one group go, by two scores given as numbers."""
    given = {"first": first, "second": second}

    def by(name: str):
        return lambda update, filters: [torch.tensor(given[name])]

    class Group:
        counts = (len(first),)

        def kept(self, mask: Tensor) -> list[Tensor]:
            return [mask]

    class Update:
        mask = torch.ones(len(first), dtype=torch.bool)

    (places,) = Stages(by("first"), by("second"), Fraction(rate))(Update(), Group())
    return torch.argsort(places).tolist()


def test_candidates_by_the_gradient_go_by_magnitude_and_then_the_others() -> None:
    gradients, magnitudes = [5.0, 1, 2, 3, 4], [1.0, 9, 8, 7, 2]
    assert orders(gradients, magnitudes, "3/5") == [3, 2, 1, 4, 0]
    assert orders(gradients, magnitudes, "0") == [1, 2, 3, 4, 0]
    assert orders(gradients, magnitudes, "1") == [0, 4, 3, 2, 1]


def test_all_filters_as_candidates_are_pruned_as_by_magnitude() -> None:
    def final(name: str, **settings: object) -> dict[str, Tensor]:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        planned = method(name, sparsity=0.8, steps=16, **settings)
        pruner = fggp.Pruner(model, optimizer, planned)
        for _ in range(10):
            nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
            optimizer.step()
            pruner.step()
            optimizer.zero_grad()
        return pruner.masks

    gradual = final("gmp-filter", weights="forward")
    staged = final("fggp-filter", rho=1)
    assert all(torch.equal(gradual[name], staged[name]) for name in gradual)
    assert any(not torch.equal(gradual[name], it) for name, it in final("fggp-filter").items())


def test_parts_of_filter_methods_are_equal_by_value() -> None:
    assert Filters(l1) == Filters(l1, FilterCounts())
    rule = PruneFilters(Stages(Mean(gradient), Mean(magnitude), Fraction(1, 2)))
    assert rule == PruneFilters(Stages(Mean(gradient), Mean(magnitude), Fraction(1, 2)))
