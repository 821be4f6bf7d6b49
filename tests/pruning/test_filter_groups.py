"""Groups of channels: those of the networks here, and of networks of others."""

import operator

import pytest
import torch
from networks import network
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune as torch_pruning
from torchvision.models import resnet18

from fggp.models import build
from fggp.pruning.filters.groups import Group, Member, groups


def meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


def test_vgg19_has_16_groups_from_each_convolution_to_the_next() -> None:
    found = groups(meta("vgg19"))
    assert len(found) == 16
    assert [it.channels for it in found] == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    first = (Member("norm1_1"),), (Member("conv1_2"),)
    assert found[0] == Group(64, ("conv1_1",), *first)
    assert found[-1].consumers == (Member("classifier"),)


def test_resnet50_has_37_groups_one_of_them_for_the_residual_stream_of_each_stage() -> None:
    found = groups(meta("resnet50"))
    assert len(found) == 37
    streams = [it for it in found if len(it.producers) > 1]
    assert [it.channels for it in streams] == [256, 512, 1024, 2048]
    assert [len(it.producers) for it in streams] == [4, 5, 7, 4]
    assert {it.name for it in streams[0].consumers} == {
        *("stage1.1.conv1", "stage1.2.conv1", "stage2.0.conv1", "stage2.0.downsample.0")
    }
    assert {it.name for it in streams[-1].consumers} == {
        *("stage4.1.conv1", "stage4.2.conv1", "classifier")
    }
    produced = [name for it in found for name in it.producers]
    assert len(produced) == len(set(produced)) == 53  # all convolutions, never the classifier


def test_groups_of_a_network_of_torchvision_are_found() -> None:
    with torch.device("meta"):
        found = groups(resnet18())
    assert len(found) == 12  # eight inside blocks, four streams, the first with the stem
    assert "conv1" in {name for it in found for name in it.producers}


