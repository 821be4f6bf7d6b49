"""Diagnostics of a training: mask changes, dead neurons, work.

Nothing here changes a bit of the training. All numbers are counts; the analysis computes shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from fggp.pruning.filters.positions import output_positions
from fggp.pruning.pruner import Pruner
from fggp.training.flops import Watch, Work, counts


class Diagnostics:
    """Tracks the masks of one training.

    It replaces the pruner's rule by a `Watch`, to know which updates read the gradient.

    Args:
        model: the network.
        pruner: its pruner, before the first step.
        shape: shape of one image, without the batch.

    Raises:
        ValueError: if a prunable tensor is not the weight of a convolution or a linear layer.

    """

    def __init__(self, model: nn.Module, pruner: Pruner, shape: Sequence[int]) -> None:
        self.model, self.pruner = model, pruner
        self.positions = output_positions(model, shape)
        for name in sorted(pruner.masks.keys() - self.positions.keys()):
            raise ValueError(
                f"{name} is not the weight of a convolution or a linear layer that is used, so its "
                "multiplications cannot be counted"
            )
        recipe = pruner.method.recipe
        self._watch = None if recipe.rule is None else Watch(recipe.rule)
        pruner.method = replace(pruner.method, recipe=replace(recipe, rule=self._watch))
        positions = [self.positions[name] for name in pruner.masks]
        self._work = Work(positions, self._masks, recipe.gradient_steps)
        self._ever = [mask.clone() for mask in self._masks]
        self._recorded = [mask.clone() for mask in self._masks]

    def step(self, images: int, *, updated: bool, leak: float | None = None) -> None:
        """Track one training step of ``images`` images; call it after ``pruner.step()``.

        ``updated`` is whether that call changed the masks, whether recorded or not; ``leak`` is the
        pruner's leak before it.
        """
        self._work.step(images, leak)
        if updated:
            read = self._watch is not None and self._watch.read_gradient
            self._work.update(self._masks, read_gradient=read)
            for ever, mask in zip(self._ever, self._masks, strict=True):
                ever.logical_or_(mask)

    def record(self) -> dict[str, int]:
        """Return the changes of the masks since the last call, or since the initial masks.

        ``dropped`` and ``grown`` count the weights in only one of the two masks. ``explored``
        weights were active at any time, in the initial mask or after an update, recorded or not
        (the numerator of R_s in Liu et al. 2021, arXiv 2102.02887).
        """
        pairs = list(zip(self._recorded, self._masks, strict=True))
        dropped = counts([before > mask for before, mask in pairs])
        grown = counts([mask > before for before, mask in pairs])
        for before, mask in pairs:
            before.copy_(mask)
        return {
            "dropped": int(dropped.sum()),
            "grown": int(grown.sum()),
            "explored": self._explored,
        }

    def outcome(self, evaluate: Callable[[], object]) -> dict[str, Any]:
        """Return the totals of the training; ``evaluate`` runs the network on the test set.

        MACs are those of `fggp.training.flops`: of one image, dense and under the current masks,
        and of all training steps so far.
        """
        return {
            "explored": self._explored,
            "dense_macs": self._work.dense,
            "inference_macs": self._work.inference,
            "training_macs": self._work.training,
            "dead_neurons": dead_neurons(self.model, evaluate),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume."""
        return {"work": self._work.state_dict(), "ever": self._ever, "recorded": self._recorded}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self._work.load_state_dict(state["work"])
        for own, name in ((self._ever, "ever"), (self._recorded, "recorded")):
            for mask, saved in zip(own, state[name], strict=True):
                mask.copy_(saved)

    @property
    def _masks(self) -> list[Tensor]:
        return list(self.pruner.masks.values())

    @property
    def _explored(self) -> int:
        return int(counts(self._ever).sum())


def dead_neurons(model: nn.Module, evaluate: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the number of channels of each ReLU that are zero for every image and position.

    Args:
        model: the network; its ReLUs are modules.
        evaluate: runs the network on all images, in any number of batches.

    Returns:
        One record per call of a ReLU in a forward pass, in order: ``name`` of the module, ``call``
        (from 1, as one module may be called several times), ``dead`` and ``channels``.

    """
    alive: dict[tuple[str, int], Tensor] = {}
    calls: Counter[str] = Counter()

    def begin(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls.clear()

    def follow(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def note(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            calls[name] += 1
            others = [dim for dim in range(output.ndim) if dim != 1]
            fired = output.detach().amax(others) != 0  # a NaN counts as alive
            before = alive.get((name, calls[name]))
            alive[name, calls[name]] = fired if before is None else before | fired

        return note

    handles = [model.register_forward_pre_hook(begin)]
    for name, module in model.named_modules():
        if isinstance(module, nn.ReLU):
            handles.append(module.register_forward_hook(follow(name)))
    try:
        evaluate()
    finally:
        for handle in handles:
            handle.remove()
    return [
        {"name": name, "call": call, "dead": int((~fired).count_nonzero()), "channels": len(fired)}
        for (name, call), fired in alive.items()
    ]
