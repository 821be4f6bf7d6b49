"""The state of one training, with its epochs, steps and evaluations."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fggp.data import Dataset
from fggp.foundation.errors import Failure
from fggp.foundation.exact import kept_count
from fggp.pruning.dense_layers import named_layers
from fggp.pruning.parameters import Layer
from fggp.pruning.pruner import Pruner
from fggp.pruning.timing import epochs_of
from fggp.study.accuracy_views import first_full_epoch, views
from fggp.study.cell import Cell
from fggp.study.outcome import Epoch, ImageCounts, LayerCounts, MaskUpdate, Outcome
from fggp.study.protocol import learning_rate, method_of, recipe_of
from fggp.study.result_file import NUMERICS
from fggp.study.verdict import COMPLETED, Sign, failure
from fggp.training import build
from fggp.training.connectivity import connected
from fggp.training.diagnostics import Diagnostics
from fggp.training.forward_seed import seed_forward
from fggp.training.loss import loss_of
from fggp.training.optimizer import optimizer_of
from fggp.training.outputs import OutputSummary
from fggp.training.small_dense import weights
from fggp.training.step import Row, Sizes, Step
from fggp.training.torch_settings import autocast

Tick = Callable[[int, int], None]
Report = Callable[[Row, Sizes], None]


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The training was asked to stop."""


