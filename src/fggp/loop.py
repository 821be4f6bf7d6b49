"""The state of one training, and what is done to it: epochs, steps, evaluations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fggp.cell import Cell
from fggp.data import Dataset, split
from fggp.data.batches import Batches, evaluation_batches
from fggp.errors import Failure
from fggp.methods import find
from fggp.models import build
from fggp.numerics import autocast
from fggp.pruner import Pruner
from fggp.streams import stream
from fggp.timing import Method, Timing
from fggp.views import views

Row = dict[str, Any]
Tick = Callable[[int, int], None]


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The training was asked to stop."""


class Run:
    """The training of one cell on one device.

    Args:
        cell: what to train.
        dataset: its images.
        device: where.

    """

    def __init__(self, cell: Cell, dataset: Dataset, device: torch.device) -> None:
        self.cell, self.device = cell, device
        training = cell.training
        self.layout = training.layout == "channels_last"
        chosen, held_out = split(dataset.train_labels, cell.data.validation, cell.data.train)
        self.batches = Batches(
            dataset.train_images[chosen],
            dataset.train_labels[chosen],
            mean=dataset.mean,
            std=dataset.std,
            batch_size=training.batch_size,
            seed=cell.seed,
            pad=training.pad,
            flip=training.flip,
            device=device,
            channels_last=self.layout,
        )
        sets = {
            "validation": (dataset.train_images[held_out], dataset.train_labels[held_out]),
            "test": (dataset.test_images, dataset.test_labels),
        }
        self.held_out = {
            name: evaluation_batches(
                *images, mean=dataset.mean, std=dataset.std, device=device,
                channels_last=self.layout,
            )
            for name, images in sets.items()
        }  # fmt: skip
        self.images = {"train": len(chosen)} | {name: len(y) for name, (_, y) in sets.items()}
        self.model = _initialised(cell, len(dataset.classes), device, self.layout)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=float(training.lr),
            momentum=float(training.momentum),
            nesterov=training.nesterov,
            weight_decay=float(training.weight_decay),
            fused=True,
        )
        method = method_of(cell, len(self.batches))
        try:
            self.pruner = Pruner(self.model, self.optimizer, method, seed=cell.seed)
        except ValueError as error:
            raise Failure(f"{cell.id}: {error}") from None
        self.epoch, self.step = 1, 0
        self.loss = torch.zeros((), device=device)
        self.epochs: list[Row] = []
        self.updates: list[Row] = []

    def train_epoch(self, stop: Callable[[], bool], tick: Tick) -> None:
        """Train from the present step to the end of the epoch; raises Stopped where asked to."""
        self.batches.start(self.epoch)
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = float(self.lr)
        while self.step < len(self.batches):
            if stop():
                raise Stopped
            self._train_step(*self.batches[self.step])
            self.step += 1
            tick(self.pruner.steps, self.pruner.method.timing.steps)

    def close_epoch(self) -> Row:
        """Evaluate, record the epoch and go to the next; returns the record."""
        row = {
            "epoch": self.epoch,
            "lr": float(self.lr),
            "train_loss": _finite(float(self.loss) / self.images["train"]),
            "validation_correct": self._correct("validation"),
            "test_correct": self._correct("test"),
            "kept": sum(layer.kept for layer in self.pruner.layers()),
        }
        self.epochs.append(row)
        self.epoch, self.step = self.epoch + 1, 0
        self.loss.zero_()
        return row

    @property
    def lr(self) -> Fraction:
        """The learning rate of the present epoch."""
        training = self.cell.training
        passed = sum(
            self.epoch > int(training.epochs * milestone) for milestone in training.lr_milestones
        )
        return training.lr * training.lr_decay**passed

    def _train_step(self, x: Tensor, y: Tensor) -> None:
        with autocast(self.cell.training, self.device):
            loss = cross_entropy(self.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        update = self.pruner.step()
        self.optimizer.zero_grad()
        self.loss += loss.detach() * len(y)
        if update is not None:
            kept = [layer.kept for layer in self.pruner.layers()]
            self.updates.append({"update": update, "step": self.pruner.steps, "kept": kept})

    @torch.no_grad()
    def _correct(self, name: str) -> int:
        self.model.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        for x, y in self.held_out[name]:
            with autocast(self.cell.training, self.device):
                correct += (self.model(x).argmax(1) == y).sum()
        return int(correct)

    def state_dict(self) -> dict[str, Any]:
        """Return all that resuming at the present step needs."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pruner": self.pruner.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            "epochs": self.epochs,
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.pruner.load_state_dict(state["pruner"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss.copy_(state["loss"])
        self.epochs, self.updates = state["epochs"], state["updates"]

    def outcome(self) -> dict[str, Any]:
        """Return what the training came to, as plain JSON data."""
        layers = self.pruner.layers()
        weights = dict(self.model.named_parameters())
        return {
            "verdict": "diverged" if self.diverged else "completed",
            "images": self.images,
            "steps_per_epoch": len(self.batches),
            "prunable": self.pruner.total,
            "target": self.pruner.method.keep(self.pruner.method.timing.updates, self.pruner.total),
            "accuracy": views(self.epochs, self._first_full_epoch(), self.cell.pruning.end_epoch),
            "epochs": self.epochs,
            "updates": self.updates,
            "layers": [
                {
                    "name": layer.name,
                    "shape": list(layer.shape),
                    "kept": layer.kept,
                    "nonzero": int(weights[layer.name].count_nonzero()),
                }
                for layer in layers
            ],
            "weights_sha256": _digest(self.model),
        }

    @property
    def diverged(self) -> bool:
        """Whether the loss of the last recorded epoch is not finite."""
        return bool(self.epochs) and self.epochs[-1]["train_loss"] is None

    def _first_full_epoch(self) -> int:
        """Return the first epoch all of whose evaluations are at the target sparsity."""
        target = self.epochs[-1]["kept"]
        below = [row["epoch"] for row in self.epochs if row["kept"] != target]
        return max(below, default=0) + 1


def method_of(cell: Cell, steps_per_epoch: int) -> Method:
    """Return the method of a cell, timed in steps; raises Failure where that is not possible."""
    pruning = cell.pruning
    start = cell.sparsity if cell.initial_sparsity is None else cell.initial_sparsity
    timing = Timing(
        steps=cell.training.epochs * steps_per_epoch,
        begin=pruning.begin_epoch * steps_per_epoch,
        end=pruning.end_epoch * steps_per_epoch,
        every=pruning.update_every,
    )
    try:
        recipe = find(cell.method.name).recipe(**cell.method.settings)
        return Method(cell.label, recipe, cell.sparsity, start, timing)
    except ValueError as error:
        raise Failure(f"{cell.id}: {error}") from None


def _initialised(cell: Cell, classes: int, device: torch.device, channels_last: bool) -> nn.Module:
    """Build the backbone on the CPU from its own stream, leaving the global one as it was."""
    seed = int(stream(cell.seed, "weights").integers(2**63))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(cell.backbone.name, width=cell.backbone.width, classes=classes)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
