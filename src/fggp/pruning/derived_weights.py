"""Weights computed from other parameters, on which masks would have no effect."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

SUFFIXES = ("_orig", "_raw", "_bar", "_v", "_g")
"""The suffix of the parameter from which a weight is computed, after the name of the weight."""


def fix_of_derived(model: nn.Module, name: str) -> str | None:
    """Return how to make the weight itself a parameter, if one is computed from ``name``.

    None if the layer computes with the parameter itself, or with its multiple by a number, as in
    spectral norm: then zeros of one are zeros of the other.

    Args:
        model: the network.
        name: name of one of its parameters.

    """
    path, _, own = name.rpartition(".")
    modules = dict(model.named_modules(remove_duplicate=False))  # scripted ones know no paths
    parts = path.split(".")
    for above in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
        if isinstance(modules[above], parametrize.ParametrizationList):
            return _fix_of_parametrization(modules[above], above)
    weight = next((own.removesuffix(end) for end in SUFFIXES if own.endswith(end)), own)
    return _fix_of_hook(modules[path], path, weight) if weight != own else None


def _fix_of_parametrization(module: nn.Module, path: str) -> str | None:
    kinds = {type(part).__name__ for part in module.children()}
    if kinds == {_SpectralNorm.__name__}:
        return None
    if "FakeSparsity" in kinds:
        return "call sparsifier.squash_mask() first"
    layer, _, weight = path.rpartition(".")
    layer = layer.removesuffix("parametrizations").rstrip(".")
    return (
        f"call torch.nn.utils.parametrize.remove_parametrizations({_call(layer)}, {weight!r}) first"
    )


def _fix_of_hook(module: nn.Module, path: str, weight: str) -> str | None:
    """Return the fix if the weight is computed before each forward pass, otherwise None."""
    layer = _call(path)
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, prune.BasePruningMethod) and hook._tensor_name == weight:
            return f"call torch.nn.utils.prune.remove({layer}, {weight!r}) first"
        if isinstance(hook, WeightNorm) and hook.name == weight:
            return f"call torch.nn.utils.remove_weight_norm({layer}, {weight!r}) first"
        if isinstance(hook, SpectralNorm) and hook.name == weight:
            return None
    if isinstance(vars(module).get(weight), Tensor) or weight in module._buffers:
        return f"make {weight} a parameter of its own first"
    return None


def _call(path: str) -> str:
    return f"model.get_submodule({path!r})" if path else "model"
