"""A small training that both codes prune: VGG-19 at 1/8 width, its first convolution dense."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import torch
from their_code import Layer
from torch import Tensor, nn

from fggp.data import Dataset
from fggp.data.batches import Batches
from fggp.foundation.exact import kept_count
from fggp.foundation.random_streams import stream
from fggp.models import build
from fggp.pruning.initial_masks import ERK, Beginning
from fggp.pruning.prunable import prunable

WIDTH = Fraction(1, 8)
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, SMOOTHING = 0.1, 0.9, 5e-4, 0.1
BATCH = 16


@dataclass(frozen=True)
class State:
    """The input of an update.

    Attributes:
        layers: the prunable layers: the weights of the forward pass, the gradients that were taken
            at them, and the masks.
        stepped: (N,) the weights after the optimizer's step.
        zeros: weights of convolutions and linear layers that are zero.

    """

    layers: list[Layer]
    stepped: Tensor
    zeros: int

    def flat(self, name: str) -> Tensor:
        """Return one tensor of all layers, flat in their order."""
        return _flat(getattr(layer, name) for layer in self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Weights per layer."""
        return tuple(layer.weight.numel() for layer in self.layers)


class Training:
    """A training with masks over all convolutions and linear layers but the first.

    Args:
        dataset: the images.
        start: the sparsity of the mask that it starts from.
        seed: of weights, mask and batches.

    Attributes:
        base: weights and biases of all convolutions and linear layers.
        weights: these without the biases.
        first: the weights of the first convolution.

    """

    def __init__(self, dataset: Dataset, start: Fraction, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self._model = build("vgg19", width=WIDTH, classes=len(dataset.classes))
        modules = [it for it in self._model.modules() if isinstance(it, nn.Conv2d | nn.Linear)]
        biases = sum(it.bias.numel() for it in modules if it.bias is not None)
        first, *own = prunable(self._model).values()
        self.first, self._own = first.numel(), own
        self.weights = self.first + sum(p.numel() for p in own)
        self.base = self.weights + biases
        self._masks = self._initial([tuple(p.shape) for p in (first, *own)], start, seed)
        self._optimizer = torch.optim.SGD(
            self._model.parameters(),
            lr=LEARNING_RATE,
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=WEIGHT_DECAY,
        )
        self._batches = Batches(
            dataset.train_images,
            dataset.train_labels,
            mean=dataset.mean,
            std=dataset.std,
            batch_size=BATCH,
            seed=seed,
            pad=2,
            flip=len(dataset.train_images) > 2000,  # a mirrored digit is none
            device=torch.device("cpu"),
        )
        self._epoch = self._place = 0
        self._batches.start(1)
        self._zero()

    def steps(self, number: int) -> State:
        """Train for a number of steps; returns the input of an update after the last one."""
        for left in range(number - 1, -1, -1):
            images, labels = self._next()
            self._optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                self._model(images), labels, label_smoothing=SMOOTHING
            )
            loss.backward()
            if not left:
                layers = [
                    Layer(p.detach().clone(), _gradient(p).clone(), mask.clone())
                    for p, mask in zip(self._own, self._masks, strict=True)
                ]
            self._optimizer.step()
            self._zero()
        zeros = sum(int((layer.weight == 0).sum()) for layer in layers)
        return State(layers, _flat(self._own), zeros)

    def prune(self, mask: Tensor) -> None:
        """Go on with another mask (N,)."""
        parts = mask.split([p.numel() for p in self._own])
        self._masks = [part.view(p.shape) for part, p in zip(parts, self._own, strict=True)]
        self._zero()

    def _initial(self, shapes: list[tuple[int, ...]], start: Fraction, seed: int) -> list[Tensor]:
        keep = kept_count(self.weights, start)
        masks = ERK(Beginning(shapes, keep, stream(seed, "initial-mask")))
        assert masks[0].all()  # so small a layer is dense in an ERK mask
        return [
            torch.from_numpy(mask).view(shape)
            for mask, shape in zip(masks[1:], shapes[1:], strict=True)
        ]

    @torch.no_grad()
    def _zero(self) -> None:
        for p, mask in zip(self._own, self._masks, strict=True):
            p.mul_(mask)
            momentum = self._optimizer.state.get(p, {}).get("momentum_buffer")
            if momentum is not None:
                momentum.mul_(mask)

    def _next(self) -> tuple[Tensor, Tensor]:
        if self._place == len(self._batches) - 1:  # the last may be smaller
            self._epoch, self._place = self._epoch + 1, 0
            self._batches.start(self._epoch + 1)
        self._place += 1
        return self._batches[self._place - 1]


def _gradient(p: nn.Parameter) -> Tensor:
    assert p.grad is not None
    return p.grad


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])