class Run:
    """The training of one cell on one device.

    Args:
        cell: cell to train.
        dataset: images of the cell.
        device: device to train on.
        trained: state of the dense network of the same seed, if the method starts from it.

    """

    def __init__(
        self,
        cell: Cell,
        dataset: Dataset,
        device: torch.device,
        trained: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.cell, self.device = cell, device
        training = cell.training
        self.classes, self.shape = len(dataset.classes), dataset.test_images.shape[1:]
        parts = build.parts_of(cell, dataset, device)
        self.model, self.batches, self.held_out = parts.model, parts.batches, parts.held_out
        self.images, self.guessing = parts.images, parts.guessing
        if recipe_of(cell).fine_tune is not None:
            if trained is None:
                raise Failure(f"{cell.id} starts from the trained dense network, which is missing")
            fresh = copy.deepcopy(self.model.state_dict())
            self.model.load_state_dict(trained)
        self.optimizer = optimizer_of(self.model, training)
        method = method_of(cell, len(self.batches))
        if cell.backbone.source is not None:
            seed_forward(cell.seed, 0)  # methods may score weights by a forward pass
        try:
            self.pruner = Pruner(
                self.model,
                self.optimizer,
                method,
                seed=cell.seed,
                batches=parts.scoring,
                loss=loss_of(training),
                dense=named_layers(self.model, cell.pruning.dense),
            )
        except ValueError as error:
            raise Failure(f"{cell.id}: {error}") from None
        if method.recipe.scratch:
            self.model.load_state_dict(fresh)
            self.pruner.apply()
        self.protocol = epochs_of(method.recipe, training.epochs, cell.sparsity)
        self.diagnostics = Diagnostics(self.model, self.pruner, self.shape)
        self.epoch, self.step = 1, 0
        self._replayed_before = 0
        self.train_step = Step(cell, self.model, self.optimizer, self.pruner, self.diagnostics)
        self.epochs: list[Row] = []
        self.signs: list[Sign] = []
        self.logits: NDArray[np.float16] | None = None  # (N, classes), once there is an outcome

    def train_epoch(self, stop: Callable[[], bool], tick: Tick) -> None:
        """Train from the current step to the end of the epoch; raises Stopped if ``stop()``."""
        self.batches.start(self.epoch)
        self.model.train()
        self.train_step.start(float(self.lr))
        while self.step < len(self.batches):
            if stop():
                raise Stopped
            self.train_step(*self.batches[self.step])
            self.step += 1
            tick(self.pruner.steps, self.pruner.method.timing.steps)

    def close_epoch(self) -> Row:
        """Evaluate, record the epoch and move on to the next; returns the record."""
        summary = OutputSummary(self.classes, self.device)
        row = {
            "epoch": self.epoch,
            "lr": float(self.lr),
            "train_loss": _finite(float(self.train_step.loss) / self.images["train"]),
            "validation_correct": self._correct("validation", summary),
            "test_correct": self._correct("test", summary),
            "kept": self._used,
        }
        self.epochs.append(row)
        self.signs.append(self._sign(summary, row["train_loss"]))
        self.epoch, self.step = self.epoch + 1, 0
        self.train_step.loss.zero_()
        return row

    @property
    def sizes(self) -> Sizes:
        """The totals of the counts in the record of an epoch."""
        return Sizes(self.images["validation"], self.images["test"], self.pruner.total)

    @property
    def replayed_steps(self) -> int:
        """The number of steps replayed from a CUDA graph, in this process and earlier ones."""
        return self._replayed_before + self.train_step.replayed

    @property
    def lr(self) -> Fraction:
        """The learning rate of the current epoch."""
        return learning_rate(self.cell, self.protocol[self.epoch - 1])

    @property
    def goes_on(self) -> bool:
        """Whether there is another epoch to train."""
        return self.epoch <= len(self.protocol) and self.failure is None

    @property
    def failure(self) -> str | None:
        """The verdict that ends the training before its last epoch, or None while it continues."""
        return failure(self.signs, self.cell.training.epochs, self.guessing)

    def _sign(self, summary: OutputSummary, loss: float | None) -> Sign:
        """Return the signs of the current epoch, on which the verdict is based."""
        epoch, last = self.protocol[self.epoch - 1], self.cell.training.epochs
        pruner, before = self.pruner, (self.epoch - 1) * len(self.batches)
        return {
            "loss": loss,
            "finite": _all_finite(self.model.state_dict()),
            # The search for a path takes a moment; needed only if the outputs are constant.
            "cut": summary.constant
            and pruner.closed
            and not connected(self.model, pruner.masks, self.shape),
            "named": summary.named,
            "settled": pruner.settled
            and pruner.method.last_update <= before
            and 2 * epoch > last
            and learning_rate(self.cell, epoch) == learning_rate(self.cell, last),
        }

    @torch.no_grad()
    def _correct(self, name: str, summary: OutputSummary) -> int:
        self.model.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        for x, y in self.held_out[name]:
            with autocast(self.cell.training, self.device):
                outputs = self.model(x)
            best = outputs.argmax(1)
            correct += (best == y).sum()
            summary.take(outputs, best)
        return int(correct)

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume at the current step."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pruner": self.pruner.state_dict(),
            "diagnostics": self.diagnostics.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.train_step.loss,
            "epochs": self.epochs,
            "updates": self.train_step.updates,
            "signs": self.signs,
            "replayed_steps": self.replayed_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.pruner.load_state_dict(state["pruner"])
        self.diagnostics.load_state_dict(state["diagnostics"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.train_step.loss.copy_(state["loss"])
        self.epochs, self.train_step.updates = state["epochs"], state["updates"]
        self.signs = state["signs"]
        self._replayed_before = state.get("replayed_steps", 0)  # older checkpoints count none

    def outcome(self) -> Outcome:
        """Return the outcome of the training."""
        layers, epochs = self.pruner.layers("masks"), [Epoch(**row) for row in self.epochs]
        parameters = dict(self.model.named_parameters())
        total = weights(self.cell.backbone, self.classes, self.shape[-1])
        work = self.diagnostics.outcome(self._keep_logits)
        if recipe_of(self.cell).narrow:
            work["dense_macs"] = build.full_macs(self.cell, self.classes, self.shape)
        window_end = self.pruner.method.timing.end // len(self.batches)
        return Outcome(
            numerics=NUMERICS,
            verdict=self.failure or COMPLETED,
            **self._stopped(layers),
            images=ImageCounts(**self.images),
            steps_per_epoch=len(self.batches),
            prunable=total,
            target=kept_count(total, self.cell.sparsity),
            accuracy=views(
                epochs,
                first_full_epoch(epochs),
                window_end,
                validated=self.images["validation"] > 0,
            ),
            epochs=epochs,
            updates=[MaskUpdate(**row) for row in self.train_step.updates],
            layers=[
                LayerCounts(
                    name=layer.name,
                    shape=list(layer.shape),
                    kept=layer.kept,
                    nonzero=int(parameters[layer.name].count_nonzero()),
                    macs=layer.kept * self.diagnostics.positions[layer.name],
                )
                for layer in layers
            ],
            **work,
            weights_sha256=digest(self.model.state_dict()),
        )

    @torch.no_grad()
    def _keep_logits(self) -> None:
        self.model.eval()
        parts = []
        for x, _ in self.held_out["test"]:
            with autocast(self.cell.training, self.device):
                parts.append(self.model(x).half().cpu())
        self.logits = torch.cat(parts).numpy()

    def weights(self) -> dict[str, Tensor]:
        """Return the state of the network on the CPU, without negative zeros outside the masks."""
        masks = self.pruner.masks
        return {
            name: (tensor.where(masks[name], 0.0) if name in masks else tensor).detach().cpu()
            for name, tensor in self.model.state_dict().items()
        }

    def _stopped(self, layers: Sequence[Layer]) -> Row:
        """Return when a failure ended the training, and the layers that were empty then."""
        if self.failure is None:
            return {}
        empty = [layer.name for layer in layers if not layer.kept]
        return {"stopped": {"epochs": len(self.protocol), "empty_layers": empty}}

    @property
    def _used(self) -> int:
        """The number of weights in use: all of them while pruned ones leak through."""
        if self.pruner.leak:
            return self.pruner.total
        return sum(layer.kept for layer in self.pruner.layers("masks"))


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _all_finite(state: Mapping[str, Tensor]) -> bool:
    # One answer for all, because each makes the host wait for a GPU.
    return bool(torch.stack([tensor.isfinite().all() for tensor in state.values()]).all())


def digest(state: Mapping[str, Tensor]) -> str:
    """Return a checksum of all tensors of a network, in order."""
    checksum = hashlib.sha256()
    for tensor in state.values():
        checksum.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return checksum.hexdigest()
