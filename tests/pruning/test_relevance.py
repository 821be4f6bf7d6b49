"""Relevance handed back through a network, against a reference that goes weight by weight."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, network
from torch import Tensor, nn

from fggp.foundation.random_streams import stream
from fggp.models import build
from fggp.pruning.filters.groups import groups
from fggp.pruning.filters.relevance import EPSILON, relevances
from fggp.pruning.filters.scores import Judged, relevance
from fggp.pruning.filters.walk import UnknownNetworkError


class Residual(nn.Module):
    """Two convolutions, the second beside a shortcut, in place or not."""

    def __init__(self, *, in_place: bool = False) -> None:
        super().__init__()
        self.one, self.norm1 = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.two, self.norm2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=in_place)
        self.pool, self.last = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.relu(self.norm1(self.one(x)))
        out = self.norm2(self.two(shortcut))
        if self.in_place:
            out += shortcut
        else:
            out = out + shortcut
        return self.last(self.pool(self.relu(out)).flatten(1))


def residual(*, in_place: bool = False) -> Residual:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Residual(in_place=in_place).double().eval()
        for norm in (model.norm1, model.norm2):
            for it in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(it)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return model


def off_zero(z: float) -> float:
    return z + (EPSILON if z >= 0 else -EPSILON)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    bias = torch.zeros(len(scale)) if conv.bias is None else conv.bias.detach()
    shift = (bias - norm.running_mean) * scale + norm.bias.detach()
    return (conv.weight.detach() * scale[:, None, None, None]).numpy(), shift.numpy()


def reached(row: int, column: int, size: int):
    """Yield each pixel that a padded 3×3 filter reaches from a place, with its place in it."""
    for u in range(3):
        for v in range(3):
            i, j = row + u - 1, column + v - 1
            if 0 <= i < size and 0 <= j < size:
                yield i, j, u, v


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    size = x.shape[1]
    out = np.zeros((len(weight), size, size))
    for f, row, column in np.ndindex(out.shape):
        out[f, row, column] = bias[f] + sum(
            x[c, i, j] * weight[f, c, u, v]
            for c in range(len(x))
            for i, j, u, v in reached(row, column, size)
        )
    return out


def divided(x: np.ndarray, weight: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Divide the relevance of each output among the inputs, by positive products alone."""
    size, shares = x.shape[1], np.zeros_like(x)
    for f, row, column in np.ndindex(own.shape):
        products = {
            (c, i, j): x[c, i, j] * weight[f, c, u, v]
            for c in range(len(x))
            for i, j, u, v in reached(row, column, size)
        }
        positive = sum(it for it in products.values() if it > 0)
        for place, product in products.items():
            if product > 0:
                shares[place] += product / positive * own[f, row, column]
    return shares


