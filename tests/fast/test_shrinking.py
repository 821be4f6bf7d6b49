"""`fggp.shrink`: a smaller network that computes what the masked one does."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from networks import IMAGES, LABELS, network
from sparse_networks import backbone, exact, images, prune, without_channels
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

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


class OverwrittenLater(nn.Module):
    """Reads a value before and after a ReLU that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.relu = nn.Linear(3, 2), nn.ReLU(inplace=True)
        self.before, self.after = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        value = self.one(x)
        before = self.before(value)
        total: Tensor = before + self.after(self.relu(value))
        return total


def test_a_value_that_is_overwritten_later_counts_as_what_was_read() -> None:
    model = OverwrittenLater().eval()
    with torch.no_grad():
        model.one.weight[0] = 0
        model.one.bias[0] = -1
    assert difference(fggp.shrink(model), model, torch.randn(5, 3)) < 1e-12


@pytest.mark.parametrize("place", [0, 1])
def test_a_channel_that_a_hook_changes_stays(place: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        model[0].weight[1], model[0].bias[1] = 0, 0
    assert fggp.shrink(model)[0].out_features == 3
    if place:
        model[place].register_forward_pre_hook(lambda _, inputs: inputs[0] + 1)
    else:
        model[place].register_forward_hook(lambda _, inputs, output: output + 1)
    assert difference(fggp.shrink(model), model, torch.randn(5, 3)) < 1e-12


class Optional(nn.Module):
    """Reads another layer where it gets a second input."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.other = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor, more: Tensor | None = None) -> Tensor:
        layer = self.two if more is None else self.other
        found: Tensor = layer(self.one(x))
        return found


def test_an_input_that_may_be_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"more: an argument of forward with a default.*; remove"):
        fggp.shrink(Optional())


class WithSize(nn.Sequential):
    """Returns the size of its batch too."""

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return super().forward(x), x.size(0)


def test_an_output_that_is_not_a_tensor_of_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match="size, in place of a tensor, is not known"):
        fggp.shrink(WithSize(nn.Linear(3, 4), nn.Linear(4, 2)))


@pytest.mark.parametrize("wrapper", [AveragedModel, nn.DataParallel, torch.compile])
def test_networks_inside_wrappers_are_shrunk_and_compiled(
    wrapper: Callable[[nn.Module], nn.Module],
) -> None:
    model = prune(backbone("vgg19"), 0.1)
    batch = images(2, 3, 32, 32)
    smaller = fggp.shrink(wrapper(model))
    assert type(smaller) is type(model)
    assert difference(smaller, model, batch) < 1e-5
    assert torch.equal(fggp.compile(wrapper(model))(batch), fggp.compile(model)(batch))


@pytest.mark.parametrize("work", [fggp.shrink, fggp.compile])
def test_what_is_not_a_network_is_refused(work: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"^\[1\] is n.* a torch\.nn\.Module"):
        work([1])


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


def random_statistics(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight, module.bias, module.running_mean):
                if tensor is not None:
                    nn.init.normal_(tensor)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def random_masks(model: nn.Module, seed: int) -> dict[str, Tensor]:
    """Return masks without random rows and columns, of which any may be left elsewhere."""
    random = torch.Generator().manual_seed(seed)
    masks = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            mask = torch.ones_like(parameter, dtype=torch.bool)
            mask[torch.rand(len(mask), generator=random) < 0.5] = False
            mask[:, torch.rand(mask.shape[1], generator=random) < 0.5] = False
            masks[name] = mask
    return masks


def again(layer: nn.Module, between: nn.Module, channels: int = 8) -> nn.Module:
    """Return a network in which a layer is called twice."""
    return nn.Sequential(
        *(nn.Conv2d(3, channels, 3, padding=1), layer, nn.ReLU(), between, layer, nn.ReLU()),
        nn.Conv2d(channels, 2, 3, padding=1),
    )


AGAIN = {
    "normalization": lambda: again(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)),
    "normalization of sizes": lambda: again(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, stride=2)),
    "normalization without scale": lambda: again(
        nn.BatchNorm2d(8, affine=False), nn.Conv2d(8, 8, 1)
    ),
    "convolution": lambda: again(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)),
    "block": lambda: again(
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)), nn.MaxPool2d(2)
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", AGAIN)
def test_a_layer_that_is_called_twice_loses_what_neither_call_needs(name: str, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, batch = random_statistics(AGAIN[name]()), torch.randn(4, 3, 9, 9)
    masks = random_masks(model, seed)
    assert difference(fggp.shrink(model, masks), masked(model, masks), batch) < 1e-12
    whole = without_channels(model, seed=seed)
    smaller = fggp.shrink(model, whole)
    assert difference(smaller, masked(model, whole), batch) < 1e-12
    assert smaller[6].in_channels == 4


def test_a_normalization_of_features_that_is_called_twice_is_cut_once() -> None:
    shared = nn.BatchNorm1d(6)
    layers = (nn.Linear(3, 6), shared, nn.ReLU(), nn.Linear(6, 6), shared, nn.Linear(6, 2))
    model = random_statistics(nn.Sequential(*layers))
    masks = without_channels(model)
    smaller = fggp.shrink(model, masks)
    assert smaller[1] is smaller[4]
    assert smaller[1].num_features == smaller[3].out_features == smaller[5].in_features == 3
    assert difference(smaller, masked(model, masks), torch.randn(5, 3)) < 1e-12


def test_a_channel_that_is_zero_in_one_call_of_a_layer_only_stays() -> None:
    shared = nn.Linear(4, 4)
    layers = (nn.Linear(3, 4), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(4, 2))
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        model[5].weight[:, 0] = 0
        shared.weight[0], shared.bias[0] = 0, -1.0  # zero behind the ReLU
    smaller = fggp.shrink(model)
    assert smaller[1].in_features == 4
    assert difference(smaller, model, torch.randn(5, 3)) < 1e-12


def test_features_of_several_positions_are_shrunk_or_refused() -> None:
    batch = torch.randn(6, 5, 8)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    masks = without_channels(model)
    smaller = fggp.shrink(model, masks)
    assert smaller[0].out_features == 8
    assert difference(smaller, masked(model, masks), batch) < 1e-12
    flat = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
    with pytest.raises(ValueError, match=r"3: 80 inputs are 16 features .* at 5 positions"):
        fggp.shrink(flat)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.bfloat16])
def test_masks_of_zeros_and_ones_of_any_dtype_are_those_of_bool(dtype: torch.dtype) -> None:
    model = network().eval()
    masks = without_channels(model)
    other = {name: mask.to(dtype) for name, mask in masks.items()}
    found, wanted = fggp.shrink(model, other).state_dict(), fggp.shrink(model, masks).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    counts = zip(live_channels(model, other), live_channels(model, masks), strict=True)
    assert all(torch.equal(one, another) for one, another in counts)


def test_masks_of_biases_and_scales_count_too() -> None:
    model = random_statistics(network())
    with torch.no_grad():
        model[0].weight[:] = 0
        model[1].running_mean.fill_(10)
        model[1].weight.fill_(1)
        model[1].bias.fill_(1)  # behind the ReLU, zero with the scale and 1 without
    masks = {"1.weight": torch.zeros(6, dtype=torch.bool)}
    smaller = fggp.shrink(model, masks)
    assert smaller[3].in_channels == 6
    assert difference(smaller, masked(model, masks), IMAGES) < 1e-12


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"0.wait": torch.ones(1)}, r"no parameter '0\.wait'; did you mean '0\.weight'"),
        ({"0.weight": torch.ones(2, 2, dtype=torch.bool)}, r"shape \(6, 3, 3, 3\), its mask"),
        (
            {"0.weight": torch.full((6, 3, 3, 3), 0.5)},
            r"mask of 0\.weight is torch\.float32 with values other than 0 and 1; .*mask\.bool",
        ),
        ({"0.weight": torch.full((6, 3, 3, 3), 2)}, r"is torch\.int64 with values other than 0"),
        ({"8.bias": torch.full((5,), float("nan"))}, r"mask of 8\.bias is .* with values other"),
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
