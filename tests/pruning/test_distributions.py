from fractions import Fraction
from math import prod

import numpy as np
import pytest
import torch

from fggp.foundation.exact import kept_count
from fggp.foundation.random_streams import stream
from fggp.models import build
from fggp.pruning.distributions import Distribution, erk, uniform
from fggp.pruning.initial_masks import ERK, Beginning, Random

SPARSITIES = ("0.5", "0.9", "0.95", "0.98")
Shapes = list[tuple[int, ...]]


def shapes_of(backbone: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = build(backbone)
    return {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim > 1}


SHAPES = {backbone: shapes_of(backbone) for backbone in ("vgg19", "resnet50")}


def densities(backbone: str, sparsity: str) -> dict[str, float]:
    shapes = SHAPES[backbone]
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    keep = kept_count(sum(sizes.values()), Fraction(sparsity))
    counts = erk(list(shapes.values()), keep)
    return {name: n / sizes[name] for name, n in zip(shapes, counts, strict=True)}


VGG19 = {
    (3, 64): (1, 1, 1, 1),
    (64, 64): (1, 0.689, 0.344, 0.136),
    (64, 128): (1, 0.509, 0.254, 0.101),
    (128, 128): (1, 0.337, 0.168, 0.067),
    (128, 256): (1, 0.251, 0.125, 0.050),
    (256, 256): (0.870, 0.167, 0.083, 0.033),
    (256, 512): (0.650, 0.124, 0.062, 0.025),
    (512, 512): (0.433, 0.083, 0.041, 0.016),
    (512, 10): (1, 1, 1, 1),
}


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_erk_densities_of_vgg19_are_the_published_ones(sparsity: str) -> None:
    got = densities("vgg19", sparsity)
    assert len(got) == 17
    for name, density in got.items():
        outputs, inputs = SHAPES["vgg19"][name][:2]
        expected = VGG19[inputs, outputs][SPARSITIES.index(sparsity)]
        assert density == pytest.approx(expected, abs=6e-4), name


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("stage4.1.conv2.weight", (0.131, 0.0206, 0.0102, 0.0040)),
        ("stage4.1.conv1.weight", (0.733, 0.116, 0.057, 0.022)),
        ("stage4.1.conv3.weight", (0.733, 0.116, 0.057, 0.022)),
    ],
)
def test_erk_densities_of_resnet50_are_the_published_ones(
    layer: str, expected: tuple[float, ...]
) -> None:
    got = [densities("resnet50", sparsity)[layer] for sparsity in SPARSITIES]
    assert got == pytest.approx(expected, abs=6e-4)


def test_at_98_percent_erk_keeps_no_layer_of_resnet50_dense() -> None:
    got = densities("resnet50", "0.98")
    assert got["stem.weight"] == pytest.approx(0.386, abs=6e-4)
    assert got["classifier.weight"] == pytest.approx(0.919, abs=6e-4)
    assert max(got.values()) < 1


def random_shapes(random: np.random.Generator) -> Shapes:
    return [
        tuple(int(n) for n in random.integers(1, 9, size=random.choice([2, 4])))
        for _ in range(random.integers(1, 7))
    ]


@pytest.mark.parametrize("distribution", [erk, uniform])
def test_counts_sum_exactly_and_fit_their_layers_at_every_budget(
    distribution: Distribution,
) -> None:
    random = np.random.default_rng(1)
    for _ in range(100):
        shapes = random_shapes(random)
        sizes = [prod(shape) for shape in shapes]
        for keep in {0, 1, sum(sizes), int(random.integers(0, sum(sizes) + 1))}:
            counts = distribution(shapes, keep)
            assert sum(counts) == keep
            assert all(0 <= n <= size for n, size in zip(counts, sizes, strict=True))


@pytest.mark.parametrize("backbone", SHAPES)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_uniform_gives_every_layer_the_same_density_to_a_weight(
    backbone: str, sparsity: str
) -> None:
    shapes = list(SHAPES[backbone].values())
    keep = kept_count(sum(prod(shape) for shape in shapes), Fraction(sparsity))
    counts = uniform(shapes, keep)
    assert sum(counts) == keep
    density = 1 - Fraction(sparsity)
    for count, shape in zip(counts, shapes, strict=True):
        assert abs(count - density * prod(shape)) <= 1


def test_equal_layers_share_an_odd_budget_with_the_unit_for_the_earlier() -> None:
    assert uniform([(2, 2), (2, 2)], 3) == [2, 1]
    assert erk([(2, 2), (2, 2)], 3) == [2, 1]


def test_what_a_full_layer_cannot_take_goes_to_the_others() -> None:
    # Sums 2 and 20, so 11 weights would be split 1 : 10 and 22 as 2 : 20; the first holds one.
    assert erk([(1, 1), (10, 10)], 11) == [1, 10]
    assert erk([(1, 1), (10, 10)], 22) == [1, 21]


@pytest.mark.parametrize("distribution", [erk, uniform])
@pytest.mark.parametrize("keep", [0, 1, 30, 112])
def test_initial_masks_hold_the_exact_count_in_every_layer(
    distribution: Distribution, keep: int
) -> None:
    shapes = [(4, 3), (5, 2, 3, 3), (10, 1)]
    masks = Random(distribution)(Beginning(shapes, keep, stream(1, "initial-mask")))
    assert [len(mask) for mask in masks] == [12, 90, 10]
    assert [int(mask.sum()) for mask in masks] == distribution(shapes, keep)


def test_initial_masks_of_a_seed_never_change() -> None:
    masks = ERK(Beginning([(4, 2), (3, 3)], 8, stream(3, "initial-mask")))
    assert [np.flatnonzero(mask).tolist() for mask in masks] == [[0, 3, 4, 5], [3, 5, 7, 8]]