def reference(model: Residual, image: Tensor, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the relevance of the outputs of both convolutions for one image."""
    (w1, b1), (w2, b2) = folded(model.one, model.norm1), folded(model.two, model.norm2)
    shortcut = np.maximum(convolved(image.numpy(), w1, b1), 0)
    branch = convolved(shortcut, w2, b2)
    total = branch + shortcut
    after = np.maximum(total, 0)
    pooled = after.mean((1, 2))
    weight, bias = model.last.weight.detach().numpy(), model.last.bias.detach().numpy()
    logit = float(weight[label] @ pooled + bias[label])
    own = pooled * weight[label] / off_zero(logit)
    spread = np.zeros_like(after)
    for c, i, j in np.ndindex(after.shape):
        spread[c, i, j] = after[c, i, j] / after[c].size / off_zero(pooled[c]) * own[c]
    of_branch, of_shortcut = np.zeros_like(total), np.zeros_like(total)
    for place in np.ndindex(total.shape):
        of_branch[place] = branch[place] / off_zero(total[place]) * spread[place]
        of_shortcut[place] = shortcut[place] / off_zero(total[place]) * spread[place]
    return of_shortcut + divided(shortcut, w2, of_branch), of_branch


def images(count: int, side: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).normal(size=(count, 3, side, side)))


@pytest.mark.parametrize("in_place", [False, True])
def test_relevance_is_that_of_a_reference_weight_by_weight(in_place: bool) -> None:
    model, batch, labels = residual(in_place=in_place), images(3, 4), torch.tensor([0, 2, 1])
    found = relevances(model, batch, labels, {"one", "two"})
    wanted = [
        reference(model, image, int(label)) for image, label in zip(batch, labels, strict=True)
    ]
    for name, at in (("one", 0), ("two", 1)):
        sums = sum(np.abs(it[at]).sum((1, 2)) for it in wanted)
        assert found[name].tolist() == pytest.approx(sums.tolist(), rel=1e-9)
        assert float(found[name].max()) > 0.1


def positive(model: nn.Module) -> nn.Module:
    """Make all weights positive and all shifts zero, so that no relevance is negative or lost."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.abs_()
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.abs_()
                module.bias.zero_()
                module.running_mean.zero_()
    return model


def test_relevance_stays_the_same_in_sum_from_layer_to_layer() -> None:
    model = positive(network().double().eval())
    found = relevances(model, IMAGES.double().abs(), LABELS, {"0", "3", "8"})
    assert [float(it.sum()) for it in found.values()] == pytest.approx([len(LABELS)] * 3, rel=1e-4)
    shortcut = positive(residual())
    found = relevances(shortcut, images(2, 4).abs(), torch.tensor([0, 1]), {"one", "two", "last"})
    assert float(found["one"].sum()) == pytest.approx(2, rel=1e-4)
    assert 0.1 < float(found["two"].sum()) < 1.9  # the rest goes by the shortcut


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_the_networks_of_the_registry_are_followed_without_a_trace(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = positive(build(name, width=Fraction(1, 16)))
    before = {key: it.clone() for key, it in model.state_dict().items()}
    found = groups(model)
    layers = [it.producers[0] for it in found]
    sums = relevances(model, images(12, 32).float().abs(), torch.arange(12) % 10, layers)
    assert {key: len(it) for key, it in sums.items()} == {
        layer: it.channels for layer, it in zip(layers, found, strict=True)
    }
    assert all(bool(it.isfinite().all()) and bool((it >= 0).all()) for it in sums.values())
    assert float(sums[layers[0]].sum()) == pytest.approx(12, rel=1e-3)  # the stem has all of it
    assert all(torch.equal(model.state_dict()[key], it) for key, it in before.items())
    assert model.training


@pytest.mark.parametrize("name", ["resnet20", "wrn222"])
def test_relevance_goes_through_shortcuts_that_add_channels(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = positive(build(name, width=Fraction(1, 8))).double()
    layers = [it for it, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    sums = relevances(model, images(3, 32).abs(), torch.arange(3), layers)
    assert float(sums[layers[0]].sum()) == pytest.approx(3, rel=1e-3)  # the stem has all of it
    assert all(float(it.sum()) > 0 for it in sums.values())


def test_the_score_of_a_residual_stream_is_the_sum_over_its_convolutions() -> None:
    model, batch, labels = residual(), images(3, 4), torch.tensor([0, 2, 1])
    judged = Judged(
        model, groups(model), stream(1, "initial-mask"),
        [(batch[:1], labels[:1]), (batch[1:], labels[1:])],
    )  # fmt: skip
    (score,) = relevance(judged)
    whole = relevances(model, batch, labels, {"one", "two"})
    assert torch.allclose(score, whole["one"] + whole["two"])


def test_channels_of_a_linear_layer_are_its_last_dimension() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        layers = (nn.Linear(6, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    model, x = nn.Sequential(*layers).double(), images(3, 4).reshape(3, -1)[:, :6]
    labels = torch.tensor([0, 2, 1])
    wanted = relevances(model, x, labels, {"0"})["0"]
    assert torch.equal(relevances(model, x[:, None], labels, {"0"})["0"], wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_networks_in_half_precision_are_followed_in_float32(dtype: torch.dtype) -> None:
    model = network().to(dtype)
    x = IMAGES.to(dtype)
    found = relevances(model, x, LABELS, {"0", "8"})
    wanted = relevances(copy.deepcopy(model).float(), x.float(), LABELS, {"0", "8"})
    assert all(torch.equal(found[name], it) for name, it in wanted.items())
    assert {p.dtype for p in model.parameters()} == {dtype}


def test_what_cannot_be_followed_is_named() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.last = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.a(x) * self.b(x))

    x, y = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(UnknownNetworkError, match="product of two tensors; use another method"):
        relevances(Gate(), x, y, {"a"})
    with pytest.raises(ValueError, match="give class labels"):
        relevances(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), x, torch.eye(2), {"0"})
    with pytest.raises(ValueError, match="batches="):
        relevance(Judged(network(), groups(network()), stream(1, "initial-mask")))


def test_a_network_without_hooks_or_gradients_is_left_as_it_was() -> None:
    model = residual().train()
    before = copy.deepcopy(model.state_dict())
    relevances(model, images(3, 4), torch.tensor([0, 2, 1]), {"one"})
    assert all(torch.equal(model.state_dict()[key], it) for key, it in before.items())
    assert all(p.grad is None for p in model.parameters())
