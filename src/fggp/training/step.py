"""One training step: the work of the device, and the records of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fggp.pruning.pruner import Pruner
from fggp.study.cell import Cell
from fggp.training.cuda_graphs import Replay, recorder
from fggp.training.diagnostics import Diagnostics
from fggp.training.forward_seed import seed_forward
from fggp.training.loss import loss_of
from fggp.training.torch_settings import autocast

Row = dict[str, Any]


class Sizes(NamedTuple):
    """The totals of the counts of an epoch: images, and prunable weights."""

    validation: int
    test: int
    prunable: int


class Step:
    """The training steps of one cell.

    Args:
        cell: cell that is trained.
        model: network of the cell.
        optimizer: optimizer of the network.
        pruner: pruner of the network.
        diagnostics: diagnostics of the pruner.

    Attributes:
        loss: sum over the images of the epoch so far, on the device.
        updates: record of each mask update that the cell wants recorded.

    """

    def __init__(
        self,
        cell: Cell,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        pruner: Pruner,
        diagnostics: Diagnostics,
    ) -> None:
        self._training, self._update_every = cell.training, cell.pruning.update_every
        self._seed, self._foreign = cell.seed, cell.backbone.source is not None
        self._model, self._optimizer = model, optimizer
        self._loss = loss_of(cell.training)
        self._device = next(model.parameters()).device
        self._pruner, self._diagnostics = pruner, diagnostics
        self.loss = torch.zeros((), device=self._device)
        self.updates: list[Row] = []
        self._replay = Replay(
            self._masked_step,
            list(model.parameters()),
            changed=self._changed,
            read=lambda: self._pruner.integer_masks,
            constants=lambda: [group["lr"] for group in optimizer.param_groups],
            record=recorder(self._device),
        )

    @property
    def replayed(self) -> int:
        """The number of steps of this process that were replayed from a recording."""
        return self._replay.replayed

    def start(self, lr: float) -> None:
        """Begin or continue an epoch, with its learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._replay.check()

    def __call__(self, x: Tensor, y: Tensor) -> None:
        """Train on a batch: images (B, 3, H, W), labels (B,)."""
        if self._foreign:
            seed_forward(self._seed, self._pruner.steps)
        leak = self._pruner.leak
        self._descend(x, y, soft=leak is not None)  # forward, backward, optimizer
        update = self._pruner.step(masked=leak is None)
        self._replay.release()
        self._record(len(y), update, leak)

    def _descend(self, x: Tensor, y: Tensor, *, soft: bool) -> None:
        if soft:  # not recorded: the share of a pruned weight that the model sees may change
            self._replay.detach()
            self._forward_backward_optimizer(x, y)
        else:
            self._pruner.copy_weights()  # a replayed step calls no hook
            self._replay(x, y)

    def _forward_backward_optimizer(self, x: Tensor, y: Tensor) -> None:
        with autocast(self._training, self._device):
            loss = self._loss(self._model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.loss += loss.detach() * len(y)

    def _masked_step(self, x: Tensor, y: Tensor) -> None:
        """Do the work of a step on the device with hard masking; the host decides nothing."""
        self._forward_backward_optimizer(x, y)
        self._pruner.apply()

    def _changed(self) -> list[Tensor]:
        """Return the tensors that a step changes in place."""
        buffers = [
            value
            for parameter in self._model.parameters()
            for value in self._optimizer.state.get(parameter, {}).values()
            if isinstance(value, Tensor)
        ]
        return [*self._model.state_dict().values(), *buffers, self.loss]

    def _record(self, images: int, update: int | None, leak: float | None) -> None:
        """Track a step, and record its update if wanted."""
        self._diagnostics.step(images, updated=update is not None, leak=leak)
        if update is None:
            return
        self._replay.check()
        if self._wanted(update):
            kept = [layer.kept for layer in self._pruner.layers("masks")]
            self.updates.append(
                {"update": update, "step": self._pruner.steps, "kept": kept}
                | self._diagnostics.record()
            )

    def _wanted(self, update: int) -> bool:
        """Whether an update is recorded: at most one per ``update_every`` steps, and the last."""
        timing, every = self._pruner.method.timing, self._update_every
        past = self._pruner.steps - timing.begin
        return timing.every >= every or update == timing.updates or past % every == 0
