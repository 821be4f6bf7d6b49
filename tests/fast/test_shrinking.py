"""`fggp.shrink`: a smaller network that computes what the masked one does."""

import copy
from collections.abc import Mapping

import pytest
import torch
from networks import IMAGES, LABELS, network
from sparse_networks import backbone, exact, images, prune, without_channels
from torch import Tensor, nn

import fggp
from fggp.fast.shrinking import live_channels
from fggp.models import build
from fggp.pruning.filters.groups import groups


def difference(smaller: nn.Module, model: nn.Module, batch: Tensor) -> float:
    """Return how far outputs are apart in float64, as a share of the largest."""
    found, wanted = exact(smaller, batch), exact(model, batch)
    return float((found - wanted).abs().max() / wanted.abs().max())


def masked(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)
    return model


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_half_of_the_filters_go_and_outputs_stay(name: str, training: bool) -> None:
    model = backbone(name, density=1).train(training)
    masks = without_channels(model)
    smaller = fggp.shrink(model, masks)
    assert smaller.training == training
    assert type(smaller) is type(model)
    assert list(smaller.state_dict()) == list(model.state_dict())
    assert difference(smaller, masked(model, masks), images(4, 3, 32, 32)) < 1e-12
    kept = sum(p.numel() for p in smaller.parameters() if p.ndim > 1)
    assert kept == sum(int(mask.sum()) for mask in masks.values())
    for channels, group in zip(live_channels(model, masks), groups(model), strict=True):
        assert int(channels.sum()) == group.channels // 2


@pytest.mark.parametrize("density", [0.3, 0.03, 0.01, 0.001])
@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_masks_of_single_weights_lose_what_has_no_effect(name: str, density: float) -> None:
    model = backbone(name, density=density)
    smaller = fggp.shrink(model)
    wanted = exact(model, images(2, 3, 32, 32))
    assert torch.allclose(exact(smaller, images(2, 3, 32, 32)), wanted, rtol=1e-12, atol=1e-13)
    if density <= 0.03:
        assert sum(map(torch.numel, smaller.parameters())) < sum(
            map(torch.numel, model.parameters())
        )
    assert list(smaller.state_dict()) == list(model.state_dict())


def test_an_empty_filter_goes_only_where_normalization_and_relu_make_it_zero() -> None:
    model = prune(network(), 1.0)
    with torch.no_grad():
        model[0].weight[:3] = 0
        model[1].running_mean[:3] = 0
        model[1].bias[:3] = torch.tensor([-0.5, 0.5, -0.25])
    smaller = fggp.shrink(model)
    assert len(smaller[0].weight) == 4  # the second one is a constant above zero
    assert difference(smaller, model, IMAGES) < 1e-12
    # In training mode a batch has statistics of its own.
    assert len(fggp.shrink(model.train())[0].weight) == 6


class Overwriting(nn.Module):
    """Adds a value that a ReLU has overwritten."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.one, self.relu = nn.Linear(3, 2), nn.ReLU(inplace=inplace)
        self.two, self.last = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        value = self.one(x)
        self.relu(value)
        return self.last(value + self.two(x))


@pytest.mark.parametrize(("inplace", "channels"), [(True, 2), (False, 1)])
def test_a_value_that_was_overwritten_counts_as_what_it_became(
    inplace: bool, channels: int
) -> None:
    model = Overwriting(inplace).eval()
    with torch.no_grad():
        for layer, bias in ((model.one, -1.0), (model.two, 1.0)):
            layer.weight[0] = 0
            layer.bias[0] = bias
    smaller = fggp.shrink(model)
    assert smaller.last.in_features == channels  # −1 + 1 is nothing, 0 + 1 is not
    assert difference(smaller, model, torch.randn(5, 3)) < 1e-12


def test_a_network_without_any_weight_keeps_a_channel_of_each_group() -> None:
    model = backbone("resnet50", density=0)
    smaller = fggp.shrink(model)
    assert smaller.stem.out_channels == smaller.stage4[0].conv2.out_channels == 1
    assert torch.equal(smaller(images(2, 3, 32, 32)), model(images(2, 3, 32, 32)))


def test_the_model_stays_as_it_is_and_shares_nothing_with_the_smaller_one() -> None:
    model = network().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    smaller = fggp.shrink(model, without_channels(model))
    with torch.no_grad():
        for tensor in smaller.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(model.state_dict()[name], it) for name, it in before.items())


def test_a_smaller_network_trains_as_the_masked_one_does() -> None:
    model = network().double()
    masks = without_channels(model)
    smaller, larger = fggp.shrink(model, masks), masked(model, masks)
    for it in (smaller, larger):
        optimizer = torch.optim.SGD(it.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        for _ in range(5):
            nn.functional.cross_entropy(it(IMAGES.double()), LABELS).backward()
            for name, parameter in it.named_parameters():
                if it is larger and name in masks:
                    parameter.grad.mul_(masks[name])
            optimizer.step()
            optimizer.zero_grad()
    assert torch.allclose(smaller(IMAGES.double()), larger(IMAGES.double()), rtol=1e-10)


def test_layout_in_memory_and_frozen_parameters_are_kept() -> None:
    model = network().to(memory_format=torch.channels_last)
    model[0].weight.requires_grad_(False)
    smaller = fggp.shrink(model, without_channels(model))
    assert smaller[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert [p.requires_grad for p in smaller.parameters()][:2] == [False, True]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"0.wait": torch.ones(1)}, r"no parameter '0\.wait'; did you mean '0\.weight'"),
        ({"0.weight": torch.ones(2, 2, dtype=torch.bool)}, r"shape \(6, 3, 3, 3\), its mask"),
    ],
)
def test_masks_of_another_network_are_refused(masks: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fggp.shrink(network(), masks)


def test_the_networks_of_the_registry_can_all_be_shrunk() -> None:
    from fggp.models.registry import names

    with torch.device("meta"):
        assert all(groups(build(name)) for name in names())


@pytest.mark.parametrize("name", ["resnet20", "wrn222"])
def test_a_network_for_small_images_is_shrunk_to_what_its_masks_keep(name: str) -> None:
    model = backbone(name, density=1)
    masks, batch = without_channels(model), images(2, 3, 32, 32)
    smaller = fggp.shrink(model, masks)
    assert smaller.stage3[1].conv1.out_channels < model.stage3[1].conv1.out_channels
    assert difference(smaller, masked(model, masks), batch) < 1e-12
