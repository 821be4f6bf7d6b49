"""Filter methods on networks of every type of number, of other layers, and with frozen tensors."""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from networks import IMAGES, LABELS, network
from torch import Tensor, nn

import fggp
from fggp import METHODS
from fggp.methods.registry import method
from fggp.pruning.filters import masks as filter_masks
from fggp.pruning.filters.masks import FilterMasks
from fggp.pruning.filters.positions import LAYERS, output_positions
from fggp.pruning.filters.scores import Judged, rank, taylor
from fggp.pruning.prunable import prunable

FILTERS = [it.name for it in METHODS.values() if it.pattern == "filters"]
BY_WORK = [name for name in FILTERS if "budget" in METHODS[name].settings.model_fields]
every_method = pytest.mark.parametrize("name", FILTERS)


def planes(kind: int) -> nn.Sequential:
    """Return a network of convolutions of one, two or three dimensions."""
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[kind - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[kind - 1]
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[kind - 1]
    return nn.Sequential(
        *(conv(3, 8, 3), norm(8), nn.ReLU(), conv(8, 8, 3, stride=2), norm(8), nn.ReLU()),
        *(pool(1), nn.Flatten(), nn.Linear(8, 5)),
    )


def hidden() -> nn.Sequential:
    """Return a network with a hidden linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()),
        *(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5)),
    )


def perceptron() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(108, 16), nn.BatchNorm1d(16), nn.ReLU()),
        *(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5)),
    )


def called_twice() -> nn.Sequential:
    norm = nn.BatchNorm2d(8)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), norm),
        *(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    )


def images(*shape: int) -> Tensor:
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))


NETWORKS: dict[str, tuple[Callable[[], nn.Sequential], Tensor]] = {
    "1d": (lambda: planes(1), images(3, 9)),
    "2d": (lambda: planes(2), images(3, 7, 9)),
    "3d": (lambda: planes(3), images(3, 5, 6, 7)),
    "hidden": (hidden, IMAGES),
    "perceptron": (perceptron, IMAGES),
    "called twice": (called_twice, IMAGES),
}


def trained(
    name: str, model: nn.Module, x: Tensor, steps: int = 10, **settings: object
) -> fggp.Pruner:
    """Return the pruner of a network after some steps of a method."""
    own = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(own, lr=0.05)
    pruner = fggp.Pruner(
        model, optimizer, method(name, sparsity=0.5, steps=16, **settings),
        batches=[(x, LABELS)], loss=nn.functional.cross_entropy,
    )  # fmt: skip
    for _ in range(steps):
        nn.functional.cross_entropy(model(x), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    return pruner


def seeded(make: Callable[[], nn.Sequential]) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make()


def assert_shrinks(model: nn.Module, pruner: fggp.Pruner, x: Tensor, tolerance: float) -> None:
    smaller = fggp.shrink(model.eval(), pruner.masks)
    kept = sum(layer.kept for layer in pruner.layers())
    assert kept == sum(p.numel() for p in smaller.parameters() if p.ndim > 1)
    difference = (smaller(x) - model(x)).abs().max() / model(x).abs().max()
    assert float(difference.detach()) < tolerance


@every_method
@pytest.mark.parametrize("kind", NETWORKS)
def test_filters_of_a_network_are_pruned_and_shrunk(name: str, kind: str) -> None:
    make, x = NETWORKS[kind]
    model, x = seeded(make).double(), x.double()
    pruner = trained(name, model, x)
    assert pruner.sparsity >= 0.5
    assert_shrinks(model, pruner, x, 1e-12)


TYPES = {torch.float64: 1e-12, torch.bfloat16: 0.05, torch.float16: 0.01}


@every_method
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("kind", ["2d", "hidden"])
def test_networks_of_any_type_of_number_are_pruned(
    name: str, dtype: torch.dtype, kind: str
) -> None:
    make, x = NETWORKS[kind]
    model, x = seeded(make).to(dtype), x.to(dtype)
    pruner = trained(name, model, x)
    assert pruner.sparsity >= 0.5
    assert_shrinks(model, pruner, x, TYPES[dtype])


def macs(model: nn.Module, masks: dict[str, Tensor], shape: Sequence[int]) -> tuple[int, int]:
    """Return the multiplications of an image that masks leave, and all."""
    positions = output_positions(copy.deepcopy(model).float(), shape, LAYERS)
    left = sum(positions[name] * int(mask.sum()) for name, mask in masks.items())
    return left, sum(positions[name] * mask.numel() for name, mask in masks.items())


@pytest.mark.parametrize("name", BY_WORK)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", NETWORKS)
def test_half_of_the_work_is_left_of_any_network(name: str, dtype: torch.dtype, kind: str) -> None:
    make, x = NETWORKS[kind]
    model = seeded(make).to(dtype)
    pruner = trained(name, model, x.to(dtype), budget="work")
    left, total = macs(model, pruner.masks, x.shape[1:])
    assert 0.2 < left / total <= 0.5


def test_a_network_of_1d_convolutions_alone_loses_work() -> None:
    layers = (nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU(), nn.Conv1d(8, 4, 3))
    model, x = nn.Sequential(*layers), images(3, 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    planned = method("l1-filter", sparsity=0.8, steps=9, budget="work")
    masks = fggp.Pruner(model, optimizer, planned, batches=[(x, LABELS)]).masks
    left, total = macs(model, masks, (3, 20))
    assert total == 18 * 72 + 16 * 192 + 14 * 96
    assert 0 < left <= 0.2 * total


class Unused(nn.Sequential):
    """A network with a layer that forward does not call."""

    def __init__(self) -> None:
        super().__init__(*network())
        self.other = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in list(self)[:-1]:
            x = layer(x)
        return x


@pytest.mark.parametrize("name", ["l1-filter", "gmp-filter"])
def test_a_weight_whose_work_is_not_known_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"budget: work: other\.weight is not .*; leave it out"):
        trained(name, Unused(), IMAGES, budget="work")
    assert trained(name, Unused(), IMAGES).sparsity > 0.3


def test_work_is_counted_only_for_a_budget_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("work is counted")

    monkeypatch.setattr(filter_masks, "output_positions", fail)
    for name in FILTERS:
        trained(name, network(), IMAGES)
    for name in ("l1-filter", "gmp-filter"):
        with pytest.raises(AssertionError, match="work is counted"):
            trained(name, network(), IMAGES, steps=0, budget="work")
    FilterMasks(network(), prunable(network()), (3, 6, 6))


def judged(model: nn.Module, x: Tensor) -> Judged:
    filters = FilterMasks(model, prunable(model, frozen=True))
    loss = nn.functional.cross_entropy
    from fggp.foundation.random_streams import stream

    return Judged(model, filters.groups, stream(0, "initial-mask"), [(x, LABELS)], loss)


def test_the_rank_of_features_is_the_share_of_images_in_which_they_are_above_zero() -> None:
    model = seeded(hidden).eval()
    found = rank(judged(model, IMAGES))[1]
    wanted = (model[:7](IMAGES) > 0).double().mean(0)
    assert found.tolist() == pytest.approx(wanted.tolist())
    bare = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 5))
    x = images(1, 6)
    (found,) = rank(judged(nn.Sequential(*bare[:2], nn.Flatten(), bare[2]), x))
    assert found.tolist() == pytest.approx((bare[0](x) > 0).double().mean((0, 1)).tolist())


def test_the_rank_of_flattened_planes_is_that_of_their_channel() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 5))
    model = seeded(lambda: nn.Sequential(*layers)).eval()
    (found,) = rank(judged(model, IMAGES))
    seen = model[:4](IMAGES).view(8, 4, 16).relu() > 0
    assert found.tolist() == pytest.approx(seen.any(2).double().mean(0).tolist())


FROZEN = {
    "normalization": lambda name: name in {"1.weight", "1.bias", "4.weight", "4.bias"},
    "one normalization": lambda name: name in {"1.weight", "1.bias"},
    "a shift": lambda name: name == "1.bias",
    "all": lambda name: True,
}


@pytest.mark.parametrize("which", FROZEN)
def test_the_taylor_score_does_not_depend_on_what_is_frozen(which: str) -> None:
    model, x = network().double(), IMAGES.double()
    wanted = taylor(judged(model, x))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not FROZEN[which](name))
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    found = taylor(judged(model, x))
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == frozen
    assert all(p.grad is None for p in model.parameters())


def biased() -> nn.Sequential:
    """Return a network without batch normalization."""
    layers = (nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


@every_method
@pytest.mark.parametrize("which", ["normalizations", "biases"])
def test_frozen_tensors_stay_as_they_are(name: str, which: str) -> None:
    model = seeded(biased) if which == "biases" and name not in {"bn-filter", "slimming"} else (
        network()
    )  # fmt: skip
    frozen = {
        name: p.requires_grad_(False)
        for name, p in model.named_parameters()
        if (p.ndim == 1 if which == "normalizations" else name.endswith("bias"))
    }
    before = {name: p.clone() for name, p in frozen.items()}
    if name == "slimming" and which == "normalizations":
        with pytest.raises(ValueError, match=r"slimming changes 1\.weight, which is frozen; set"):
            trained(name, model, IMAGES)
    else:
        assert trained(name, model, IMAGES).sparsity > 0.3
    assert all(torch.equal(frozen[name], p) for name, p in before.items())


def test_scales_that_are_frozen_for_the_last_update_of_slimming_are_only_read() -> None:
    model = network()
    pruner = trained("slimming", model, IMAGES, steps=7)
    model[1].requires_grad_(False)
    model[4].requires_grad_(False)
    before = model[1].weight.clone()
    nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
    pruner.optimizer.step()
    pruner.step()
    assert pruner.sparsity > 0.3
    assert torch.equal(before, model[1].weight)
