"""Pruning at once, without training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn

from fggp.foundation.exact import kept_count, ratio
from fggp.pruning.parameters import prunable
from fggp.pruning.topk import keep_largest


@torch.no_grad()
def sparsify(
    model: nn.Module,
    sparsity: Fraction | float | str,
    *,
    scope: Literal["global", "layer"] = "global",
    params: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Zero the weights with the smallest magnitude, in place.

    Args:
        model: the network; every parameter with two or more dimensions is prunable.
        sparsity: share of the prunable weights to zero, exact to the weight.
        scope: over all layers, or the same share of each.
        params: names of the parameters to prune, where not all prunable ones are meant.

    Returns:
        The masks by parameter name, bool, True where a weight is kept.

    Raises:
        ValueError: for a sparsity outside 0 to 1, an unknown scope or an unknown parameter.

    """
    share, parameters = ratio(sparsity), prunable(model, params)
    if not 0 <= share < 1:
        raise ValueError(f"sparsity {sparsity} is not possible: 0 <= sparsity < 1 must hold")
    if scope not in {"global", "layer"}:
        raise ValueError(f"scope {scope!r} is neither 'global' nor 'layer'")
    scores = [parameter.detach().abs().reshape(-1) for parameter in parameters.values()]
    groups = [torch.cat(scores)] if scope == "global" else scores
    kept = torch.cat(
        [
            keep_largest(
                group, kept_count(len(group), share), torch.ones_like(group, dtype=torch.bool)
            )
            for group in groups
        ]
    )
    masks = {}
    cut = kept.split_with_sizes([len(score) for score in scores])
    for (name, parameter), mask in zip(parameters.items(), cut, strict=True):
        masks[name] = mask.view(parameter.shape)
        parameter.masked_fill_(~masks[name], 0)
    emptied = [name for name, mask in masks.items() if not mask.any()]
    if emptied:
        warnings.warn(
            f"no weight is left in {', '.join(emptied)}; scope='layer' keeps a share of each layer",
            RuntimeWarning,
            stacklevel=3,
        )
    return masks
