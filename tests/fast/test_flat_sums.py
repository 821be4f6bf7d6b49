"""Sums of features that come from planes of several sizes and from linear layers."""

import itertools

import pytest
import torch
from sparse_networks import assert_as_good_as_torch, images, prune
from torch import Tensor, nn

import fggp
from fggp.fast.refusal import CompileError

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:.*dense code:RuntimeWarning")]
NAMES = ("wide", "middle", "small", "pixel", "linear", "norm")


class Branches(nn.Module):
    """Branches with as many features each, joined by sums, in place or not, and read further."""

    def __init__(self, *names: str, in_place: bool = False) -> None:
        super().__init__()
        self.names, self.in_place = names, in_place
        small = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Conv2d(3, 25, 1), nn.ReLU())
        self.layers = nn.ModuleDict(
            {
                "wide": nn.Conv2d(3, 1, 3, padding=1),
                "middle": nn.Conv2d(3, 4, 3, stride=2, padding=1),
                "small": small,
                "pixel": nn.Sequential(nn.Conv2d(3, 400, 3), nn.AdaptiveAvgPool2d(1)),
                "linear": nn.Sequential(nn.Flatten(), nn.Linear(1200, 400)),
                "norm": nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1)),
            }
        )
        self.last = nn.Linear(400, 5)

    def forward(self, x: Tensor) -> Tensor:
        total = torch.flatten(self.layers[self.names[0]](x), 1)
        for name in self.names[1:]:
            if self.in_place:
                total += self.layers[name](x).flatten(1)
            else:
                total = total + self.layers[name](x).flatten(1)
        return self.last(torch.relu(total))


def assert_right(model: nn.Module, batch: Tensor) -> None:
    for batched, threads in ((False, 1), (True, 1), (True, 2)):
        compiled = fggp.compile(model, batched=batched, threads=threads)
        assert_as_good_as_torch(compiled(batch), model, batch)


@pytest.mark.parametrize("names", [*itertools.permutations(NAMES, 2)])
def test_features_of_any_two_branches_are_added_one_by_one(names: tuple[str, ...]) -> None:
    assert_right(prune(Branches(*names), 0.3), images(19, 3, 20, 20))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_chain_of_sums_is_right(in_place: bool) -> None:
    names = ("middle", "linear", "small", "wide", "pixel", "middle", "norm")
    assert_right(prune(Branches(*names, in_place=in_place), 0.3), images(33, 3, 20, 20))


class Small(nn.Module):
    """Planes of 4×4 pixels and a linear layer, which are computed for a group of images."""

    def __init__(self, *, swapped: bool, relu: bool, last: bool) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(192, 128)
        self.swapped, self.relu = swapped, relu
        self.last = nn.Linear(128, 128) if last else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        planes, features = torch.flatten(self.conv(x), 1), self.linear(torch.flatten(x, 1))
        total = features + planes if self.swapped else planes + features
        return self.last(torch.relu(total) if self.relu else total)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("count", [2, 16, 35])
def test_planes_and_a_linear_layer_are_added(
    swapped: bool, relu: bool, last: bool, count: int
) -> None:
    model = prune(Small(swapped=swapped, relu=relu, last=last), 0.5)
    assert_right(model, images(count, 3, 8, 8))


class Both(nn.Module):
    """Two flattened convolutions of different shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(3, 2, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.flatten(self.one(x), 1)
        return flat + torch.flatten(self.two(x), 1) + flat


def test_two_flattened_convolutions_of_different_shapes_are_added() -> None:
    assert_right(prune(Both(), 0.5), images(18, 3, 8, 8))


def test_features_of_other_numbers_are_refused() -> None:
    with pytest.raises(CompileError, match="only tensors of one shape can be added"):
        fggp.compile(prune(Both(), 0.5))(images(1, 3, 7, 8))
