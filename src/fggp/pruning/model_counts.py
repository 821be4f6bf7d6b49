"""Counts of the weights in a model, compared with the masks of its pruner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fggp.pruning.derived_weights import fix_of_derived
from fggp.pruning.parameters import Layer
from fggp.pruning.prunable import late_weights


@dataclass
class Found:
    """The differences between a model and the parameters that its pruner knows.

    Attributes:
        weights: current weights of the model, by the name that the pruner knows.
        missing: names of layers that the model no longer has.
        replaced: names under which the model has another parameter now.
        late: parameters that are prunable now and were not when the pruner was made.
        derived: fixes, by name, for weights that are computed from the pruned parameter now.
        alive: names of layers with pruned weights that are not zero.

    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    late: dict[str, nn.Parameter] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)
    alive: list[str] = field(default_factory=list)

    def complaints(self) -> Iterator[str]:
        """Yield each difference, with the fix."""
        again = "make the pruner again on the model as it is now"
        if self.replaced:
            yield (
                f"{_listed(self.replaced)}: replaced by another parameter, as by "
                f"load_state_dict(assign=True), and no longer pruned; {again}, with "
                "state=pruner.state_dict()"
            )
        if self.missing:
            yield f"{_listed(self.missing)}: no longer in the model; {again}"
        if self.late:
            yield (
                f"{_listed(self.late)}: unfrozen or added after the pruner was made, and not "
                f"pruned; {again}, or name the parameters to prune in params="
            )
        for name, fix in self.derived.items():
            yield f"{name}: its layer computes another weight from it now; {fix}"
        if self.alive:
            yield (
                f"{_listed(self.alive)}: not zero where they are pruned, as after loading or "
                "averaging weights; load the pruner's state of that checkpoint too, or call "
                "pruner.apply()"
            )


def structure(model: nn.Module) -> list[tuple[str, int, bool, type]]:
    """Return the structure that `compared` depends on, eight times as fast.

    While it stays equal, `compared` finds nothing new.
    """
    return [(name, id(p), p.requires_grad, type(p)) for name, p in model.named_parameters()]


def compared(model: nn.Module, own: Mapping[str, Tensor], *, by_default: bool) -> Found:
    """Compare the parameters of a model with those that a pruner knows; reads no values.

    Args:
        model: the network.
        own: the prunable parameters when the pruner was made.
        by_default: whether these were all parameters that are prunable by default.

    """
    found, every = Found(), dict(model.named_parameters(remove_duplicate=False))
    names = {id(p): name for name, p in model.named_parameters()}
    for name, parameter in own.items():
        if id(parameter) in names:  # still the pruned one, even under another name
            found.weights[name] = parameter
            now = names[id(parameter)]
            if now != name and (fix := fix_of_derived(model, now)):
                found.derived[name] = fix
        elif name in every:
            found.weights[name] = every[name]
            found.replaced.append(name)
        else:
            found.missing.append(name)
    if by_default:
        known = {id(p) for p in own.values()} | {id(p) for p in found.weights.values()}
        late = late_weights(model)
        found.late = {name: p for name, p in late.items() if id(p) not in known}
    return found


@torch.no_grad()
def counted(
    found: Found, planned: Iterable[Layer], masks: Mapping[str, Tensor], *, leaking: bool
) -> list[Layer]:
    """Count the layers in the model, and note in ``found`` those with nonzero pruned weights.

    A layer whose pruned weights are all zero is counted by its mask, including a weight that
    happens to be zero. Any other layer is counted by its nonzero weights. If pruned weights are
    meant to leak through, the mask counts. Missing layers are left out, and late ones are at the
    end. The host waits once for each device.

    Args:
        found: the current weights.
        planned: the layers as counted by their masks.
        masks: masks by name.
        leaking: whether the model is meant to see a share of the pruned weights.

    """
    layers = [layer for layer in planned if layer.name in found.weights]
    masked = [(found.weights[it.name], masks[it.name]) for it in layers]
    counts = _counts([*masked, *((p, None) for p in found.late.values())])
    result = []
    for layer, (alive, nonzero), (weight, _) in zip(layers, counts, masked, strict=False):
        another = layer.name in found.replaced
        if alive and not leaking and not another:
            found.alive.append(layer.name)
        kept = nonzero if another or (alive and not leaking) else layer.kept
        result.append(Layer(layer.name, tuple(weight.shape), kept, weight.numel()))
    for (name, p), (_, nonzero) in zip(found.late.items(), counts[len(layers) :], strict=True):
        result.append(Layer(name, tuple(p.shape), nonzero, p.numel()))
    return result


def _counts(weights: Sequence[tuple[Tensor, Tensor | None]]) -> list[tuple[int, int]]:
    """Return for each weight the number of nonzero elements off its mask, and in all."""
    waiting: dict[torch.device, list[Tensor]] = {}
    for weight, mask in weights:
        nonzero = weight.detach() != 0
        whole = off = nonzero.count_nonzero()
        if mask is not None and mask.shape == weight.shape:
            off = nonzero.greater(mask.to(weight.device)).count_nonzero()
        waiting.setdefault(weight.device, []).append(torch.stack((off, whole)))
    answers = {device: iter(torch.stack(own).tolist()) for device, own in waiting.items()}
    return [tuple(next(answers[weight.device])) for weight, _ in weights]


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} (and {len(others)} more)" if others else first
