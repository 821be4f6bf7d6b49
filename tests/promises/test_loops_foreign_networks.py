"""Networks that are not ours: transformers, recurrent ones, tied and shared weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import NAMES, check, masked, method
from torch import Tensor, nn
from torchvision.models import VisionTransformer

import fggp

every_name = pytest.mark.parametrize("name", NAMES)

RNG = np.random.default_rng(6)
IMAGES = torch.from_numpy(RNG.normal(size=(24, 6, 3, 16, 16)).astype(np.float32))
WORDS = torch.from_numpy(RNG.integers(0, 20, (24, 6, 7)))
LABELS = torch.from_numpy(RNG.integers(0, 5, (24, 6)))


class Words(nn.Module):
    """A language model whose classifier is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(16, 20, bias=False)
        self.classifier.weight = self.embedding.weight

    def forward(self, words: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.encoder(self.embedding(words))).mean(1)
        return out


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8, sparse=False)
        self.lstm = nn.LSTM(8, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.classifier = nn.Linear(20, 5)

    def forward(self, words: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.lstm(self.embedding(words))[0][:, -1])
        return out


class Shared(nn.Module):
    """One convolution that is used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.once_more = self.again
        self.last = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images)
        for part in (self.again, self.once_more, self.again):
            hidden = part(hidden).tanh()
        out: Tensor = self.last(hidden.mean((2, 3)))
        return out


def vision() -> nn.Module:
    return VisionTransformer(
        image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24,
        num_classes=5,
    )  # fmt: skip


def last_layout() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor, int]] = {
    "vision-transformer": (vision, IMAGES, 10),
    "tied-language-model": (Words, WORDS, 9),
    "lstm": (Recurrent, WORDS, 10),
    "shared-module": (Shared, IMAGES, 3),
    "channels-last": (last_layout, IMAGES.to(memory_format=torch.contiguous_format), 4),
}


OTHERS = ("class_token", "encoder.pos_embedding")
"""Parameters of two or more dimensions that are no weights of a layer."""


def built(network: str) -> tuple[nn.Module, Tensor]:
    make, inputs, _ = NETWORKS[network]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(), inputs


def trained(model: nn.Module, inputs: Tensor, name: str, **options: Any) -> fggp.Pruner:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    pruner = fggp.Pruner(model, optimizer, method(name), **options)
    update = 0
    for x, y in zip(inputs, LABELS, strict=True):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        update = pruner.step() or update
        check(pruner, update)
        optimizer.zero_grad()
    return pruner


@pytest.mark.parametrize("network", NETWORKS)
@every_name
def test_any_network_is_pruned_to_the_weight(name: str, network: str) -> None:
    model, inputs = built(network)
    keys = list(model.state_dict())
    pruner = trained(model, inputs, name)
    assert len(pruner.masks) == NETWORKS[network][2]
    assert len(list(masked(pruner))) == 3 * len(pruner.masks)
    matrices = {id(p): p for n, p in model.named_parameters() if p.ndim > 1 and n not in OTHERS}
    assert sum(p.numel() for p in matrices.values()) == pruner.total
    assert set(pruner.left_out) == set(OTHERS) & set(dict(model.named_parameters()))
    assert list(model.state_dict()) == keys
    assert model.eval()(inputs[0]).isfinite().all()


@every_name
def test_parts_are_left_out_by_naming_the_others(name: str) -> None:
    model, inputs = built("vision-transformer")
    left_out = ("class_token", "pos_embedding", "conv_proj", "heads")
    names = [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and not any(part in name for part in left_out)
    ]
    pruner = trained(model, inputs, name, params=names)
    assert list(pruner.masks) == names
    assert any(name.endswith("in_proj_weight") for name in names)
    assert all(p.all() for n, p in model.named_parameters() if n.startswith(left_out[:3]))


@every_name
def test_tied_weights_are_one_layer_under_either_name(name: str) -> None:
    pruners, models = [], []
    for params in (["embedding.weight"], ["classifier.weight"], ["classifier.weight"] * 2):
        model, inputs = built("tied-language-model")
        pruners.append(trained(model, inputs, name, params=params))
        models.append(model)
    for model, pruner in zip(models, pruners, strict=True):
        assert list(pruner.masks) == ["embedding.weight"]
        assert pruner.total == 20 * 16
        assert model.classifier.weight is model.embedding.weight
        assert torch.equal(pruner.masks["embedding.weight"], pruners[0].masks["embedding.weight"])
        assert int(model.classifier.weight.count_nonzero()) <= 32


def test_a_state_of_tied_weights_is_saved_once() -> None:
    model, inputs = built("tied-language-model")
    masks = trained(model, inputs, "granet").state_dict()["masks"]
    assert "embedding.weight" in masks
    assert "classifier.weight" not in masks


@pytest.mark.filterwarnings("ignore:.*training ends below the target:RuntimeWarning")
@pytest.mark.parametrize("name", ["granet", "rigl", "fggp"])
def test_a_parameter_without_a_gradient_is_named_with_the_fix_and_can_be_left_out(
    name: str,
) -> None:
    model, inputs = built("shared-module")
    model.never = nn.Linear(4, 4)
    unused = r"waits for the gradient of never\.weight, .* never uses it, .* through params="
    with pytest.warns(RuntimeWarning, match=unused):
        trained(model, inputs, name)
    model, inputs = built("shared-module")
    model.never = nn.Linear(4, 4)
    names = ["first.weight", "again.weight", "last.weight"]
    assert list(trained(model, inputs, name, params=names).masks) == names
    assert model.never.weight.all()


@pytest.mark.parametrize("name", NAMES)
def test_sparse_gradients_of_an_embedding_are_those_of_a_dense_one(name: str) -> None:
    pruners = []
    for sparse in (False, True):
        model, inputs = built("lstm")
        model.embedding.sparse = sparse
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        pruner = fggp.Pruner(model, optimizer, method(name))
        for x, y in zip(inputs, LABELS, strict=True):
            nn.functional.cross_entropy(model(x), y).backward()
            assert model.embedding.weight.grad.is_sparse == sparse
            optimizer.step()
            pruner.step()
            optimizer.zero_grad()
        pruners.append(pruner)
    for one, other in zip(*(pruner.masks.values() for pruner in pruners), strict=True):
        assert torch.equal(one, other)
