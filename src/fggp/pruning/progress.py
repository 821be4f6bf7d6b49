"""The progress of pruning, in words and in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils.hooks import RemovableHandle

from fggp.pruning.parameters import Layer
from fggp.pruning.timing import Method


def metrics(
    layers: Sequence[Layer],
    target: float,
    step: tuple[int, int],
    update: tuple[int, int],
    leak: float | None,
    *,
    per_layer: bool,
) -> dict[str, float]:
    """Return counts of layers and progress as numbers by name.

    Args:
        layers: layers with their counts.
        target: target sparsity.
        step: the current step and the last one.
        update: the number of the last update made and of the last one planned.
        leak: the share of a pruned weight that the model sees.
        per_layer: whether to add the sparsity of each layer.

    """
    kept, total = sum(layer.kept for layer in layers), sum(layer.total for layer in layers)
    found: dict[str, float] = {
        "sparsity": 1 - kept / max(1, total),
        "target_sparsity": target,
        "kept": kept,
        "total": total,
        "step": step[0],
        "steps": step[1],
        "leak": leak or 0.0,
        "update": update[0],
        "updates": update[1],
    }
    if per_layer:
        found |= {f"sparsity/{it.name}": 1 - it.kept / max(1, it.total) for it in layers}
    return found


def listed(
    name: str, layers: Sequence[Layer], target: float, progress: str, left_out: Mapping[str, str]
) -> str:
    """Return a row for each layer, the left-out parameters by reason, and the overall sparsity."""
    rows = [f"{x.name:<40} {x.kept:>12,} / {x.total:>12,}" for x in layers]
    by_reason: dict[str, list[str]] = {}
    for parameter, reason in left_out.items():
        by_reason.setdefault(reason, []).append(parameter)
    out = [f"left out ({reason}): {', '.join(them)}" for reason, them in by_reason.items()]
    kept, total = sum(layer.kept for layer in layers), sum(layer.total for layer in layers)
    sparsity = 1 - kept / max(1, total)
    return "\n".join([*rows, *out, f"{name}: sparsity {sparsity:.6f} of {target:.6g} {progress}"])


def below_target(method: Method, last: int, total: int, leak: float | None) -> bool:
    """Whether missing updates would remove more weights, or more of each weight.

    Args:
        method: the planned method.
        last: the number of the last update that was made.
        total: the number of prunable weights.
        leak: the share of a pruned weight that the model sees now.

    """
    removing = method.keep(last, total) > method.keep(method.timing.updates, total)
    return last < method.last_number and (removing or bool(leak))


class Handle(RemovableHandle):
    """A hook handle that calls a function when the hook is removed.

    Args:
        handle: handle of the hook.
        removed: function that is called once, before the hook is removed.

    """

    def __init__(self, handle: RemovableHandle, removed: Callable[[], object]) -> None:
        self.__dict__.update(vars(handle))
        self._removed: Callable[[], object] | None = removed

    def __getstate__(self) -> tuple[None, int]:
        # A copy of the optimizer has lost the hook, and there is nothing to remove.
        return None, self.id

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        super().__setstate__(state)
        self._removed = None

    def remove(self) -> None:
        """Remove the hook."""
        removed, self._removed = self._removed, None
        if removed is not None:
            removed()
        super().remove()
