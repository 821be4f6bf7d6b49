"""A single convolution, whatever its geometry, is as close to float64 as float32 can be."""

import itertools

import pytest
import torch
from sparse_networks import error, exact, images, prune
from torch import nn

import fggp

PROCESSORS = [None, "haswell", "nehalem"]


def check(model: nn.Module, batch: torch.Tensor, **options: object) -> None:
    compiled = fggp.compile(model.eval(), **options)
    wanted = exact(model, batch)
    assert error(compiled(batch), wanted) <= 1e-6


@pytest.mark.parametrize("side", [1, 2, 3, 4, 8, 16, 24, 33])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (7, 2, 3), (2, 2, 0), (3, 3, 2)],
)
def test_a_convolution_is_exact_to_rounding(side, kernel, stride, padding):
    if side + 2 * padding < kernel:
        pytest.skip("nothing is left")
    layer = nn.Conv2d(9, 11, kernel, stride, padding)
    check(prune(layer, 0.3), images(3, 9, side, side))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [((1, 3), 1, (0, 1)), ((3, 1), (2, 1), (1, 0)), ((2, 3), (1, 2), (1, 0)), ((3, 5), (3, 1), 2)],
)
def test_rows_and_columns_may_differ(kernel, stride, padding):
    check(prune(nn.Conv2d(4, 6, kernel, stride, padding), 0.4), images(2, 4, 9, 14))


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize(("channels", "side", "density"), [(300, 8, 0.1), (130, 32, 0.05)])
def test_many_channels_are_summed_in_blocks(channels, side, density, processor):
    layer = prune(nn.Conv2d(channels, 8, 3, padding=1, bias=False), density)
    check(layer, images(2, channels, side, side), processor=processor)


def test_outputs_without_weights_are_their_bias():
    layer = prune(nn.Conv2d(5, 7, 3, padding=1), 0.5)
    with torch.no_grad():
        layer.weight[2:5] = 0
    batch = images(2, 5, 6, 6)
    check(layer, batch)
    found = fggp.compile(layer)(batch)
    assert torch.equal(found[:, 2:5], layer.bias[2:5].reshape(1, 3, 1, 1).expand(2, 3, 6, 6))


@pytest.mark.parametrize("side", [1, 4, 16])
def test_a_layer_without_any_weight_is_its_bias(side):
    layer = prune(nn.Conv2d(5, 7, 3, padding=1), 0)
    found = fggp.compile(layer)(images(2, 5, side, side))
    assert torch.equal(found, layer.bias.reshape(1, 7, 1, 1).expand_as(found).contiguous())


@pytest.mark.filterwarnings("ignore:.*dense code:RuntimeWarning")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_layer_that_keeps_every_weight_is_exact_too(processor):
    for kernel, side in itertools.product((1, 3), (1, 7, 16)):
        layer = nn.Conv2d(20, 10, kernel, padding=kernel // 2).eval()
        check(layer, images(2, 20, side, side), processor=processor)


@pytest.mark.filterwarnings("ignore:.*dense code:RuntimeWarning")
@pytest.mark.parametrize(
    ("layer", "side"),
    [
        (nn.MaxPool2d(2), 7),
        (nn.MaxPool2d(3, 2, 1), 16),
        (nn.MaxPool2d((3, 2), (1, 2), (1, 0)), 33),
        (nn.AvgPool2d(2), 9),
        (nn.AvgPool2d(3, 2, 1), 24),
        (nn.AdaptiveAvgPool2d(1), 5),
        (nn.AdaptiveAvgPool2d((2, 4)), 8),
        (nn.ReLU(), 5),
        (nn.BatchNorm2d(3), 5),
    ],
    ids=str,
)
def test_other_layers_are_exact_to_rounding(layer, side):
    check(prune(layer, 1), images(2, 3, side, side))


def test_nan_goes_through_relu_and_pooling_as_in_torch():
    model = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    for place in itertools.product(range(2), range(2)):
        batch = images(1, 1, 4, 4)
        batch[0, 0, *place] = float("nan")
        assert torch.equal(fggp.compile(model.eval())(batch).isnan(), model(batch).isnan())


@pytest.mark.parametrize("batched", [False, True])
def test_linear_layers_take_planes_and_features(batched):
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 40), nn.ReLU(), nn.Linear(40, 5)
    )
    check(prune(model, 0.4), images(19, 3, 4, 4), batched=batched)
    features = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 5))
    check(prune(features, 0.4), images(19, 64), batched=batched)