class Foreign(nn.Module):
    """Sums, products and features of several positions, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.gate, self.last = nn.Conv2d(4, 4, 1), nn.Linear(4 * 9, 5)
        self.norm = nn.BatchNorm1d(4 * 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        x += torch.relu(self.two(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = functional.adaptive_avg_pool2d(x, 3)
        return self.last(self.norm(x.view(x.size(0), -1)))


def test_sums_products_and_flattened_positions_tie_what_they_join() -> None:
    (group,) = groups(Foreign())
    assert set(group.producers) == {"one", "two", "gate"}
    assert group.norms == (Member("norm", 9),)
    assert set(group.consumers) == {Member("two"), Member("gate"), Member("last", 9)}


def test_a_layer_that_is_called_twice_ties_both_of_its_inputs() -> None:
    shared = nn.Linear(4, 4)
    (group,) = groups(nn.Sequential(nn.Linear(3, 4), shared, nn.ReLU(), shared, nn.Linear(4, 2)))
    assert group == Group(4, ("0", "1"), (), (Member("1"), Member("4")))


def convolution(inputs: int = 4, outputs: int = 4) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def test_a_normalization_that_is_called_twice_ties_both_of_its_inputs() -> None:
    shared = nn.BatchNorm2d(4)
    layers = (convolution(3), shared, nn.ReLU(), convolution(), shared, convolution(4, 2))
    (group,) = groups(nn.Sequential(*layers))
    assert group == Group(4, ("0", "3"), (Member("1"),), (Member("3"), Member("5")))


def test_a_normalization_of_the_input_and_of_other_channels_keeps_them_all() -> None:
    shared = nn.BatchNorm2d(3)
    model = nn.Sequential(shared, convolution(3, 3), shared, convolution(3, 4), convolution())
    assert [it.producers for it in groups(model)] == [("3",)]


def test_features_at_several_positions_are_followed_until_they_are_flattened() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.Flatten())
    assert groups(model) == (Group(4, ("0",), (), (Member("2"),)),)
    (group,) = groups(nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.Linear(4, 2)))
    assert group.consumers == (Member("2"),)  # one position


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_flattened_planes_of_any_dimension_have_several_positions(kind: int) -> None:
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[kind - 1]
    (group,) = groups(nn.Sequential(layer(3, 4, 3), nn.Flatten(), nn.Linear(4 * 9, 2)))
    assert group == Group(4, ("0",), (), (Member("2", 9),))


def test_channels_that_are_summed_with_an_input_or_returned_are_in_no_group() -> None:
    class Residual(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + super().forward(x)

    assert groups(Residual(nn.Conv2d(3, 3, 1))) == ()
    assert groups(nn.Sequential(nn.Linear(3, 4))) == ()
    assert len(groups(network())) == 2


class Doing(nn.Module):
    def __init__(self, do) -> None:
        super().__init__()
        self.one, self.do = nn.Conv2d(3, 4, 3), do
        self.line, self.volume = nn.Conv1d(3, 4, 3), nn.Conv3d(3, 4, 3)
        self.four, self.five = nn.Linear(3, 4), nn.Linear(20, 2)
        self.free = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.do(self, x)


def pruned_by_torch() -> nn.Module:
    model = network()
    torch_pruning.l1_unstructured(model[0], "weight", 0.5)
    return model


def twice(layer: nn.Module) -> nn.Module:
    return nn.Sequential(convolution(3), layer, convolution(), layer, convolution())


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Conv2d(4, 4, 1, groups=2)), "0: groups=2; only groups=1"),
        (nn.Sequential(nn.GroupNorm(2, 4)), "0: GroupNorm is not known; known are .*BatchNorm2d"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), "1: LayerNorm is not known"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(0)), "1: flattening of dimensions 0 to -1"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(4, 2)), "1: Linear on planes; flatten"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(6, 2)), "1: 6 inputs are not a multiple of 4"),
        (pruned_by_torch(), r"0: its weight is not a parameter; .*prune\.remove"),
        (tied(), "1: shares its weight with 0"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(20, 2)),
            "3: 20 inputs are 4 features of a linear layer at 5 positions",
        ),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.BatchNorm1d(20), nn.Linear(20, 2)),
            "2: 20 inputs are 4 features of a linear layer at 5 positions",
        ),
        (
            Doing(lambda self, x: self.five(self.four(x).view(x.size(0), -1))),
            "five: 20 inputs are 4 features of a linear layer at 5 positions",
        ),
        (
            nn.Sequential(nn.Linear(3, 4), nn.AvgPool1d(3, 1, 1), nn.Linear(4, 2)),
            "1: AvgPool1d on features; it takes 1d planes",
        ),
        (
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm2d(4), nn.Linear(4, 2)),
            "1: BatchNorm2d on features; it takes 2d planes",
        ),
        (
            nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool2d(3, 1, 1), nn.Conv1d(4, 2, 3)),
            "1: MaxPool2d on 1d planes; it takes 2d planes",
        ),
        (
            Doing(lambda self, x: self.four(self.line(x).mean((-2, -1)))),
            "mean on 1d planes; it takes 2d planes",
        ),
        (
            Doing(lambda self, x: self.four(self.volume(x).mean((2, 3)))),
            "mean on 3d planes; it takes 2d planes",
        ),
        (
            Doing(lambda self, x: self.one(x) + self.four(x)),
            "joins 2d planes and features; only values of one kind",
        ),
        (twice(nn.Conv2d(4, 4, 3, padding=1, groups=4)), "1: groups=4; only groups=1"),
        (twice(nn.PReLU(4)), "1: PReLU is not known"),
        (twice(nn.GroupNorm(2, 4)), "1: GroupNorm is not known"),
        (twice(nn.LayerNorm(4)), "1: LayerNorm is not known"),
        (Doing(lambda self, x: self.one(x) * self.free), "free: a parameter that is used outside"),
        (Doing(lambda self, x: self.one(x) + 1), "1, in place of a tensor"),
        (Doing(lambda self, x: torch.cat([self.one(x), x])), "cat in this form is not known"),
        (Doing(lambda self, x: operator.sub(self.one(x), x)), "sub in this form is not known"),
        (Doing(lambda self, x: self.one(x) if x.sum() > 0 else x), "torch.fx cannot follow"),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused_by_name(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        groups(model)
    assert "\n" not in str(refusal.value)
