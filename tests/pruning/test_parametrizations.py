"""Weights that a layer computes from other parameters: pruned rightly, or refused with the fix."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.ao.pruning import WeightNormSparsifier
from torch.nn.utils import parametrizations, parametrize, prune

import fggp

X = torch.randn(256, 16, generator=torch.Generator().manual_seed(0))
Y = X[:, :4].argmax(1)


class Scaled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class LowRank(nn.Module):
    """LoRA as a parametrization."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Parameter(torch.zeros(32, 2)), nn.Parameter(torch.randn(2, 16))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def own(part: nn.Module) -> Callable[[nn.Linear], nn.Module]:
    def register(layer: nn.Linear) -> nn.Module:
        parametrize.register_parametrization(layer, "weight", part)
        return layer

    return register


def fake_sparsity(layer: nn.Linear) -> nn.Module:
    model = nn.Sequential(layer)
    WeightNormSparsifier(0.5).prepare(model, config=None)
    return model[0]


def masked_by_torch(layer: nn.Linear) -> nn.Module:
    prune.random_unstructured(layer, "weight", amount=0.5)
    prune.l1_unstructured(layer, "weight", amount=0.1)  # two of them are in a container
    return layer


def dropped_weights(layer: nn.Linear) -> nn.Module:
    """Return the layer as recurrent networks with DropConnect make it, in a hook of their own."""
    raw = layer.weight
    del layer.weight
    layer.register_parameter("weight_raw", raw)
    layer.weight = raw * 1  # type: ignore[assignment]
    return layer


REMOVE = r"remove_parametrizations\(model\.get_submodule\('0'\), 'weight'\) first"
REFUSED: dict[str, tuple[Callable[[nn.Linear], nn.Module], str]] = {
    "weight_norm": (parametrizations.weight_norm, REMOVE),
    "old weight_norm": (nn.utils.weight_norm, r"remove_weight_norm\(.*'0'\), 'weight'\) first"),
    "orthogonal": (parametrizations.orthogonal, REMOVE),
    "a function of one's own": (own(Scaled()), REMOVE),
    "LoRA": (own(LowRank()), REMOVE),
    "torch.nn.utils.prune": (masked_by_torch, r"prune\.remove\(.*'0'\), 'weight'\) first"),
    "torch.ao": (fake_sparsity, r"sparsifier\.squash_mask\(\) first"),
    "DropConnect": (dropped_weights, "make weight a parameter of its own first"),
}


def network(change: Callable[[nn.Linear], nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(change(nn.Linear(16, 32)), nn.ReLU(), nn.Linear(32, 4))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_weight_that_is_computed_is_refused_with_the_call_that_ends_that(kind: str) -> None:
    change, fix = REFUSED[kind]
    model = network(change)
    before = model(X)
    for make in (
        lambda: fggp.sparsify(model, 0.9),
        lambda: fggp.Pruner(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            fggp.method("gmp", sparsity=0.9, steps=9),
        ),
    ):
        with pytest.raises(ValueError, match=f"params: '0.*{fix}; or exclude it") as refusal:
            make()
        assert "\n" not in str(refusal.value)
    assert kind == "orthogonal" or torch.equal(model(X), before)
    assert list(fggp.sparsify(model, 0.5, params=["2.weight"])) == ["2.weight"]


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("kind", ["weight_norm", "old weight_norm", "torch.nn.utils.prune", "LoRA"])
def test_the_call_that_a_refusal_names_is_the_fix(kind: str) -> None:
    model = network(REFUSED[kind][0])
    with pytest.raises(ValueError, match="params:") as refusal:
        fggp.sparsify(model, 0.5)
    call = str(refusal.value).partition("call ")[2].partition(" first")[0]
    eval(call, {"torch": torch, "model": model})
    masks = fggp.sparsify(model, 0.5)
    assert list(masks) == ["0.weight", "2.weight"]
    assert int(model[0].weight.count_nonzero() + model[2].weight.count_nonzero()) == 320


@pytest.mark.filterwarnings("ignore:.*spectral_norm:FutureWarning")
@pytest.mark.parametrize("kind", [parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_a_weight_under_spectral_norm_is_a_multiple_and_is_pruned(
    kind: Callable[[nn.Linear], nn.Module],
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(kind(nn.Linear(16, 32)), nn.ReLU(), kind(nn.Linear(32, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    pruner = fggp.Pruner(model, optimizer, fggp.method("gmp", sparsity=0.75, steps=40))
    assert len(pruner.masks) == 2
    for _ in range(40):
        model(X).square().mean().backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    model(X)
    weights = torch.cat([model[i].weight.flatten() for i in (0, 2)])
    assert pruner.sparsity == (weights == 0).float().mean() == 0.75


def test_a_layer_that_is_parametrized_after_the_pruner_was_made_is_named() -> None:
    model = network(lambda layer: layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, fggp.method("random", sparsity=0.5, steps=9))
    prune.random_unstructured(model[0], "weight", amount=0.5)
    with pytest.warns(
        RuntimeWarning, match=r"0\.weight: its layer computes another.*prune\.remove"
    ):
        assert pruner.sparsity == 0.5
    prune.remove(model[0], "weight")
    assert isinstance(pruner.state_dict(), dict)
