"""N of every M along the input channels: hand-written, group by group, and in whole trainings."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from torch import Tensor, nn

import fggp
from fggp.foundation.exact import kept_count
from fggp.methods import METHODS
from fggp.models import build
from fggp.pruning.distributions import n_of_m
from fggp.pruning.initial_masks import Beginning, InitialGroups
from fggp.pruning.mask_update import Update, magnitude
from fggp.pruning.rules import Choose
from fggp.pruning.selections import InGroups
from fggp.pruning.timing import Timing
from fggp.pruning.topk import keep_largest_in_groups

STRUCTURED = [name for name, it in METHODS.items() if not it.exact and it.masking == "soft"]
TENTH = Fraction(1, 10)


@pytest.mark.parametrize(
    ("shape", "most", "density", "expected"),
    [
        ((64, 64, 3, 3), 64, TENTH, (6, 64)),  # 6.4
        ((64, 64, 3, 3), 16, TENTH, (2, 16)),  # 1.6
        ((64, 64, 3, 3), 100, TENTH, (6, 64)),  # no power of two
        ((10, 512), 64, Fraction(5, 100), (3, 64)),  # 3.2
        ((10, 512), 64, Fraction(2, 100), (1, 64)),  # 1.28
        ((10, 512), 64, Fraction(1, 1000), (1, 64)),  # at least one
        ((64, 3, 3, 3), 64, TENTH, (1, 1)),  # odd: dense
        ((8, 6, 3, 3), 64, TENTH, (1, 2)),
        ((8, 24, 1, 1), 64, Fraction(1, 2), (4, 8)),
        ((8, 4), 4, Fraction(3, 8), (1, 4)),  # of 1.5 the smaller, as removing rounds up
        ((8, 4), 4, Fraction(1), (4, 4)),
    ],
)
def test_groups_are_the_largest_power_of_two_and_keep_at_least_one(
    shape: tuple[int, ...], most: int, density: Fraction, expected: tuple[int, int]
) -> None:
    assert n_of_m(shape, most, density) == expected


def test_the_largest_of_a_group_follow_the_hand_written_table() -> None:
    # Two output channels, four input channels, a kernel of two: groups of two input channels.
    score = torch.tensor([1, 8, 2, 7, 3, 6, 4, 5, 9, 9, 9, 9, 0, 1, 1, 0]).float()
    kept = keep_largest_in_groups(score, (2, 4, 2), 2, 1)
    # Channels 0 and 1 compete at each place of the kernel: 1 with 2, 8 with 7; and so on. Of equal
    # ones the later channel stays.
    assert kept.int().tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("keep", [1, 2, 3, 4])
def test_a_group_of_a_linear_layer_is_a_row_of_neighbours(keep: int) -> None:
    score = torch.tensor([3, 1, 2, 0, 5, 5, 5, 5]).float()
    order = [[0], [0, 2], [0, 1, 2], [0, 1, 2, 3]][keep - 1]
    later = list(range(8 - keep, 8))
    kept = keep_largest_in_groups(score, (1, 8), 4, keep)
    assert kept.nonzero().squeeze(1).tolist() == order + later


def slow(score: Any, shape: tuple[int, ...], group: int, keep: int) -> list[bool]:
    scores = np.asarray(score).reshape(shape)
    mask = np.zeros(shape, dtype=bool)
    for out in range(shape[0]):
        for first in range(0, shape[1], group):
            for place in np.ndindex(*shape[2:]):
                members = [(out, first + i, *place) for i in range(group)]
                members.sort(key=lambda m: (scores[m], m))
                for member in members[group - keep :]:
                    mask[member] = True
    return mask.flatten().tolist()


def test_groups_agree_with_a_slow_reference() -> None:
    random = np.random.default_rng(2)
    for _ in range(150):
        group = 2 ** int(random.integers(0, 4))
        kernel = [(), (1,), (3,), (2, 2), (3, 1)][int(random.integers(5))]
        shape = (int(random.integers(1, 4)), group * int(random.integers(1, 4)), *kernel)
        levels = int(random.choice([1, 2, 1000]))  # ties, or none
        score = random.integers(0, levels + 1, prod(shape)).astype(np.float32)
        keep = int(random.integers(1, group + 1))
        kept = keep_largest_in_groups(torch.from_numpy(score), shape, group, keep)
        assert kept.tolist() == slow(score, shape, group, keep)


def test_choosing_looks_at_all_weights_and_changes_none() -> None:
    weight = torch.tensor([1.0, -2, 3, -4, 0.5, 0, 0, 0, 7, 8, 9])
    mask = torch.zeros(11, dtype=torch.bool)
    state = Update(
        weight=weight,
        dense_gradient=None,
        mask=mask,
        survived=mask,
        sizes=(4, 4, 3),
        keep=5,
        window=Fraction(1),
        training=Fraction(1),
        random=np.random.default_rng(0),
        shapes=((1, 4), (2, 2), (1, 3)),
    )
    after = Choose(InGroups(magnitude, 4))(state)
    # 5 of 11: two of four, one of two, and the odd layer whole.
    assert after.mask.int().tolist() == [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1]
    assert torch.equal(after.weight, weight)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_initial_mask_is_that_of_the_initial_weights(layout: torch.memory_format) -> None:
    model = network().to(memory_format=layout)  # type: ignore[call-overload]
    parameters = {n: p for n, p in model.named_parameters() if p.ndim > 1}
    shapes = [tuple(p.shape) for p in parameters.values()]
    beginning = Beginning(shapes, 63, np.random.default_rng(0), parameters=parameters)
    masks = InitialGroups(64)(beginning)
    for mask, shape, weight in zip(masks, shapes, parameters.values(), strict=True):
        group, keep = {3: (1, 1), 6: (2, 1), 8: (8, 1)}[shape[1]]
        score = weight.detach().abs().contiguous().numpy()
        assert mask.tolist() == slow(score, shape, group, keep)


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_parameter_of_one_dimension_is_named_with_the_fix(name: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method(name, sparsity=0.5, steps=10)
    with pytest.raises(ValueError, match=r"1\.weight has one dimension, .* with params="):
        fggp.Pruner(model, optimizer, method, params=["0.weight", "1.weight"])


def group_counts(mask: Tensor, group: int) -> set[int]:
    parts = mask.view(mask.shape[0], mask.shape[1] // group, group, -1)
    return set(parts.sum(2).flatten().tolist())


@pytest.mark.parametrize("name", STRUCTURED)
def test_every_group_keeps_its_count_at_every_step(name: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    timing = Timing(steps=24, begin=0, end=12, every=3)
    method = fggp.method(name, sparsity=0.9, steps=24, timing=timing)
    pruner = fggp.Pruner(model, optimizer, method)
    for _ in range(24):
        counts = [
            group_counts(mask, m) for mask, m in zip(pruner.masks.values(), (1, 2, 8), strict=True)
        ]
        assert counts == [{1}, {1}, {1}]
        assert pruner.sparsity == pytest.approx(1 - (162 + 216 + 5) / TOTAL)
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    zeros = [int((p == 0).sum()) for p in pruner.parameters.values()]
    assert zeros == [0, 216, 35]


@pytest.mark.parametrize(
    ("width", "target", "expected"),
    [
        ("1", "0.9", 1728 + 20_022_272 * 6 // 64),  # realises 0.90617
        ("1", "0.95", 1728 + 20_022_272 * 3 // 64),  # 0.95304
        ("1", "0.98", 1728 + 20_022_272 // 64),  # 0.98429
        # 1 of 8, 2 of 16, 3 of 32, 6 of 64: 0.90476
        ("1/8", "0.9", 216 + 8640 // 8 + 46_080 * 3 // 32 + 258_688 * 6 // 64),
    ],
)
def test_vgg19_realises_nearly_the_target(width: str, target: str, expected: int) -> None:
    with torch.device("meta"):
        model = build("vgg19", width=Fraction(width), classes=10)
    shapes = [tuple(p.shape) for p in model.parameters() if p.ndim > 1]
    total = sum(map(prod, shapes))
    density = Fraction(kept_count(total, Fraction(target)), total)
    kept = sum(prod(shape) * Fraction(*n_of_m(shape, 64, density)) for shape in shapes)
    assert kept == expected


@pytest.mark.filterwarnings("ignore:all gradients are zero")
@pytest.mark.parametrize("pull", [0, Fraction(1, 5000), Fraction(1, 10)])
def test_the_pull_of_sr_ste_shrinks_pruned_weights_and_no_other(pull: Fraction) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    pruner = fggp.Pruner(model, optimizer, fggp.method("sr-ste", sparsity=0.9, steps=9, pull=pull))
    before = [value.clone() for value in pruner.state_dict()["dense"]]
    masks = [mask.clone() for mask in pruner.masks.values()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    pruner.step()
    for old, new, mask in zip(before, pruner.state_dict()["dense"], masks, strict=True):
        expected = torch.where(mask, old, old * (1 - 0.5 * float(pull)))
        assert torch.allclose(new, expected, rtol=1e-6, atol=0)
        assert torch.equal(new[mask], old[mask])
        assert pull == 0 or (new.abs() < old.abs())[~mask].all()
